import { eachRecord } from "../../../src/replication/inbox.ts";
import { PREFIX_BYTES } from "../../../src/replication/outbox.ts";
import { KIND } from "../../../src/replication/records/kinds.ts";
import { HEADER_BYTES, HELLO_HEADER_BYTES, SEALED_EXTRA_BYTES } from "../../../src/replication/seal.ts";
import type { AccessPoint } from "../access-point.ts";
import type { Simulation, Watch } from "../simulation.ts";

const QUIET_AFTER_MS = 1_000;
const NAMES = Object.fromEntries(Object.entries(KIND).map(([name, kind]) => [kind, name]));

/**
 * (I7) One second after the last publication of a mesh that lacks nothing, only hellos and pulses are sent. Armed at rest; a
 * publication (a tick can make a refresh worth a record) opens another second.
 */
export function onlyHellosAtRest(sim: Simulation): Watch {
  let armedMs = Number.POSITIVE_INFINITY;
  let publishedMs = 0;
  /** by AP: change sets published; a number that is spent on something else is no publication */
  const published = new Map<number, number>();
  /** by AP: neighbours that it mirrors */
  const mirrors = new Map<number, number>();
  return {
    atRest() {
      armedMs = Math.min(armedMs, sim.world.nowMs);
      for (const ap of sim.aps) mirrors.set(ap.id, mirrorsOf(ap));
    },
    sent(from, bytes) {
      const { nowMs } = sim.world;
      const { changeSets } = from.replicator.counters;
      if (published.get(from.id) !== changeSets) {
        published.set(from.id, changeSets);
        publishedMs = nowMs;
      }
      if (nowMs < armedMs || nowMs - publishedMs <= QUIET_AFTER_MS) return;
      // It lacked one, and has it only now: a table that was given back, or is empty, made room.
      if (mirrorsOf(from) > (mirrors.get(from.id) ?? 0)) {
        mirrors.set(from.id, mirrorsOf(from));
        publishedMs = nowMs;
        sim.excuse("I7: a mirror that has become free is filled");
        return;
      }
      for (const kind of kindsOf(bytes)) {
        if (kind === KIND.hello || kind === KIND.pulse) continue;
        sim.fail("I7", `${from.name} still sends ${NAMES[kind] ?? kind}`, [from.name]);
      }
    },
  };
}

function mirrorsOf({ isAgentUp, replicator }: AccessPoint): number {
  return isAgentUp ? replicator.list().filter(({ mirror }) => mirror).length : 0;
}

function kindsOf(bytes: Uint8Array): number[] {
  const start = bytes[1]! & 1 ? HELLO_HEADER_BYTES : HEADER_BYTES;
  const kinds: number[] = [];
  eachRecord(bytes.subarray(start, bytes.length - SEALED_EXTRA_BYTES), PREFIX_BYTES, (kind) => kinds.push(kind));
  return kinds;
}
