import { TRIAL_SECONDS_MAX } from "../trial.ts";
import { ask, SOCKET_OPTION } from "./ask.ts";
import { durationMs } from "./duration.ts";
import { EXIT, JSON_OPTION, type Verb } from "./verb.ts";

export const applyVerb: Verb = {
  name: "apply",
  summary:
    "Puts a policy in force. With --for it goes back by itself, also when the agent dies, unless `roamwall confirm` comes in time; without, it replaces the policy file at once.",
  arguments: ["FILE"],
  options: [{ name: "for", value: "DURATION", text: "how long it is on trial, as 60s" }, SOCKET_OPTION, JSON_OPTION],
  async run(call) {
    const [path] = call.arguments as [string];
    const file = path.startsWith("/") ? path : `${call.terminal.directory}/${path}`;
    const wait = call.options.get("for");
    const seconds = wait === undefined ? undefined : durationMs(wait, "--for", TRIAL_SECONDS_MAX) / 1000;
    const done = await ask<{ seconds: number | null }>(call, "apply", { file, seconds });
    if (!done) return EXIT.ok;
    const text = done.seconds === null ? "in force" : `on trial: back in ${done.seconds} s unless: roamwall confirm`;
    call.terminal.out(`${text}\n`);
    return EXIT.ok;
  },
};

export const confirmVerb: Verb = {
  name: "confirm",
  summary: "Keeps the policy that is on trial: it becomes the policy file.",
  arguments: [],
  options: [SOCKET_OPTION, JSON_OPTION],
  async run(call) {
    if (await ask(call, "confirm")) call.terminal.out("confirmed: the policy file says so now\n");
    return EXIT.ok;
  },
};

export const revertVerb: Verb = {
  name: "revert",
  summary: "Ends a trial now: back to what the policy file says.",
  arguments: [],
  options: [SOCKET_OPTION, JSON_OPTION],
  async run(call) {
    if (await ask(call, "revert")) call.terminal.out("back to the policy file\n");
    return EXIT.ok;
  },
};
