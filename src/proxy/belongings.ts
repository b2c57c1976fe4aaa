import type { Geometry } from "../bloom/geometry.ts";
import { codeFor } from "../bloom/timer.ts";
import type { Datapath } from "../datapath/datapath.ts";
import type { Log } from "../platform/platform.ts";
import type { Carry, Expectations } from "./carry.ts";
import type { Context } from "./contexts.ts";
import type { OwnTable } from "./own-table.ts";
import type { Handed, RoamCounters, RoamWire } from "./roam-api.ts";

/** RIGHTS and CLAIM of one roam come together, and a claim may come twice: one answer is enough. */
const HANDOVER_EVERY_MS = 10;
/** A claim that is said again so long after the first waits for somebody who may be gone: then the mirror must do. */
export const HANDOVER_WITHIN_MS = 100;

export interface BelongingsParts {
  readonly id: number;
  readonly geometry: Geometry;
  readonly datapath: Pick<Datapath, "shortenClient" | "flushHeld" | "sync">;
  readonly own: OwnTable;
  readonly carry: Carry;
  readonly wire: Pick<RoamWire, "handover" | "hears" | "sources">;
  readonly log: Log;
  /** 0: expectations of a client that went age normally. */
  readonly handoverLifetimeS: number;
  nowMs(): number;
}

type Source = ReturnType<RoamWire["sources"]>[number];

/** What this AP holds of a client: given to the AP that it went to, taken from mirrors of those that it came from. */
export class Belongings {
  constructor(
    private readonly parts: BelongingsParts,
    private readonly counters: RoamCounters,
  ) {}

  /**
   * Sends all expectations of the client, held ones too, and what is mirrored of APs that the claimer does not ask, or
   * asks in vain. Silent (false) when there was never anything and nobody asked.
   */
  handOver(context: Context, to: number, asked: readonly number[]): boolean {
    const { datapath, id } = this.parts;
    const n = context.n;
    const atMs = this.parts.nowMs();
    const { handed } = context;
    const isSaidAgain = handed?.to === to && handed.n === n;
    if (isSaidAgain && atMs - handed.atMs < HANDOVER_EVERY_MS) return true;
    const sinceMs = isSaidAgain ? handed.sinceMs : atMs;
    const isInVain = atMs - sinceMs >= HANDOVER_WITHIN_MS;
    const mirrored = () => this.mirrorsOf(context, (ap) => ap !== to && (isInVain || !asked.includes(ap)));
    const hasOwn = context.announced || this.hasCells(context) || asked.includes(id);
    context.handed = { to, n, atMs, sinceMs };
    if (!hasOwn && mirrored().length === 0) return false;
    datapath.flushHeld(context.slot);
    datapath.sync().then(
      () => {
        if (context.n !== n || context.here) return;
        this.counters.handoversSent++;
        this.parts.wire.handover(to, this.collect(context, mirrored()));
      },
      () => this.parts.log.warn("proxy", "no handover: the datapath went away", { client: context.mac }),
    );
    return true;
  }

  /** Cells of it, or such that nobody knows whose they are. */
  hasCells({ slot }: Context): boolean {
    const { cellsOfSlot, nameless } = this.parts.own;
    return cellsOfSlot[slot]! > 0 || nameless.size > 0;
  }

  /** What APs that are silent had published of the client. */
  mirrorsOfGone(context: Context) {
    return this.mirrorsOf(context, () => false);
  }

  /** Also what is mirrored of APs that speak, but did not hand over to us. */
  private mirrorsOf({ holders, handedBy, mac }: Context, isWanted: (ap: number) => boolean) {
    const { wire } = this.parts;
    const wanted = [...holders].filter((ap) => !wire.hears(ap) || (!handedBy.has(ap) && isWanted(ap)));
    return wanted.flatMap((ap) => wire.sources(ap, mac)).filter(({ mirror, slot }) => mirror.cellsOfSlot[slot]! > 0);
  }

  /** Answers how many expectations there were. */
  adoptFromMirrors(context: Context, ap: number): number {
    const { carry, wire } = this.parts;
    let sum = 0;
    for (const { mirror, slot, phases } of wire.sources(ap, context.mac)) {
      const adopted = carry.adopt(
        context.slot,
        carry.ofMirror(mirror, slot),
        phases.ofSource(this.parts.nowMs(), mirror.ticks),
      );
      this.counters.adoptedFromMirror += adopted;
      this.counters.adoptedCells += adopted;
      sum += adopted;
    }
    return sum;
  }

  /** The new AP has all of it: what is left here need not wait for its whole time. */
  letGo({ slot }: Context): void {
    const { datapath, geometry, handoverLifetimeS } = this.parts;
    const code = handoverLifetimeS === 0 || geometry.cellBits === 16 ? 0 : codeFor(handoverLifetimeS, geometry);
    if (code !== 0) datapath.shortenClient(slot, code);
  }

  /** All that this AP knows of it: its own table's, and what is mirrored. */
  private collect(context: Context, mirrored: readonly Source[]): Handed {
    const { carry } = this.parts;
    const { fast, slow } = carry.phases();
    const kept = mirrored.map(({ mirror, slot, phases }) =>
      carry.timed(carry.ofMirror(mirror, slot), phases.ofSource(this.parts.nowMs(), mirror.ticks)),
    );
    const all = [carry.ofOwn(context.slot), ...kept];
    return { mac: context.mac, n: context.n, fastPhase: fast, slowPhase: slow, ...joined(all) };
  }
}

function joined(lists: readonly Expectations[]): Expectations {
  const size = lists.reduce((sum, { codes }) => sum + codes.length, 0);
  const all = { xHi: new Uint32Array(size), xLo: new Uint32Array(size), codes: new Uint8Array(size) };
  let at = 0;
  for (const { xHi, xLo, codes } of lists) {
    all.xHi.set(xHi, at);
    all.xLo.set(xLo, at);
    all.codes.set(codes, at);
    at += codes.length;
  }
  return all;
}
