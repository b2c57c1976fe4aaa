/** What the control socket answers: a row a verb. */
import { macFromBytes, parseMac } from "../base/mac.ts";
import type { Platform } from "../platform/platform.ts";
import type { CompiledPolicy } from "../policy/policy.ts";
import { policySources, roleOf } from "../policy/sources.ts";
import { type ApiRequest, type ApiVerb, Follow, textArgument } from "./api.ts";
import { rightsOf } from "./client-rights.ts";
import { clientView } from "./client-view.ts";
import type { DeniedLog } from "./denied-log.ts";
import type { KeyFile } from "./key.ts";
import type { RadiusAccess } from "./radius-access.ts";
import type { Session } from "./session.ts";
import type { Settings } from "./settings.ts";
import type { AgentStatus } from "./status.ts";
import { verdictOf } from "./verdict.ts";
import { type VerdictTest, verdictTest } from "./verdict-filter.ts";
import { readQuestion, why } from "./why.ts";

/** The agent, as its answers see it: always as it is now. */
export interface Inside {
  readonly platform: Platform;
  readonly settings: Settings;
  readonly policy: CompiledPolicy;
  readonly key: KeyFile;
  readonly radius: RadiusAccess | undefined;
  readonly deniedLog: DeniedLog;
  readonly keyProblem: string | undefined;
  /** Throws ROAMWALL_ERR_CONNECT while roamwalld is away. */
  readonly session: Session;
  status(): Promise<AgentStatus>;
  /** Throws ROAMWALL_ERR_INPUT with what was refused. */
  reload(): Promise<void>;
}

type Answer = (inside: Inside, request: ApiRequest) => Promise<unknown>;

export const ANSWERS: Readonly<Record<ApiVerb, Answer>> = {
  status: (inside) => inside.status(),
  clients: async ({ session }) => session.clients(),
  client: async (inside, request) => clientView(inside, parseMac(textArgument(request, "mac"), "client")),
  why: answerWhy,
  monitor: async (inside, request) => {
    const wanted = verdictTest(request);
    return new Follow((tell) => followVerdicts(inside, wanted, tell));
  },
  sessions: async ({ radius }) => radius?.sessions() ?? [],
  neighbours: async ({ session }) => session.neighbours(),
  denied: async ({ deniedLog }) => deniedLog.list(),
  keys: async ({ session, keyProblem: problem }) => ({
    ...session.keys(),
    ...(problem !== undefined && { problem }),
  }),
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
  const { session, policy, radius, key, settings, deniedLog, platform } = inside;
  const { mac } = question;
  const rights = rightsOf(mac, { policy, grant: radius?.grantOf(mac), granted: session.granted(mac) });
  const line = (await session.clients()).find((client) => client.mac === mac);
  return why(question, {
    policy,
    seeds: key.seeds,
    rights,
    line,
    mode: settings.mode,
    denied: deniedLog.of(mac),
    nowSeconds: platform.wallSeconds(),
  });
}

function followVerdicts(inside: Inside, wanted: VerdictTest, tell: (event: object) => void): () => void {
  const { deniedLog, platform } = inside;
  return deniedLog.listen((event) => {
    if (!wanted(event)) return;
    const role = roleOf(policySources(inside.policy), macFromBytes(event.mac))?.role ?? null;
    tell(verdictOf(event, role, platform.wallSeconds() ?? null));
  });
}
