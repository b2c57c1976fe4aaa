import { explainAction } from "./policy-explain.ts";
import { checkAction, compileAction } from "./policy-file.ts";
import { type Call, JSON_OPTION, usage, type Verb } from "./verb.ts";

/** What may be done with a policy file: none of it changes anything. */
export interface PolicyAction {
  readonly form: string;
  /** Arguments after the action's name. */
  readonly least: number;
  readonly most: number;
  run(call: Call, words: readonly string[]): number;
}

const ACTIONS: Readonly<Record<string, PolicyAction>> = {
  check: checkAction,
  compile: compileAction,
  explain: explainAction,
};

const FORMS = Object.values(ACTIONS)
  .map(({ form }) => `\n  roamwall policy ${form}`)
  .join("");

export const policyVerb: Verb = {
  name: "policy",
  summary: `Checks a policy, compiles it, or explains which rule lets a flow be opened. Changes nothing.\n${FORMS}`,
  arguments: ["ACTION", "FILE", "[CLIENT|ROLE]", "[PEER]", "[SERVICE]"],
  options: [
    { name: "key", value: "FILE", text: "the mesh's key file, for the very filters an AP would load" },
    { name: "in", text: "explain: the peer opens, SERVICE is the client's" },
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
