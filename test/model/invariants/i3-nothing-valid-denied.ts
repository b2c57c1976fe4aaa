import { CONSTANTS } from "../../../src/datapath/abi.ts";
import type { AccessPoint } from "../access-point.ts";
import { hasRunFor, reachableFrom, type Settled } from "../paths.ts";
import type { Promised } from "../promised.ts";
import { type Denial, pairKey, type Simulation, type Watch } from "../simulation.ts";

/** After an arrival, when nothing that the two said to each other was lost. */
const SETTLE_MS = 1_000;
/** With losses: so many rounds of repair that all fail in no run of ten thousand. */
const LOSSY_SETTLE_MS = 10_000;
/** A new agent is believed after two hellos. */
const BELIEF_MS = 2_000;
/** A link that was cut is heard of with the next hello, then repaired. */
const HEAL_MS = 3_000;
/** An AP that lost its table has asked for it by then. */
const RESTORE_MS = 12_000;
const PATH: Settled = { linkMs: HEAL_MS, agentMs: BELIEF_MS };

/**
 * (I3) One second after its arrival no valid packet of a client is denied, when the old owner or a mirror can be
 * reached. Exceptions, each counted: the second itself; losses between the two AP (then ten seconds); the state is
 * only where no path leads; it died with the power of its AP before anybody could hear of it.
 */
export function nothingValidDenied(sim: Simulation): Watch {
  /** Why the state of a flow may be nowhere. */
  const died = new WeakMap<Promised, string>();
  return {
    powerFails: (ap) => rememberDead(sim, ap, died),
    agentEnds: (ap) => rememberForgotten(sim, ap, died),
    denied(denial) {
      const excuse = excuseOf(sim, denial, died);
      if (excuse !== undefined) {
        sim.note([denial.client.text, denial.ap.name], `excused: ${excuse}`);
        sim.excuse(`I3: ${excuse}`);
        return;
      }
      const { ap, client, what, reason } = denial;
      const holders = holdersOf(sim, denial).map(({ name }) => name);
      const text = `${ap.name} denied a valid packet (${reason}) of ${client.text}, ${what}; held by ${holders.join(", ") || "nobody"}`;
      sim.fail("I3", text, [client.text]);
    },
  };
}

function excuseOf(sim: Simulation, denial: Denial, died: WeakMap<Promised, string>): string | undefined {
  const { ap, client, promised, reason } = denial;
  const { nowMs } = sim.world;
  if (reason === "full" || reason === "budget") return `${reason} table`;
  if (!ap.isAgentUp) return "agent down";
  if (client.heardMs === Number.POSITIVE_INFINITY) return "not a word from it since it came";
  const sinceMs = Math.max(client.heardMs, ap.agentSinceMs + BELIEF_MS);
  if (nowMs - sinceMs < SETTLE_MS) return "within the first second";
  if (isForgotten(sim, denial)) return "no agent remembers its grant";
  const holders = holdersOf(sim, denial);
  const excuse = holders.length === 0 ? died.get(promised) : undefined;
  if (excuse !== undefined) return excuse;
  const isHeld = holders.length > 0;
  const owners = isHeld ? holders : sim.aps.filter((other) => other !== ap && mirrorsAny(other, denial.wanted));
  if (owners.length === 0) return undefined;
  const reachable = reachableFrom(sim, ap, PATH);
  const near = owners.filter((owner) => reachable.has(owner));
  if (near.length === 0) return isHeld ? "no path to who holds it" : "no path to who mirrors it";
  if (nowMs - sinceMs >= LOSSY_SETTLE_MS) return undefined;
  return near.every((owner) => hasLost(sim, ap, owner, sinceMs - SETTLE_MS)) ? "losses on the way" : undefined;
}

/** APs whose own table holds what the packet wants, and the AP itself when it has it in a mirror; for a client without record, who has one. */
function holdersOf(sim: Simulation, denial: Denial): AccessPoint[] {
  const { ap, client, reason, wanted } = denial;
  const powered = sim.aps.filter(({ isPowered }) => isPowered);
  if (reason === "unknown") return powered.filter((other) => knowsRights(other, client.mac, sim.world.nowMs));
  const has = (table: Table) => wanted.some((x) => table.find(Math.floor(x / 2 ** 32), x >>> 0) >= 0);
  return powered.filter((other) => has(other.datapath.sfr.table) || (other === ap && hasMirror(sim, denial, has)));
}

/** A kernel's record outlasts what agents know: where the client was served, it still is; elsewhere nobody may take it on. */
function isForgotten(sim: Simulation, { ap, client: { mac } }: Denial): boolean {
  if (ap.datapath.client(mac)?.presence === CONSTANTS.PRESENCE_HERE) return false;
  return sim.aps.every((other) => !knowsRights(other, mac, sim.world.nowMs));
}

/** A grant lives in agents: what gave it (a RADIUS session, an operator) must give it again to a mesh of which all began anew. */
function knowsRights({ isAgentUp, replicator }: AccessPoint, mac: Denial["client"]["mac"], nowMs: number): boolean {
  const rights = isAgentUp ? replicator.proxy.contexts.get(mac)?.rights : undefined;
  return rights !== undefined && !rights.revoked && nowMs < rights.endsAtMs;
}

/** A mirror that the AP could know to be of the client: its source's claim had the time to come. */
function hasMirror(sim: Simulation, { ap, client }: Denial, has: (table: Table) => boolean): boolean {
  if (!ap.isAgentUp) return false;
  return ap.replicator.list().some(({ id, mirror }) => {
    const stayMs = client.staysMs.get(id);
    if (!mirror || stayMs === undefined || !has(ap.datapath.sfr.mirrors[mirror.index]!)) return false;
    const link = sim.network.link(id, ap.id)!;
    return sim.network.isWhole(id, ap.id, HEAL_MS) || (link.cut && link.changedMs > stayMs + SETTLE_MS);
  });
}

type Table = AccessPoint["datapath"]["sfr"]["table"];
type KernelMirror = AccessPoint["datapath"]["sfr"]["mirrors"][number];

function hasLost(sim: Simulation, ap: AccessPoint, holder: AccessPoint, sinceMs: number): boolean {
  const isNear = sim.network.isWhole(ap.id, holder.id, HEAL_MS);
  if (isNear) return (sim.lostMs.get(pairKey(ap.id, holder.id)) ?? 0) >= sinceMs;
  return [...sim.lostMs.values()].some((atMs) => atMs >= sinceMs);
}

/** What only the failing AP has is lost. That is nobody's fault when it was too young to be told, or nobody could hear. */
function rememberDead(sim: Simulation, ap: AccessPoint, died: WeakMap<Promised, string>): void {
  const { nowMs } = sim.world;
  const others = sim.aps.filter((other) => other !== ap && other.isPowered);
  const tables = tablesBut(sim, ap);
  const couldHear = others.some(
    (other) => hasRunFor(sim, other, BELIEF_MS) && sim.network.isWhole(ap.id, other.id, HEAL_MS),
  );
  for (const { conversations } of sim.clients) {
    for (const { promised: both } of conversations) {
      for (const promised of both) {
        if (!promised) continue;
        const isElsewhere = promised.standing(nowMs).every((x) => stands(x, tables));
        const isYoung = nowMs - promised.changedMs < sim.holdMs * 1.5 + SETTLE_MS;
        if (isYoung) died.set(promised, "younger than a round of repair when power failed");
        else if (isElsewhere) continue;
        else if (!couldHear || !hasRunFor(sim, ap, BELIEF_MS))
          died.set(promised, "nobody could hear when power failed");
      }
    }
  }
}

/**
 * A new agent knows none of the mirrors that the one before filled. When a source is off, or had no time yet to ask for
 * the table that it lost, and nobody else has a copy, what was in its mirror ends with the agent.
 */
function rememberForgotten(sim: Simulation, ap: AccessPoint, died: WeakMap<Promised, string>): void {
  const { nowMs } = sim.world;
  const kept = knownMirrors(ap, ({ id }) => !hasRunFor(sim, sim.ap(id)!, RESTORE_MS));
  const tables = [...tablesBut(sim, ap), ap.datapath.sfr.table];
  for (const { conversations } of sim.clients) {
    for (const promised of conversations.flatMap((one) => one.promised)) {
      const isLast = (x: number) => stands(x, kept) && !stands(x, tables);
      if (promised?.standing(nowMs).some(isLast))
        died.set(promised, "the last mirror of it was of an agent that ended");
    }
  }
}

/** Where state of a client can be found when this AP is not there. */
function tablesBut(sim: Simulation, ap: AccessPoint): Table[] {
  const others = sim.aps.filter((other) => other !== ap && other.isPowered);
  return others.flatMap((other) => [other.datapath.sfr.table, ...knownMirrors(other)]);
}

type Neighbour = ReturnType<AccessPoint["replicator"]["list"]>[number];

/** What an agent before the present one filled is in the kernel, but nobody knows any more whose it was. */
function knownMirrors(ap: AccessPoint, isWanted: (of: Neighbour) => boolean = () => true): KernelMirror[] {
  if (!ap.isAgentUp) return [];
  const of = ap.replicator.list().filter(isWanted);
  const known = of.flatMap(({ mirror, orphans }) => [mirror, ...orphans.map((orphan) => orphan.mirror)]);
  return known.flatMap((mirror) => (mirror ? [ap.datapath.sfr.mirrors[mirror.index]!] : []));
}

function stands(x: number, tables: readonly Pick<Table, "find">[]): boolean {
  return tables.some((table) => table.find(Math.floor(x / 2 ** 32), x >>> 0) >= 0);
}

function mirrorsAny(ap: AccessPoint, wanted: readonly number[]): boolean {
  const known = knownMirrors(ap);
  return wanted.some((x) => stands(x, known));
}
