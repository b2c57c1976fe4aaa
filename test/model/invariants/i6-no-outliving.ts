import type { AccessPoint } from "../access-point.ts";
import type { Simulation, Watch } from "../simulation.ts";
import type { TickClock } from "../tick-clock.ts";

/** Clocks are not compared: what was left when a datagram was built is left when it comes. Each adoption may gain so much. */
const TRAVEL_MS = 100;
/** Silence after which a source is dead and its mirror ages by our clock, and a hello to notice it. */
const DEAD_MS = 12_000;

/**
 * (I6) No cell outlives its last packet by more than its lifetime and a tick, wherever it was adopted or mirrored. Each
 * writing of a cell is looked at; and mirrors age: their ticks lag behind their source's by the time until it is held
 * for dead, and one tick. Time that roamwalld stood still counts for nobody, as its timers stand too.
 */
export function nothingOutlives(sim: Simulation): Watch {
  const { geometry, permutations, world } = sim;
  /** by fingerprint: when it must be over */
  const ends = new Map<number, number>();
  const adoptions = new Map<number, number>();
  let stoodMs = 0;

  function check(ap: AccessPoint, where: string, cell: number, fingerprint: number, clock: TickClock, ticks: Ticks) {
    const isSlow = ((cell >>> geometry.tickBits) & 1) === 1;
    const field = (cell & geometry.modulus) - 1;
    const now = isSlow ? ticks.slow : ticks.fast;
    const left = (((field - now) % geometry.modulus) + geometry.modulus) % geometry.modulus;
    if (left > geometry.liveMax) return;
    const endMs = isSlow ? clock.slowBeginsMs(now + left + 1) : clock.fastBeginsMs(now + left + 1);
    const until = ends.get(fingerprint);
    const limitMs = until === undefined ? undefined : until + TRAVEL_MS * (adoptions.get(fingerprint) ?? 0);
    if (limitMs !== undefined && endMs <= limitMs) return;
    if (limitMs !== undefined && endMs <= limitMs + stoodMs) {
      sim.excuse("I6: longer by a standstill");
      return;
    }
    const late =
      limitMs === undefined
        ? "has no packet"
        : `outlives its last packet by ${((endMs - limitMs) / 1000).toFixed(1)} s too long`;
    sim.fail("I6", `a cell ${where} ${late}`, [ap.name]);
  }

  return {
    inserted(ap, fingerprint, code, before) {
      const { table } = ap.datapath.sfr;
      const isPacket = code >= 0;
      if (isPacket) {
        const isSlow = code >> geometry.tickBits === 1;
        const tickMs = isSlow ? geometry.slowTickMs : geometry.fastTickMs;
        const lifeMs = (code & geometry.modulus) * tickMs;
        // A slow cell in its last tick, refreshed by less: nobody knows which is longer, so it gets a slow tick more.
        const isRounded = before === 1 << geometry.tickBits && !isSlow;
        const endMs = world.nowMs + (isRounded ? 2 * geometry.slowTickMs : lifeMs + tickMs);
        ends.set(fingerprint, Math.max(ends.get(fingerprint) ?? 0, endMs));
      }
      if (!isPacket) adoptions.set(fingerprint, (adoptions.get(fingerprint) ?? 0) + 1);
      const at = table.find(Math.floor(fingerprint / 2 ** 32), fingerprint >>> 0);
      if (at >= 0 && !isPacket) check(ap, `adopted by ${ap.name}`, table.cells[at]!, fingerprint, ap.clock, table);
    },
    mirrored(ap, index, at, cell) {
      const { hi, lo } = permutations.xOf(at, cell >>> geometry.timerBits);
      const found = ap.replicator.list().find(({ mirror }) => mirror?.index === index);
      const source = found && sim.ap(found.id);
      if (!source || source.tableId !== found.tableId) return;
      check(ap, `mirrored by ${ap.name}`, cell, hi * 2 ** 32 + lo, source.clock, ap.datapath.sfr.mirrors[index]!);
    },
    stood(ms) {
      stoodMs += ms;
    },
    second() {
      for (const ap of sim.aps) if (ap.isAgentUp) mirrorsAge(sim, ap, stoodMs);
    },
  };
}

interface Ticks {
  readonly fast: number;
  readonly slow: number;
}

function mirrorsAge(sim: Simulation, ap: AccessPoint, stoodMs: number): void {
  const { geometry, world } = sim;
  for (const { id, mirror, tableId, orphans } of ap.replicator.list()) {
    const source = sim.ap(id)!;
    if (mirror && source.tableId === tableId) ap.sourceClocks.set(mirror, source.clock);
    for (const of of [mirror, ...orphans.map((orphan) => orphan.mirror)]) {
      const clock = of && ap.sourceClocks.get(of);
      if (!clock || of.used === 0) continue;
      const thenMs = Math.min(world.nowMs, Math.max(world.nowMs - DEAD_MS, ap.agentSinceMs)) - stoodMs;
      const lag = clock.dueFast(thenMs - geometry.fastTickMs) - of.ticks.fast;
      if (lag > 0)
        sim.fail("I6", `${ap.name}'s mirror of ${source.name} does not age: ${lag} ticks late`, [ap.name, source.name]);
    }
  }
}
