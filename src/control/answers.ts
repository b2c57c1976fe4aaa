/** What the control socket answers: a row a verb. */
import { hex } from "../base/bytes.ts";
import { badInput } from "../base/errors.ts";
import { macFromBytes, parseMac } from "../base/mac.ts";
import type { RingEvent } from "../datapath/map-records.ts";
import type { Platform } from "../platform/platform.ts";
import type { CompiledPolicy } from "../policy/policy.ts";
import { policySources, roleOf } from "../policy/sources.ts";
import { type ApiRequest, type ApiVerb, Follow, secondsArgument, textArgument } from "./api.ts";
import { rightsOf } from "./client-rights.ts";
import { clientView } from "./client-view.ts";
import type { DeniedLog } from "./denied-log.ts";
import type { FlowLog } from "./flow-log.ts";
import type { MembersStatus } from "./identities.ts";
import type { KeyFile } from "./key.ts";
import { MODE_SECONDS_MAX, type Modes, readScope } from "./modes.ts";
import type { RadiusAccess } from "./radius-access.ts";
import type { Risk } from "./risks/risk.ts";
import type { Session } from "./session.ts";
import type { Settings } from "./settings.ts";
import type { AgentStatus } from "./status.ts";
import { TRIAL_SECONDS_MAX, type Trial } from "./trial.ts";
import { type Verdict, verdictOf } from "./verdict.ts";
import { verdictTest } from "./verdict-filter.ts";
import { readQuestion, why } from "./why.ts";

/** The agent, as its answers see it: always as it is now. */
export interface Inside {
  readonly platform: Platform;
  readonly settings: Settings;
  readonly policy: CompiledPolicy;
  readonly key: KeyFile;
  readonly radius: RadiusAccess | undefined;
  readonly deniedLog: DeniedLog;
  readonly flowLog: FlowLog;
  readonly modes: Modes;
  readonly trial: Trial;
  /** Of the network's policy, which stands for the file while it is in force. */
  readonly networkRevision: number | undefined;
  readonly keyProblem: string | undefined;
  /** Undefined: without identities. */
  readonly members: MembersStatus | undefined;
  /** Throws ROAMWALL_ERR_CONNECT while roamwalld is away. */
  readonly session: Session;
  status(): Promise<AgentStatus>;
  /** Looked for now. */
  risks(): Promise<readonly Risk[]>;
  /** Throws ROAMWALL_ERR_INPUT with what was refused. */
  reload(): Promise<void>;
}

const TRACE_SECONDS = 60;
const TRACE_SECONDS_MAX = 3_600;

type Answer = (inside: Inside, request: ApiRequest) => Promise<unknown>;

export const ANSWERS: Readonly<Record<ApiVerb, Answer>> = {
  status: (inside) => inside.status(),
  clients: async ({ session }) => session.clients(),
  client: async (inside, request) => clientView(inside, parseMac(textArgument(request, "mac"), "client")),
  why: answerWhy,
  monitor: answerMonitor,
  trace: answerTrace,
  table: async ({ session }) => session.tableView(),
  mode: answerMode,
  apply: answerApply,
  confirm: async (inside) => {
    inside.trial.confirm();
    await inside.reload();
    return {};
  },
  revert: async ({ trial }) => {
    await trial.goBack("the operator said so");
    return {};
  },
  risks: (inside) => inside.risks(),
  sessions: async ({ radius }) => radius?.sessions() ?? [],
  neighbours: async ({ session }) => session.neighbours(),
  denied: async ({ deniedLog }) => deniedLog.list(),
  keys: async ({ session, keyProblem: problem }) => ({
    ...session.keys(),
    ...(problem !== undefined && { problem }),
  }),
  members: async ({ members }) => members ?? null,
  "switch-key": async ({ session }) => {
    session.switchKey();
    return session.keys();
  },
  reload: async (inside) => {
    await inside.reload();
    return { roles: inside.policy.roles.size, clients: inside.policy.clients.size };
  },
};

async function answerWhy(inside: Inside, request: ApiRequest): Promise<unknown> {
  const text = (name: string) => textArgument(request, name);
  const question = readQuestion(text("mac"), text("peer"), text("service"), request["in"] === true);
  const { session, policy, radius, key, settings, modes, deniedLog, platform } = inside;
  const { mac } = question;
  const rights = rightsOf(mac, { policy, grant: radius?.grantOf(mac), granted: session.granted(mac) });
  const line = (await session.clients()).find((client) => client.mac === mac);
  return why(question, {
    policy,
    seeds: key.seeds,
    rights,
    line,
    mode: modes.ofAp(settings.mode),
    denied: deniedLog.of(mac),
    nowSeconds: platform.wallSeconds(),
  });
}

/** `frames`: with the first bytes of each packet, for captures. */
async function answerMonitor(inside: Inside, request: ApiRequest): Promise<Follow> {
  const wanted = verdictTest(request);
  const withFrames = request["frames"] === true;
  return new Follow((tell) =>
    inside.deniedLog.listen((event, frame) => {
      if (wanted(event)) tell({ ...told(inside, event), ...(withFrames && frame && { frame: hex(frame) }) });
    }),
  );
}

/** Every verdict of one client, for a while. Who goes away ends it. */
async function answerTrace(inside: Inside, request: ApiRequest): Promise<Follow> {
  const mac = parseMac(textArgument(request, "mac"), "client");
  const seconds = secondsArgument(request, TRACE_SECONDS_MAX) ?? TRACE_SECONDS;
  const { deniedLog, modes, session } = inside;
  const isRecorded = (await session.clients()).some((client) => client.mac === mac && client.filters.length > 0);
  if (!isRecorded) throw badInput("trace", `${mac} has no record here`, "a client that is here (roamwall clients)");
  return new Follow((tell) => {
    const hear = (event: RingEvent) => {
      if (macFromBytes(event.mac) === mac) tell(told(inside, event));
    };
    const ends = [deniedLog.listen(hear), deniedLog.listenPassed(hear)];
    modes.trace(mac, seconds);
    return () => {
      for (const end of ends) end();
      modes.endTrace(mac);
    };
  });
}

function told({ policy, platform }: Inside, event: RingEvent): Verdict {
  const role = roleOf(policySources(policy), macFromBytes(event.mac))?.role ?? null;
  return verdictOf(event, role, platform.wallSeconds() ?? null);
}

/** Without a scope it only tells. `mode` policy: what the policy says, again. */
async function answerMode({ modes, settings, policy }: Inside, request: ApiRequest): Promise<unknown> {
  if (request["scope"] !== undefined) {
    const word = textArgument(request, "mode");
    const name = request["name"] === undefined ? "" : textArgument(request, "name");
    const target = readScope(textArgument(request, "scope"), name, [...policy.roles.keys()]);
    const seconds = secondsArgument(request, MODE_SECONDS_MAX);
    if (word !== "monitor" && word !== "enforce" && word !== "policy") {
      throw badInput("mode", `"${word}"`, "monitor, enforce, or policy (what the policy says)");
    }
    modes.set(target.scope, target.name, word === "policy" ? undefined : word, seconds);
  }
  return { ap: modes.ofAp(settings.mode), lines: modes.list() };
}

/** `seconds`: goes back by itself unless confirmed; without it the file is replaced at once. */
async function answerApply(inside: Inside, request: ApiRequest): Promise<unknown> {
  const { trial, networkRevision } = inside;
  if (networkRevision !== undefined) {
    throw badInput("apply", `the network's policy, revision ${networkRevision}, is in force`, "roamwall policy push");
  }
  const file = textArgument(request, "file");
  const seconds = secondsArgument(request, TRIAL_SECONDS_MAX);
  await trial.begin(file, seconds ?? TRIAL_SECONDS_MAX);
  if (seconds === undefined) {
    trial.confirm();
    await inside.reload();
  }
  return { file, seconds: seconds ?? null };
}
