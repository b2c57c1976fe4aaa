import { MODES } from "./modes.ts";
import type { Neighbour } from "./neighbour.ts";
import type { NeighbourStatus } from "./status.ts";

const WHOLE = 256;

/** What people are told of a neighbour. */
export function statusOf(neighbour: Neighbour, nowMs: number, groupHere = true): NeighbourStatus {
  const { mirror, gaps, sync, paths, hello } = neighbour;
  const behindSinceMs = Math.min(sync?.beganMs ?? Number.POSITIVE_INFINITY, gaps.oldestMs);
  return {
    id: neighbour.id,
    name: hello?.name ?? "",
    address: `${neighbour.address.address}:${neighbour.address.port}`,
    state: neighbour.state,
    mirror: mirror?.index ?? -1,
    compatible: neighbour.compatible,
    differences: neighbour.differences,
    mode: Object.entries(MODES).find(([, mode]) => mode === neighbour.mode)?.[0] ?? "",
    mirroredCells: mirror?.used ?? 0,
    orphans: neighbour.orphans.length,
    edgeVer: gaps.highest,
    knownVer: gaps.contiguous,
    ackVer: neighbour.ackVer,
    syncing: sync !== undefined,
    gaps: gaps.count,
    givenUp: neighbour.givenUp,
    lagMs: Number.isFinite(behindSinceMs) ? nowMs - behindSinceMs : 0,
    periodMs: Math.round(neighbour.periodMs),
    silentMs: nowMs - neighbour.helloMs,
    lossHere: neighbour.lost / WHOLE,
    lossThere: neighbour.lostThere / WHOLE,
    rttMs: Number.isFinite(neighbour.rttMs) ? neighbour.rttMs : null,
    fill: (hello?.fill ?? 0) / WHOLE,
    groupHere,
    heardGroup: paths.isAlive("group", nowMs),
    heardAlone: paths.isAlive("alone", nowMs),
    hearsGroup: neighbour.hearsGroup,
    slow: neighbour.account.slow,
    slowHere: neighbour.breath.isSlow,
    lastHelloMs: neighbour.helloMs,
    keys: hello?.keys ?? [],
    clockMs: neighbour.clock.gainedMs,
    knownForMs: neighbour.believed ? nowMs - neighbour.believedMs : null,
  };
}
