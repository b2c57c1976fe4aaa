import { explainAction } from "./policy-explain.ts";
import { checkAction, compileAction } from "./policy-file.ts";
import { keygenAction, pushAction, signAction } from "./policy-network.ts";
import { type Call, JSON_OPTION, usage, type Verb } from "./verb.ts";

/** What may be done with a policy. */
export interface PolicyAction {
  readonly form: string;
  /** Arguments after the action's name. */
  readonly least: number;
  readonly most: number;
  /** Answers the exit code. */
  run(call: Call, words: readonly string[]): number | Promise<number>;
}

const ACTIONS: Readonly<Record<string, PolicyAction>> = {
  check: checkAction,
  compile: compileAction,
  explain: explainAction,
  keygen: keygenAction,
  sign: signAction,
  push: pushAction,
};

const FORMS = Object.values(ACTIONS)
  .map(({ form }) => `\n  roamwall policy ${form}`)
  .join("");

export const policyVerb: Verb = {
  name: "policy",
  summary: `Checks a policy, compiles it, explains which rule lets a flow be opened; signs it for a whole mesh and pushes it.\n${FORMS}`,
  arguments: ["ACTION", "FILE", "[CLIENT|ROLE]", "[PEER]", "[SERVICE]"],
  options: [
    { name: "key", value: "FILE", text: "the mesh's key file, for the very filters an AP would load" },
    { name: "in", text: "explain: the peer opens, SERVICE is the client's" },
    { name: "sign-key", value: "KEYFILE", text: "sign, push: what keygen wrote" },
    { name: "mesh", value: "NAME", text: "sign, push: as in the APs' settings" },
    { name: "revision", value: "N", text: "sign, push: above the one in force; push finds it by itself" },
    { name: "broker", value: "URL", text: "push: mqtt://HOST:1883, or mqtts://HOST:8883" },
    { name: "user", value: "NAME", text: "push: for the broker" },
    { name: "password-file", value: "FILE", text: "push: the broker's password" },
    { name: "ca", value: "FILE", text: "push: certificates (PEM) that vouch for the broker" },
    { name: "certificate", value: "FILE", text: "push: one's own (PEM)" },
    { name: "private-key", value: "FILE", text: "push: its key (PEM)" },
    { name: "wait", value: "SECONDS", text: "push: for the APs' answers; default 10" },
    JSON_OPTION,
  ],
  async run(call) {
    const [name, ...words] = call.arguments as [string, ...string[]];
    const action = ACTIONS[name];
    if (!action) throw usage(`unknown action "${name}"`, `roamwall policy ${Object.keys(ACTIONS).join("|")}`);
    if (words.length < action.least || words.length > action.most) {
      throw usage(`${words.length} arguments to policy ${name}`, `roamwall policy ${action.form}`);
    }
    return action.run(call, words);
  },
};
