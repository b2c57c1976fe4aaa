/**
 * The agent: connects the rooms, and keeps them connected. It decides nothing about packets: the kernel does, alone.
 *
 *   what it goes by     settings.ts, key-in-force.ts, policy-in-force.ts (file, network, trial.ts), modes.ts, identities.ts
 *   whom it talks to    daemon-link.ts (roamwalld) and session.ts over each connection; network-policy.ts (a broker),
 *                       radius-access.ts, page-access.ts, machine-watch.ts (hostapd, risks)
 *   who asks it         api.ts (the control socket) and answers.ts, a row a verb; denied-log.ts and flow-log.ts remember for them
 */
import { compileAutomata, mayShorten } from "../automata/compile.ts";
import { TYPE } from "../automata/numbers.ts";
import { RoamwallError } from "../base/errors.ts";
import { connectDatapath as connectRoamwalld } from "../datapath/client.ts";
import type { Datapath } from "../datapath/datapath.ts";
import { RING } from "../datapath/map-records.ts";
import { MeshView } from "../mqtt/mesh-view.ts";
import type { Platform } from "../platform/platform.ts";
import type { CompiledPolicy } from "../policy/policy.ts";
import type { SignedPolicy } from "../policy/signed.ts";
import { createMesh, rehearseMesh } from "../replication/mesh.ts";
import { ANSWERS, type Inside } from "./answers.ts";
import { serveApi } from "./api.ts";
import { DaemonLink } from "./daemon-link.ts";
import { DeniedLog } from "./denied-log.ts";
import { FlowLog } from "./flow-log.ts";
import type { MemberAccess, MembersStatus } from "./identities.ts";
import type { KeyFile } from "./key.ts";
import { KeyInForce } from "./key-in-force.ts";
import { MachineWatch } from "./machine-watch.ts";
import type { Figures } from "./metrics/figures.ts";
import { readUsage } from "./metrics/usage.ts";
import { Modes } from "./modes.ts";
import { NetworkPolicy } from "./network-policy.ts";
import type { PageSource } from "./page/page.ts";
import { PageAccess } from "./page-access.ts";
import { PolicyInForce } from "./policy-in-force.ts";
import { RadiusAccess } from "./radius-access.ts";
import type { Risk } from "./risks/risk.ts";
import { Session } from "./session.ts";
import type { MqttSettings, Settings } from "./settings.ts";
import type { AgentStatus } from "./status.ts";
import { Trial } from "./trial.ts";
import { type DeniedPacket, deniedPacket } from "./verdict.ts";
import { VERSION } from "./version.ts";

const ROOM = "agent";

export interface Agent {
  /** Reads the policy again: whole or not at all. Throws nothing; says in the log and in `status` what was wrong. */
  reload(): Promise<void>;
  status(): Promise<AgentStatus>;
  denied(): DeniedPacket[];
  stop(): Promise<void>;
}

/** The rooms that tests replace. */
export interface AgentRooms {
  connectDatapath(platform: Platform, path: string): Promise<Datapath>;
  createMesh: typeof createMesh;
  rehearseMesh?: typeof rehearseMesh;
}

const ROOMS: AgentRooms = { connectDatapath: connectRoamwalld, createMesh, rehearseMesh };

/**
 * Rejects when settings, key or policy are wrong, or when another agent runs. A missing roamwalld is no reason: it is
 * waited for.
 */
export async function startAgent(platform: Platform, settings: Settings, rooms: AgentRooms = ROOMS): Promise<Agent> {
  const keys = new KeyInForce(platform, settings.key);
  const agent = new RunningAgent(platform, settings, keys, rooms, await memberAccess(platform, settings));
  await agent.start();
  return {
    reload: () => agent.readAgain(),
    status: () => agent.status(),
    denied: () => agent.deniedLog.list(),
    stop: () => agent.stop(),
  };
}

async function memberAccess(platform: Platform, settings: Settings): Promise<MemberAccess | undefined> {
  const { identities, id } = settings;
  if (!identities) return undefined;
  const { MemberAccess } = await import("./identities.ts");
  return new MemberAccess({ platform, settings: identities, id });
}

/** What answers on the control socket see of it is `Inside`. */
class RunningAgent implements Inside {
  readonly radius: RadiusAccess | undefined;
  readonly deniedLog: DeniedLog;
  readonly flowLog: FlowLog;
  readonly modes: Modes;
  readonly trial: Trial;
  private membersProblem: string | undefined;
  private readonly force: PolicyInForce;
  private readonly link: DaemonLink;
  private readonly network: NetworkPolicy | undefined;
  private readonly others: MeshView | undefined;
  private readonly page: PageAccess | undefined;
  private readonly machine: MachineWatch;
  private readonly startedMs: number;
  private stopped = false;
  private readonly closers: (() => void)[] = [];
  /** Reloads and reconnections one after the other: each compares with what the one before has loaded. */
  private turn: Promise<void> = Promise.resolve();

  constructor(
    readonly platform: Platform,
    readonly settings: Settings,
    private readonly keys: KeyInForce,
    private readonly rooms: AgentRooms,
    private readonly memberAccess: MemberAccess | undefined,
  ) {
    const { radius, page, name } = settings;
    this.startedMs = platform.clock.nowMs();
    this.deniedLog = new DeniedLog(() => platform.wallSeconds());
    this.flowLog = new FlowLog(() => platform.wallSeconds());
    this.others = page && settings.mqtt && new MeshView();
    this.network = settings.mqtt && this.makeNetwork(settings.mqtt);
    this.trial = new Trial({ platform, policy: settings.policy, adopt: () => this.adoptInTurn() });
    this.force = this.makePolicy();
    const changed = () => this.link.session?.modesChanged();
    this.modes = new Modes({ platform, path: modesPath(settings.control), changed });
    this.closers.push(
      () => this.modes.stop(),
      () => this.trial.stop(),
    );
    this.link = this.makeLink();
    this.page = page && new PageAccess({ platform, settings: page, name, source: this.pageSource() });
    this.machine = new MachineWatch({ platform, settings, session: () => this.link.session });
    this.radius =
      radius &&
      new RadiusAccess({
        platform,
        settings: radius,
        key: keys.current,
        policy: () => this.policy,
        fallbackChanged: () => this.link.session?.rolesChanged(),
      });
  }

  get key(): KeyFile {
    return this.keys.current;
  }

  get keyProblem(): string | undefined {
    return this.keys.problem;
  }

  get policy(): CompiledPolicy {
    return this.force.compiled;
  }

  get networkRevision(): number | undefined {
    return this.force.networkRevision;
  }

  get members(): MembersStatus | undefined {
    return this.memberAccess?.status();
  }

  get session(): Session {
    return this.link.live;
  }

  async start(): Promise<void> {
    const { platform, settings } = this;
    const server = await platform.serve(settings.control, (stream) =>
      serveApi(stream, (request) => ANSWERS[request.verb](this, request)),
    );
    this.closers.push(() => server.close());
    for (const file of [settings.policy, settings.key, settings.identities?.members])
      if (file !== undefined) this.closers.push(platform.files.watch(file, () => void this.readAgain()));
    const { engine } = platform;
    platform.log.info(ROOM, "started", {
      id: settings.id,
      name: settings.name,
      mode: settings.mode,
      engine: engine.name,
    });
    for (const what of engine.cannot) platform.log.info(ROOM, "not possible here", { what, engine: engine.name });
    await this.radius?.start();
    await this.rehearse();
    await this.link.start();
    await this.network?.start();
    await this.page?.start();
    this.machine.start();
  }

  /** Once, and before anything of the kernel's waits for this agent: what pins have kept goes on filtering. */
  private async rehearse(): Promise<void> {
    const { platform, settings, rooms } = this;
    if (!settings.replication.enabled || !rooms.rehearseMesh) return;
    await platform.engine.warmUp?.(() => rooms.rehearseMesh!(platform.crypto));
  }

  async stop(): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    this.link.giveUp();
    for (const close of this.closers.splice(0).reverse()) close();
    this.page?.stop();
    this.machine.stop();
    await this.network?.stop();
    this.radius?.stop();
    await this.link.stop();
    this.platform.log.info(ROOM, "stopped; the kernel keeps filtering by the last policy");
  }

  // --- what can be read again ---

  /** Throws nothing: what was wrong is in the log and in `status`. */
  readAgain(): Promise<void> {
    return this.inTurn(async () => {
      const key = this.keys.readAgain();
      if (key) this.link.session?.setKeys(key.keys);
      this.membersProblem = this.memberAccess?.read();
      if (this.memberAccess) this.link.session?.setMembers(this.memberAccess.members);
      await this.force.readAgain();
    });
  }

  async reload(): Promise<void> {
    await this.readAgain();
    const problem = this.keyProblem ?? this.membersProblem ?? this.force.problem;
    if (problem !== undefined) throw new RoamwallError("ROAMWALL_ERR_INPUT", problem);
  }

  private offerMembers(payload: Uint8Array): Promise<void> {
    return this.inTurn(async () => {
      if (this.memberAccess?.offer(payload)) this.link.session?.setMembers(this.memberAccess.members);
    });
  }

  private async adoptInTurn(network?: SignedPolicy): Promise<string | undefined> {
    let problem: string | undefined;
    await this.inTurn(async () => {
      problem = await this.force.adopt(network);
    });
    return problem;
  }

  private inTurn(run: () => Promise<void>): Promise<void> {
    const next = this.turn.then(run);
    this.turn = next.catch((error: Error) => {
      this.platform.log.error(ROOM, "a fault of roamwall's", { reason: error.stack ?? error.message });
    });
    return this.turn;
  }

  // --- what is told ---

  async status(): Promise<AgentStatus> {
    const { settings, platform } = this;
    return {
      name: settings.name,
      id: settings.id,
      version: VERSION,
      mode: this.modes.ofAp(settings.mode),
      uptimeMs: Math.round(platform.clock.nowMs() - this.startedMs),
      engine: { name: platform.engine.name, cannot: platform.engine.cannot },
      policy: this.force.status,
      modes: this.modes.list(),
      ...(this.trial.status && { trial: this.trial.status }),
      ...(this.members && { members: this.members }),
      ...(this.network && { mqtt: this.network.state }),
      ...(this.radius?.status && { radius: this.radius.status }),
      ...(this.page && { page: this.page.status }),
      risks: this.machine.risks,
      ...(this.link.session && { datapath: await this.link.session.status() }),
    };
  }

  risks(): Promise<readonly Risk[]> {
    return this.machine.look();
  }

  private async figures(): Promise<Figures> {
    const { session } = this.link;
    const usage = readUsage(this.platform.files);
    return {
      status: await this.status(),
      neighbours: session?.neighbours() ?? [],
      ...(session && { gapsMs: session.gapsMs }),
      ...(usage && { usage }),
    };
  }

  private pageSource(): PageSource {
    return {
      figures: () => this.figures(),
      clients: async () => this.session.clients(),
      roams: () => this.link.session?.roamHistory() ?? [],
      table: () => this.link.session?.table,
      policy: () => this.policy,
      listen: (tell) => this.deniedLog.listen(tell),
      mesh: () => this.others?.list(),
    };
  }

  // --- what it is made of ---

  private makePolicy(): PolicyInForce {
    const { platform, settings, key, network, trial } = this;
    return new PolicyInForce({
      platform,
      settings,
      seeds: key.seeds,
      network,
      trial,
      load: (next, previous) => {
        const { session } = this.link;
        return session?.changePolicy(next, previous, () => this.radius?.regrant(session));
      },
    });
  }

  private makeNetwork(mqtt: MqttSettings): NetworkPolicy {
    const { platform, settings } = this;
    return new NetworkPolicy({
      platform,
      settings,
      mqtt,
      apply: (policy) => this.adoptInTurn(policy),
      status: async () => ({
        mode: this.modes.ofAp(settings.mode),
        policy: this.force.status,
        filtering: this.link.session !== undefined,
        ...(this.memberAccess && { members: this.memberAccess.revision }),
      }),
      counters: async () => {
        const { flatFigures } = await import("./metrics/exposition.ts");
        return flatFigures(await this.figures());
      },
      ...(this.others && { others: this.others }),
      ...(this.memberAccess && { members: (payload) => void this.offerMembers(payload) }),
    });
  }

  private makeLink(): DaemonLink {
    const { platform, settings, rooms } = this;
    return new DaemonLink({
      platform,
      path: settings.daemon,
      replicates: settings.replication.enabled,
      connectDatapath: () => rooms.connectDatapath(platform, settings.daemon),
      openSession: (datapath) => this.openSession(datapath),
      changed: (session) => this.radius?.connected(session),
      inTurn: (run) => this.inTurn(run),
    });
  }

  private openSession(datapath: Datapath): Promise<Session> {
    const { platform, settings, key, rooms } = this;
    return Session.open({
      platform,
      settings,
      key,
      datapath,
      createMesh: rooms.createMesh,
      policy: this.policy,
      identities: this.memberAccess?.identities,
      automata: (geometry) =>
        compileAutomata({
          geometry,
          shorten: geometry.cellBits === 32 && mayShorten(geometry),
          writeThrough: settings.replication.path === "asymmetric",
        }),
      outranked: (mac) => this.radius?.knows(mac) ?? false,
      fallbackRole: () => this.radius?.fallbackRole,
      superseded: (mac, revoked) => this.radius?.superseded(mac, revoked),
      letGo: async (mac) => this.radius?.letGo(mac) ?? "nobody asked",
      nobodyKnows: (mac) => this.radius?.nobodyKnows(mac),
      modes: this.modes,
      passed: (event) => {
        if (event.kind === RING.opened || event.type === TYPE.SYN) this.flowLog.add(event);
        this.deniedLog.tellPassed(event);
      },
      denied: (event, frame) => {
        this.deniedLog.add(event, frame);
        this.network?.event("denied", deniedPacket(event));
      },
      portsChanged: () => this.machine.portsChanged(),
      lost: () => this.link.lost(),
    });
  }
}

/** Beside the control socket: what is kept there ends with the machine's run, as a mode should. */
function modesPath(control: string): string {
  return control.replace(/[^/]*$/, "modes.json");
}
