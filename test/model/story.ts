import type { AccessPoint } from "./access-point.ts";
import { ROLE } from "./access-point.ts";
import type { Client } from "./client.ts";
import { INVARIANTS } from "./invariants/index.ts";
import { CALM, type Reach, type Weather } from "./network.ts";
import { type Failure, type Patches, Simulation } from "./simulation.ts";

/** After the last misfortune: time in which hellos are heard again, mirrors repaired, and what is held published. */
const RECOVERY_MS = 20_000;
/** Then a quiet mesh is looked at for so long. */
const REST_MS = 6_000;

export interface Outcome {
  readonly seed: number;
  readonly failures: readonly Failure[];
  readonly hash: number;
  readonly virtualMs: number;
  readonly counts: Simulation["counts"];
  readonly network: Simulation["network"]["sent"];
  readonly excused: ReadonlyMap<string, number>;
  readonly acts: ReadonlyMap<string, number>;
  history(): string[];
}

type Act = (sim: Simulation) => void;

/** What can befall a mesh, and how often one of a hundred. A name here can be left out of runs by `--without`. */
export const ACTS: Readonly<Record<string, { readonly weight: number; readonly act: Act }>> = {
  roam: { weight: 26, act: (sim) => roam(sim, sim.random.pick(sim.clients), sim.random.pick(sim.aps)) },
  talk: { weight: 22, act: (sim) => sim.talk(sim.random.pick(sim.clients)) },
  pingPong: { weight: 5, act: pingPong },
  hidden: { weight: 6, act: roamToHidden },
  bothClaim: { weight: 3, act: (sim) => sim.stray(sim.random.pick(sim.clients), sim.random.pick(sim.aps)) },
  vanish: { weight: 3, act: vanish },
  weather: { weight: 7, act: changeWeather },
  partition: { weight: 5, act: partition },
  agent: { weight: 4, act: restartAgent },
  daemon: { weight: 2, act: restartDaemon },
  power: { weight: 3, act: cyclePower },
  goodbye: { weight: 2, act: goodbye },
  replay: { weight: 6, act: replay },
  grant: { weight: 3, act: grant },
  revoke: { weight: 3, act: revoke },
  /** By CoA, at any AP, and acknowledged. Only where it is asked for, so that the stories of all seeds stay as they were. */
  order: { weight: 0, act: order },
};

export interface RunOptions {
  readonly patches?: Patches;
  /** Names of acts that do not happen. */
  readonly without?: readonly string[];
  /** Other weights than those of `ACTS`. */
  readonly weights?: Readonly<Record<string, number>>;
  /** Names of invariants that are looked at; all when absent. */
  readonly only?: readonly string[];
}

/** One run: built, told and judged by its seed alone. */
export async function tell(
  seed: number,
  { patches = {}, without = [], weights = {}, only }: RunOptions = {},
): Promise<Outcome> {
  const apCount = 3 + (seed % 6);
  const sim = new Simulation(seed, apCount, patches);
  const names = Object.keys(INVARIANTS).filter((name) => !only || only.includes(name));
  sim.watch(names.map((name) => INVARIANTS[name]!(sim)));
  const startMs = sim.world.nowMs;
  const acts = new Map<string, number>();
  wire(sim, without);
  await begin(sim);
  const endMs = sim.world.nowMs + sim.random.between(40_000, 120_000);
  while (sim.world.nowMs < endMs && sim.failures.length === 0) {
    const name = pickAct(sim, without, weights);
    acts.set(name, (acts.get(name) ?? 0) + 1);
    ACTS[name]!.act(sim);
    await sim.run(sim.random.spread(20, 4_000));
  }
  await end(sim);
  return {
    seed,
    failures: sim.failures,
    hash: sim.history.hash,
    virtualMs: sim.world.nowMs - startMs,
    counts: sim.counts,
    network: sim.network.sent,
    excused: sim.excused,
    acts,
    history: () =>
      sim.history.last(
        sim.failures.flatMap(({ about }) => about),
        40,
      ),
  };
}

/** A connected graph of radios: a random tree, and some links more. The others are hidden from each other. */
function wire(sim: Simulation, without: readonly string[]): void {
  const { random, network, aps } = sim;
  const density = without.includes("hidden") ? 1 : random.between(0.3, 1);
  for (const b of aps.slice(1)) {
    const parent = 1 + random.below(b.id - 1);
    for (const a of aps.slice(0, b.id - 1)) {
      const isNear = a.id === parent || random.chance(density);
      const reach: Reach = isNear ? "radio" : "hidden";
      network.connect(a.id, b.id, reach, random.chance(0.2) ? random.between(0, 0.1) : 0);
      network.connect(b.id, a.id, reach, random.chance(0.2) ? random.between(0, 0.1) : 0);
    }
  }
}

async function begin(sim: Simulation): Promise<void> {
  const { random } = sim;
  for (let i = 2 + random.below(9); i > 0; i--) sim.addClient(random.chance(0.75));
  sim.everySecond();
  for (const ap of sim.aps) await ap.powerOn();
  await sim.run(2_500);
  for (const client of sim.clients) {
    const ap = random.pick(sim.aps);
    if (!sim.fileClients.has(client.mac))
      grantAt(sim, ap, client, random.chance(0.2) ? random.between(10, 60) : undefined);
    sim.associate(client, ap, random.chance(0.5));
    sim.talk(client);
  }
  await sim.run(1_000);
}

/** All misfortunes end; who is off comes back; then nobody speaks, and the mesh must come to rest. */
async function end(sim: Simulation): Promise<void> {
  if (sim.failures.length > 0) return;
  sim.network.healAll();
  sim.network.weather = CALM;
  for (const ap of sim.aps) await comeBack(ap);
  await sim.run(5_000);
  sim.hush();
  await sim.run(RECOVERY_MS);
  if (sim.failures.length > 0) return;
  sim.note([], "at rest");
  sim.atRest();
  await sim.run(REST_MS);
  if (sim.failures.length === 0) sim.atRest();
}

function pickAct(sim: Simulation, without: readonly string[], weights: NonNullable<RunOptions["weights"]>): string {
  const possible = Object.entries(ACTS).filter(([name]) => !without.includes(name));
  const weightOf = (name: string) => weights[name] ?? ACTS[name]!.weight;
  let dice = sim.random.unit() * possible.reduce((sum, [name]) => sum + weightOf(name), 0);
  for (const [name] of possible) {
    dice -= weightOf(name);
    if (dice < 0) return name;
  }
  return possible[0]![0];
}

// --- clients

function roam(sim: Simulation, client: Client, to: AccessPoint): void {
  if (sim.isHushed || !to.isPowered || client.ap === to.id) return;
  sim.associate(client, to, sim.random.chance(0.4));
}

function roamToHidden(sim: Simulation): void {
  const client = sim.random.pick(sim.clients);
  const hidden = sim.aps.filter(({ id }) => id !== client.ap && sim.network.link(client.ap, id)?.reach !== "radio");
  if (hidden.length > 0) roam(sim, client, sim.random.pick(hidden));
}

function pingPong(sim: Simulation): void {
  const { random, world } = sim;
  const client = random.pick(sim.clients);
  const [there, back] = [random.pick(sim.aps), sim.ap(client.ap) ?? random.pick(sim.aps)];
  const everyMs = random.spread(150, 2_000);
  for (let i = 0; i < 6; i++) world.after(everyMs * (i + 1), () => roam(sim, client, i % 2 === 0 ? there : back));
}

function vanish(sim: Simulation): void {
  const { random, world } = sim;
  const client = random.pick(sim.clients);
  client.ap = 0;
  sim.note([client.text], "vanishes");
  world.after(random.spread(500, 30_000), () => {
    if (client.ap === 0) roam(sim, client, random.pick(sim.aps));
  });
}

// --- network

function changeWeather(sim: Simulation): void {
  const { random } = sim;
  if (random.chance(0.35)) {
    sim.network.weather = CALM;
    return;
  }
  const weather: Weather = {
    loss: random.chance(0.6) ? random.between(0, 0.3) : 0,
    burstsPerSecond: random.chance(0.3) ? random.between(0.1, 1) : 0,
    burstMs: random.spread(20, 500),
    duplication: random.chance(0.5) ? random.between(0, 0.2) : 0,
    delayMs: random.spread(0.3, 20),
    jitterMs: random.chance(0.5) ? random.spread(1, 50) : 0,
    corruption: random.chance(0.3) ? random.between(0, 0.05) : 0,
  };
  sim.network.weather = weather;
  sim.note([], `weather: loss ${weather.loss.toFixed(2)}, jitter ${weather.jitterMs.toFixed(0)} ms`);
}

function partition(sim: Simulation): void {
  const { random, network, aps, world } = sim;
  const isOneWay = random.chance(0.3);
  const island = aps.filter(() => random.chance(0.5));
  for (const a of island) {
    for (const b of aps) {
      if (island.includes(b)) continue;
      network.cut(a.id, b.id, true);
      if (!isOneWay) network.cut(b.id, a.id, true);
    }
  }
  sim.note([], `partition${isOneWay ? ", one way" : ""}: ${island.map(({ name }) => name).join(" ")} | the rest`);
  world.after(random.spread(200, 30_000), () => {
    network.healAll();
    sim.note([], "healed");
  });
}

function replay(sim: Simulation): void {
  const { random, network, aps } = sim;
  for (let i = random.below(40); i >= 0; i--) network.replay(random.pick(aps).id);
}

// --- machines

function restartAgent(sim: Simulation): void {
  const ap = sim.random.pick(sim.aps);
  if (!ap.isAgentUp) return;
  ap.stopAgent();
  sim.note([ap.name], "agent dies");
  sim.world.after(sim.random.spread(50, 5_000), () => comeBack(ap, sim));
}

function restartDaemon(sim: Simulation): void {
  const ap = sim.random.pick(sim.aps);
  if (!ap.isDaemonUp) return;
  ap.stopDaemon();
  sim.note([ap.name], "roamwalld dies");
  sim.world.after(sim.random.spread(100, 15_000), () => comeBack(ap, sim));
}

function cyclePower(sim: Simulation): void {
  const ap = sim.random.pick(sim.aps);
  if (!ap.isPowered) return;
  sim.powerFails(ap);
  const { random, world } = sim;
  for (const client of sim.clients) {
    if (client.ap !== ap.id) continue;
    // Radios notice within a second or two, and go elsewhere; some wait for it to come back.
    world.after(random.spread(50, 3_000), () => {
      if (client.ap === ap.id && random.chance(0.8)) roam(sim, client, random.pick(sim.aps));
    });
  }
  world.after(random.spread(500, 20_000), () => comeBack(ap, sim));
}

function goodbye(sim: Simulation): void {
  const ap = sim.random.pick(sim.aps);
  if (!ap.isAgentUp) return;
  sim.note([ap.name], "says goodbye");
  ap.sayGoodbye().catch(() => {});
  sim.world.after(sim.random.spread(500, 10_000), () => comeBack(ap, sim));
}

async function comeBack(ap: AccessPoint, sim?: Simulation): Promise<void> {
  sim?.note([ap.name], "comes back");
  if (!ap.isPowered) await ap.powerOn();
  else if (!ap.isDaemonUp) await ap.startDaemon();
  else await ap.startAgent();
}

// --- rights

function grant(sim: Simulation): void {
  const { random } = sim;
  const client = random.pick(sim.clients);
  const ap = sim.ap(client.ap) ?? random.pick(sim.aps);
  if (ap.isAgentUp) grantAt(sim, ap, client, random.chance(0.3) ? random.between(5, 60) : undefined);
}

function grantAt(sim: Simulation, ap: AccessPoint, client: Client, leftSeconds: number | undefined): void {
  const { proxy } = ap.replicator;
  proxy.rights.give(client.mac, { role: ROLE, authority: true, ...(leftSeconds === undefined ? {} : { leftSeconds }) });
  const stamp = proxy.contexts.get(client.mac)?.rights;
  const { nowMs } = sim.world;
  const endsAtMs = leftSeconds === undefined ? Number.POSITIVE_INFINITY : nowMs + leftSeconds * 1000;
  if (stamp) {
    const { serial, rev, origin } = stamp;
    sim.rights.granted({ mac: client.mac, serial, rev, origin, atMs: nowMs, endsAtMs });
  }
  sim.note([client.text, ap.name], "is granted rights");
  ap.touched();
}

function revoke(sim: Simulation): void {
  const { random } = sim;
  const client = random.pick(sim.clients);
  const ap = random.pick(sim.aps);
  if (!ap.isAgentUp) return;
  const { proxy } = ap.replicator;
  proxy.rights.revoke(client.mac);
  const stamp = proxy.contexts.get(client.mac)?.rights;
  if (stamp) sim.rights.revoked(client.mac, stamp, ap.id, sim.world.nowMs);
  sim.breakPromises(client);
  sim.note([client.text, ap.name], "is revoked");
  ap.touched();
}

/** A CoA or Disconnect at any AP. Once it is acknowledged, whoever is known there to serve the client must have it. */
function order(sim: Simulation): void {
  const { random, world, rights } = sim;
  const client = random.pick(sim.clients);
  const ap = random.pick(sim.aps);
  if (!ap.isAgentUp) return;
  const { proxy, courier } = ap.replicator;
  const isEnd = random.chance(0.4);
  const placed = courier.orders.place(client.mac, isEnd ? "revoke" : { role: ROLE, authority: true });
  const stamp = { serial: proxy.rights.serialOfNewest, rev: 0, origin: ap.id };
  const atMs = world.nowMs;
  // Before it is settled already: it may be in force before that is known here.
  if (!isEnd) rights.granted({ mac: client.mac, ...stamp, atMs, endsAtMs: Number.POSITIVE_INFINITY });
  sim.note([client.text, ap.name], isEnd ? "is to be revoked" : "is to be granted rights");
  placed.then(({ state }) => {
    sim.counts.orders++;
    if (state === "in force" || state === "unconfirmed") {
      if (isEnd) rights.revoked(client.mac, stamp, ap.id, world.nowMs);
      else rights.granted({ mac: client.mac, ...stamp, atMs: world.nowMs, endsAtMs: Number.POSITIVE_INFINITY });
    }
    sim.note([client.text, ap.name], `order is ${state} after ${(world.nowMs - atMs).toFixed(0)} ms`);
    if (state !== "in force") return;
    sim.counts.ordersDone++;
    const server = sim.ap(proxy.contexts.get(client.mac)?.ap ?? 0);
    if (!server?.isAgentUp || server.agentSinceMs > atMs) return;
    const { here, rights: standing } = server.replicator.proxy.contexts.get(client.mac) ?? {};
    if (here && (standing?.serial ?? 0) < stamp.serial)
      sim.fail("orders", `${server.name} serves ${client.text} without what was acknowledged`, [client.text]);
  });
  ap.touched();
}
