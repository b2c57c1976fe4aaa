import { type ApiVerb, askAgent } from "../api.ts";
import type { Call, Option } from "./verb.ts";

export const SOCKET_DEFAULT = "/run/roamwall/agent.sock";

/** Of every verb that asks a running agent. */
export const SOCKET_OPTION: Option = {
  name: "socket",
  value: "PATH",
  text: `the agent's control socket; default ${SOCKET_DEFAULT}`,
};

/** Prints JSON and answers undefined when --json was given; else answers the value. */
export async function ask<T>({ platform, terminal, options }: Call, verb: ApiVerb): Promise<T | undefined> {
  const value = await askAgent<T>(platform, options.get("socket") ?? SOCKET_DEFAULT, verb);
  if (!options.has("json")) return value;
  terminal.out(`${JSON.stringify(value, null, 2)}\n`);
  return undefined;
}
