/** The clients' records as the datapath has them. */
import { type Mac, macFromBytes } from "../base/mac.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import type { ClientDump, Datapath } from "../datapath/datapath.ts";
import { NO_FILTER } from "./role-record.ts";

export type Dumps = ReadonlyMap<Mac, ClientDump>;

export class ClientDumps {
  private last = new Map<Mac, ClientDump>();
  private asking: Promise<unknown> = Promise.resolve();

  constructor(private readonly datapath: Pick<Datapath, "dumpClients" | "sync">) {}

  /** An answer, in the order of the questions. */
  heard(dump: ClientDump): void {
    this.last.set(macFromBytes(dump.mac), dump);
  }

  /** One question at a time: two at once would get one mixed answer. */
  ask(): Promise<Dumps> {
    const dumps = this.asking.then(async () => {
      this.last = new Map();
      this.datapath.dumpClients();
      await this.datapath.sync();
      return this.last;
    });
    this.asking = dumps.catch(() => {});
    return dumps;
  }
}

/** Filters that any of the records names. */
export function filtersOf(dumps: Dumps): Set<number> {
  const ids = [...dumps.values()].flatMap((dump) => dump.record.filter);
  return new Set(ids.filter((id) => id !== NO_FILTER));
}

/** That of most: of a change that an agent's end cut short, the fewer records name the other one. */
export function generationOf(dumps: Dumps): number {
  const flags = [...dumps.values()].map((dump) => dump.record.flags & CONSTANTS.CLIENT_GENERATION);
  return flags.filter((flag) => flag !== 0).length * 2 > flags.length ? CONSTANTS.CLIENT_GENERATION : 0;
}
