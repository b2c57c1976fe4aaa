/** The agent: connects the rooms, and keeps them connected. It decides nothing about packets: the kernel does, alone. */
import { compileAutomata, mayShorten } from "../automata/compile.ts";
import { TYPE } from "../automata/numbers.ts";
import { badInput, RoamwallError } from "../base/errors.ts";
import { connectDatapath as connectRoamwalld } from "../datapath/client.ts";
import type { Datapath } from "../datapath/datapath.ts";
import { RING } from "../datapath/map-records.ts";
import { MeshView } from "../mqtt/mesh-view.ts";
import type { Platform } from "../platform/platform.ts";
import { type CompiledPolicy, compilePolicy, type Policy, parsePolicy } from "../policy/policy.ts";
import type { SignedPolicy } from "../policy/signed.ts";
import { overlay } from "../policy/sources.ts";
import { createMesh, rehearseMesh } from "../replication/mesh.ts";
import { ANSWERS, type Inside } from "./answers.ts";
import { serveApi } from "./api.ts";
import { DeniedLog } from "./denied-log.ts";
import { FlowLog } from "./flow-log.ts";
import type { MemberAccess } from "./identities.ts";
import { type KeyFile, readKey } from "./key.ts";
import { MachineWatch } from "./machine-watch.ts";
import type { Figures } from "./metrics/figures.ts";
import { readUsage } from "./metrics/usage.ts";
import { Modes } from "./modes.ts";
import { NetworkPolicy } from "./network-policy.ts";
import type { PageSource } from "./page/page.ts";
import { PageAccess } from "./page-access.ts";
import { RadiusAccess } from "./radius-access.ts";
import { Session } from "./session.ts";
import type { MqttSettings, Settings } from "./settings.ts";
import type { AgentStatus, PolicyStatus } from "./status.ts";
import { Trial } from "./trial.ts";
import { type DeniedPacket, deniedPacket } from "./verdict.ts";
import { VERSION } from "./version.ts";

const ROOM = "agent";
/** roamwalld is back within a second when something restarts it; then ask less and less often. */
const RETRY_FIRST_MS = 250;
const RETRY_MOST_MS = 5_000;

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
  const key = readKey(platform.files, settings.key);
  const agent = new RunningAgent(platform, settings, key, rooms, await memberAccess(platform, settings));
  await agent.start();
  return agent;
}

async function memberAccess(platform: Platform, settings: Settings): Promise<MemberAccess | undefined> {
  const { identities, id } = settings;
  if (!identities) return undefined;
  const { MemberAccess } = await import("./identities.ts");
  return new MemberAccess({ platform, settings: identities, id });
}

class RunningAgent implements Agent {
  private policy: CompiledPolicy;
  private readonly network: NetworkPolicy | undefined;
  private readonly radius: RadiusAccess | undefined;
  private readonly others: MeshView | undefined;
  private readonly page: PageAccess | undefined;
  private readonly machine: MachineWatch;
  private policyProblem: string | undefined;
  /** The network's policy in force. */
  private signed: SignedPolicy | undefined;
  private fileProblem: string | undefined;
  private keyProblem: string | undefined;
  private membersProblem: string | undefined;
  private session: Session | undefined;
  private readonly deniedLog: DeniedLog;
  private readonly flowLog: FlowLog;
  private readonly modes: Modes;
  private readonly trial: Trial;
  private readonly startedMs: number;
  private stopped = false;
  private cancelRetry = () => {};
  private waitReason = "";
  private readonly closers: (() => void)[] = [];
  /** Reloads and reconnections one after the other: each compares with what the one before has loaded. */
  private turn: Promise<void> = Promise.resolve();

  constructor(
    private readonly platform: Platform,
    private readonly settings: Settings,
    private key: KeyFile,
    private readonly rooms: AgentRooms,
    private readonly members: MemberAccess | undefined,
  ) {
    this.startedMs = platform.clock.nowMs();
    this.deniedLog = new DeniedLog(() => platform.wallSeconds());
    this.flowLog = new FlowLog(() => platform.wallSeconds());
    this.others = settings.page && settings.mqtt && new MeshView();
    this.network = settings.mqtt && this.makeNetwork(settings.mqtt);
    this.policy = this.firstPolicy();
    const changed = () => this.session?.modesChanged();
    this.modes = new Modes({ platform, path: modesPath(settings.control), changed });
    const adopt = () => this.adoptInTurn(this.signed);
    this.trial = new Trial({ platform, policy: settings.policy, adopt });
    this.closers.push(
      () => this.modes.stop(),
      () => this.trial.stop(),
    );
    const { radius } = settings;
    const { page, name } = settings;
    this.page = page && new PageAccess({ platform, settings: page, name, source: this.pageSource() });
    this.machine = new MachineWatch({ platform, settings, session: () => this.session });
    this.radius =
      radius &&
      new RadiusAccess({
        platform,
        settings: radius,
        key,
        policy: () => this.policy,
        fallbackChanged: () => this.session?.rolesChanged(),
      });
  }

  async start(): Promise<void> {
    const { platform, settings } = this;
    const server = await platform.serve(settings.control, (stream) =>
      serveApi(stream, (request) => ANSWERS[request.verb](this.inside, request)),
    );
    this.closers.push(() => server.close());
    this.closers.push(platform.files.watch(settings.policy, () => void this.reload()));
    this.closers.push(platform.files.watch(settings.key, () => void this.reload()));
    const members = settings.identities?.members;
    if (members !== undefined) this.closers.push(platform.files.watch(members, () => void this.reload()));
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
    await this.inTurn(() => this.connect(RETRY_FIRST_MS));
    await this.network?.start();
    await this.page?.start();
    this.machine.start();
  }

  private pageSource(): PageSource {
    return {
      figures: () => this.figures(),
      clients: async () => this.live().clients(),
      roams: () => this.session?.roamHistory() ?? [],
      table: () => this.session?.table,
      policy: () => this.policy,
      listen: (tell) => this.deniedLog.listen(tell),
      mesh: () => this.others?.list(),
    };
  }

  reload(): Promise<void> {
    return this.inTurn(async () => {
      this.keyProblem = this.readKeyAgain();
      this.membersProblem = this.members?.read();
      if (this.members) this.session?.setMembers(this.members.members);
      this.policyProblem = await this.adopt(this.signed);
    });
  }

  /** Answers why not, and then changes nothing. */
  private readKeyAgain(): string | undefined {
    const { platform, settings } = this;
    try {
      const next = readKey(platform.files, settings.key);
      if (next.seedId !== this.key.seedId) {
        throw badInput(
          settings.key,
          "another seed",
          "the one before: all connections would be lost (restart to change it)",
        );
      }
      this.key = next;
      this.session?.setKeys(next.keys);
      return undefined;
    } catch (error) {
      const reason = (error as Error).message;
      platform.log.error(ROOM, "key file refused, the keys before stay", { reason });
      return reason;
    }
  }

  private async adoptInTurn(network: SignedPolicy | undefined): Promise<string | undefined> {
    let problem: string | undefined;
    await this.inTurn(async () => {
      problem = await this.adopt(network);
    });
    return problem;
  }

  /** Compiles and loads what the file and the network's policy say now; answers why not, and then changes nothing. */
  private async adopt(network: SignedPolicy | undefined): Promise<string | undefined> {
    const { log } = this.platform;
    let next: CompiledPolicy;
    try {
      next = this.readPolicy(network, this.policy);
    } catch (error) {
      const reason = (error as Error).message;
      log.error(ROOM, "policy refused, the one before stays", { reason });
      return reason;
    }
    const previous = this.policy;
    this.policy = next;
    this.signed = network;
    const { session, radius } = this;
    await session?.changePolicy(next, previous, () => radius?.regrant(session));
    log.info(ROOM, "policy loaded", { roles: next.roles.size, clients: next.clients.size });
    for (const [role, { revision, digest }] of next.roles)
      if (revision !== previous.roles.get(role)?.revision) log.info(ROOM, "role changed", { role, revision, digest });
    return undefined;
  }

  /** Once, and before anything of the kernel's waits for this agent: what pins have kept goes on filtering. */
  private async rehearse(): Promise<void> {
    const { platform, settings, rooms } = this;
    if (!settings.replication.enabled || !rooms.rehearseMesh) return;
    await platform.engine.warmUp?.(() => rooms.rehearseMesh!(platform.crypto));
  }

  async status(): Promise<AgentStatus> {
    const { settings, platform } = this;
    return {
      name: settings.name,
      id: settings.id,
      version: VERSION,
      mode: this.modes.ofAp(settings.mode),
      uptimeMs: Math.round(platform.clock.nowMs() - this.startedMs),
      engine: { name: platform.engine.name, cannot: platform.engine.cannot },
      policy: this.policyStatus(),
      modes: this.modes.list(),
      ...(this.trial.status && { trial: this.trial.status }),
      ...(this.members && { members: this.members.status() }),
      ...(this.network && { mqtt: this.network.state }),
      ...(this.radius?.status && { radius: this.radius.status }),
      ...(this.page && { page: this.page.status }),
      risks: this.machine.risks,
      ...(this.session && { datapath: await this.session.status() }),
    };
  }

  denied(): DeniedPacket[] {
    return this.deniedLog.list();
  }

  private async figures(): Promise<Figures> {
    const { session } = this;
    const usage = readUsage(this.platform.files);
    return {
      status: await this.status(),
      neighbours: session?.neighbours() ?? [],
      ...(session && { gapsMs: session.gapsMs }),
      ...(usage && { usage }),
    };
  }

  async stop(): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    this.cancelRetry();
    for (const close of this.closers.splice(0).reverse()) close();
    this.page?.stop();
    this.machine.stop();
    await this.network?.stop();
    this.radius?.stop();
    await this.inTurn(async () => this.session?.stop());
    this.session = undefined;
    this.platform.log.info(ROOM, "stopped; the kernel keeps filtering by the last policy");
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
        policy: this.policyStatus(),
        filtering: this.session !== undefined,
        ...(this.members && { members: this.members.revision }),
      }),
      counters: async () => {
        const { flatFigures } = await import("./metrics/exposition.ts");
        return flatFigures(await this.figures());
      },
      ...(this.others && { others: this.others }),
      ...(this.members && { members: (payload) => void this.offerMembers(payload) }),
    });
  }

  private offerMembers(payload: Uint8Array): Promise<void> {
    return this.inTurn(async () => {
      if (this.members?.offer(payload)) this.session?.setMembers(this.members.members);
    });
  }

  /** What the network had in force, or the file alone: a start must not hang on a broker. */
  private firstPolicy(): CompiledPolicy {
    const kept = this.network?.restore();
    if (kept) {
      try {
        const policy = this.readPolicy(kept);
        this.signed = kept;
        return policy;
      } catch (error) {
        this.network?.forget();
        this.platform.log.error(ROOM, "the kept policy is not used", { reason: (error as Error).message });
      }
    }
    return this.readPolicy(undefined);
  }

  private readPolicy(network: SignedPolicy | undefined, previous?: CompiledPolicy): CompiledPolicy {
    return compilePolicy(this.combined(network), this.key.seeds, {
      salt: this.settings.salt,
      ...(previous && { previous }),
    });
  }

  private combined(network: SignedPolicy | undefined): Policy {
    const { platform, settings } = this;
    // The first policy is read before there can be a trial.
    const { text, place } = this.trial?.text ?? {};
    if (text !== undefined) return parsePolicy(text, place!);
    if (!network) return parsePolicy(platform.files.readText(settings.policy), settings.policy);
    this.fileProblem = undefined;
    const whole = parsePolicy(network.text, `policy revision ${network.revision}`);
    try {
      return overlay(whole, parsePolicy(platform.files.readText(settings.policy), settings.policy));
    } catch (error) {
      // The file's part is small beside the network's: its fault must not keep that out.
      this.fileProblem = (error as Error).message;
      platform.log.warn(ROOM, "the policy file is not used", { reason: this.fileProblem });
      return overlay(whole, undefined);
    }
  }

  private policyStatus(): PolicyStatus {
    const { settings, policy, signed } = this;
    const problem = this.policyProblem ?? this.fileProblem;
    return {
      file: settings.policy,
      ...(signed && { revision: signed.revision }),
      roles: policy.roles.size,
      clients: policy.clients.size,
      filters: policy.filters.length,
      ...(problem !== undefined && { problem }),
    };
  }

  /** What answers on the control socket may use. */
  private readonly inside: Inside = ((agent: RunningAgent) => ({
    get platform() {
      return agent.platform;
    },
    get settings() {
      return agent.settings;
    },
    get policy() {
      return agent.policy;
    },
    get key() {
      return agent.key;
    },
    get radius() {
      return agent.radius;
    },
    get deniedLog() {
      return agent.deniedLog;
    },
    get flowLog() {
      return agent.flowLog;
    },
    get modes() {
      return agent.modes;
    },
    get trial() {
      return agent.trial;
    },
    get networkRevision() {
      return agent.signed?.revision;
    },
    get keyProblem() {
      return agent.keyProblem;
    },
    get members() {
      return agent.members?.status();
    },
    get session() {
      return agent.live();
    },
    status: () => agent.status(),
    risks: () => agent.machine.look(),
    reload: async () => {
      await agent.reload();
      const problem = agent.keyProblem ?? agent.membersProblem ?? agent.policyProblem;
      if (problem !== undefined) throw new RoamwallError("ROAMWALL_ERR_INPUT", problem);
    },
  }))(this);

  private live(): Session {
    if (this.session) return this.session;
    throw new RoamwallError("ROAMWALL_ERR_CONNECT", `${this.settings.daemon}: the agent waits for roamwalld`);
  }

  /** One attempt; a failed one plans the next. A reason is said once, not with every attempt. */
  private async connect(retryMs: number): Promise<void> {
    if (this.stopped || this.session) return;
    const { platform, settings } = this;
    try {
      const datapath = await this.rooms.connectDatapath(platform, settings.daemon);
      this.session = await this.openSession(datapath);
      await this.radius?.connected(this.session);
      this.waitReason = "";
      platform.log.info(ROOM, "filtering", {
        table: this.session.geometry.text,
        picked_up: datapath.hello.picked_up === 1,
        replication: settings.replication.enabled,
      });
    } catch (error) {
      const reason = (error as Error).message;
      if (reason !== this.waitReason) platform.log.warn(ROOM, "no datapath yet, trying again", { reason });
      this.waitReason = reason;
      this.retryAfter(retryMs);
    }
  }

  private retryAfter(retryMs: number): void {
    if (this.stopped) return;
    this.cancelRetry = this.platform.clock.after(retryMs, () => {
      void this.inTurn(() => this.connect(Math.min(retryMs * 2, RETRY_MOST_MS)));
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
      identities: this.members?.identities,
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
      lost: () => this.lostDatapath(),
    });
  }

  /** roamwalld went. The kernel goes on; a new connection starts from comparison, so nothing of this one is kept. */
  private lostDatapath(): void {
    if (this.stopped) return;
    void this.inTurn(async () => {
      if (!this.session) return;
      this.platform.log.warn(ROOM, "roamwalld is gone; the kernel keeps filtering");
      const lost = this.session;
      this.session = undefined;
      await this.radius?.connected(undefined);
      await lost.stop();
      this.retryAfter(RETRY_FIRST_MS);
    });
  }

  private inTurn(run: () => Promise<void> | undefined): Promise<void> {
    const next = this.turn.then(run);
    this.turn = next.catch((error: Error) => {
      this.platform.log.error(ROOM, "a fault of roamwall's", { reason: error.stack ?? error.message });
    });
    return this.turn;
  }
}

/** Beside the control socket: what is kept there ends with the machine's run, as a mode should. */
function modesPath(control: string): string {
  return control.replace(/[^/]*$/, "modes.json");
}
