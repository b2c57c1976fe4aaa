import { parseAddress } from "../../base/ip.ts";
import type { Mac } from "../../base/mac.ts";
import { CONSTANTS } from "../../datapath/abi.ts";
import { compilePolicy } from "../../policy/compile.ts";
import { type DeniedFrame, type Learned, Learner } from "../../policy/learn.ts";
import { parsePolicy } from "../../policy/policy.ts";
import { policySources, roleOf } from "../../policy/sources.ts";
import { policyText } from "../../policy/write.ts";
import { saysOfName } from "../opening-of.ts";
import { REPLAY_SEEDS } from "../replay-policy.ts";
import type { AgentStatus } from "../status.ts";
import type { Verdict } from "../verdict.ts";
import { askSilently, follow, SOCKET_OPTION } from "./ask.ts";
import { durationMs } from "./duration.ts";
import { grouped, styleFor } from "./text.ts";
import { type Call, EXIT, usage, type Verb } from "./verb.ts";

const WATCH_S = 600;
const WATCH_S_MAX = 7 * 86_400;

export const learnVerb: Verb = {
  name: "learn",
  summary: `Watches what is denied, and prints a policy that allows what was answered: the one in force, and the rules that it lacks.

  roamwall mode monitor ap --for 1h
  roamwall learn --for 50min > learned.yaml
  roamwall apply learned.yaml --for 60s

Only denials that pass are answered, so it needs monitor mode. What nobody answered (a port scan) becomes no rule. It ends
after --for, or with Ctrl-C.`,
  arguments: [],
  options: [
    { name: "for", value: "DURATION", text: "how long to watch; default 10min" },
    { name: "unanswered", text: "rules also for what nobody answered" },
    SOCKET_OPTION,
  ],
  async run(call) {
    const { terminal, options } = call;
    const given = options.get("for");
    const seconds = given === undefined ? WATCH_S : durationMs(given, "--for", WATCH_S_MAX) / 1000;
    const status = await askSilently<AgentStatus>(call, "status");
    const { revision } = status.policy;
    if (revision !== undefined) {
      throw usage(
        `the network's policy, revision ${revision}, is in force`,
        "an AP whose policy is a file; then roamwall policy push",
      );
    }
    const policy = parsePolicy(call.platform.files.readText(status.policy.file), status.policy.file);
    const learner = new Learner();
    const untold = await watch(call, seconds, learner);
    const sources = policySources(compilePolicy(policy, REPLAY_SEEDS));
    const role = (mac: Mac) => roleOf(sources, mac)?.role;
    const learned = learner.learned(policy, role, { unanswered: options.has("unanswered") });
    terminal.out(policyText(learned.policy, learned.notes));
    report(call, learned, untold, status);
    return EXIT.ok;
  },
};

/** Answers how many verdicts were lost on the way. */
async function watch(call: Call, seconds: number, learner: Learner): Promise<number> {
  const { terminal, platform } = call;
  let untold = 0;
  const following = await follow<Verdict>(call, "monitor", { reason: "acl,unknown" }, (verdict, lost) => {
    untold += lost + verdict.untold;
    const frame = frameOf(verdict);
    if (frame) learner.see(frame);
  });
  const cancel = platform.clock.after(seconds * 1000, () => following.close());
  terminal.onSignal("SIGINT", () => following.close());
  terminal.onSignal("SIGTERM", () => following.close());
  await following.over;
  cancel();
  return untold;
}

function frameOf({ mac, direction, proto, client, peer, type }: Verdict): DeniedFrame | undefined {
  const [a, b] = [endOf(client), endOf(peer)];
  if (!a || !b) return undefined;
  return {
    mac,
    direction: direction === "from client" ? CONSTANTS.SIDE_CLIENT : CONSTANTS.SIDE_PEER,
    proto,
    family: b.address.family,
    client: a.address.words,
    peer: b.address.words,
    clientPort: a.port,
    peerPort: b.port,
    says: saysOfName(type),
  };
}

/** `10.0.0.1:5000`, `[2001:db8::1]:5000`, or an address alone. */
function endOf(text: string | undefined) {
  const match = /^(?:\[([^\]]+)\]|([\d.]+)|([^[]+?))(?::(\d+))?$/.exec(text ?? "");
  if (!match) return undefined;
  const plain = match[3] !== undefined;
  const address = parseAddress(plain ? text! : (match[1] ?? match[2])!, "packet");
  return { address, port: plain ? 0 : Number(match[4] ?? 0) };
}

/** To people, beside the policy that goes to a file. */
function report({ terminal }: Call, { added, leftOut }: Learned, untold: number, { mode }: AgentStatus): void {
  const style = styleFor(terminal.isErrTerminal, terminal.isErrTerminal && terminal.hasColour);
  terminal.err(`${added.length} rules learned\n`);
  for (const { role, rule, flows } of added)
    terminal.err(`  ${role}: ${rule}  ${style.dim(`${grouped(flows)} flows`)}\n`);
  for (const { why, flows } of leftOut) terminal.err(`${grouped(flows)} flows left out: ${why}\n`);
  if (untold > 0) terminal.err(`${grouped(untold)} verdicts were not told: watch longer\n`);
  if (mode === "enforce" && added.length === 0)
    terminal.err("this AP enforces, so what it denies is not answered: roamwall mode monitor ap --for 1h\n");
}
