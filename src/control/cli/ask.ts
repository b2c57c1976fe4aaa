import { type ApiVerb, askAgent, type Following, followAgent } from "../api.ts";
import type { Call, Option } from "./verb.ts";

export const SOCKET_DEFAULT = "/run/roamwall/agent.sock";

/** Of every verb that asks a running agent. */
export const SOCKET_OPTION: Option = {
  name: "socket",
  value: "PATH",
  text: `the agent's control socket; default ${SOCKET_DEFAULT}`,
};

type Given = Readonly<Record<string, unknown>>;

/** Prints JSON and answers undefined when --json was given; else answers the value. */
export async function ask<T>(call: Call, verb: ApiVerb, given: Given = {}): Promise<T | undefined> {
  const value = await askSilently<T>(call, verb, given);
  if (!call.options.has("json")) return value;
  call.terminal.out(`${JSON.stringify(value, null, 2)}\n`);
  return undefined;
}

export function askSilently<T>({ platform, options }: Call, verb: ApiVerb, given: Given = {}): Promise<T> {
  return askAgent<T>(platform, socketOf(options), verb, given);
}

export function follow<T>(
  { platform, options }: Call,
  verb: ApiVerb,
  given: Given,
  onEvent: (event: T, lost: number) => void,
): Promise<Following> {
  return followAgent<T>(platform, socketOf(options), { ...given, verb }, onEvent);
}

function socketOf(options: Call["options"]): string {
  return options.get("socket") ?? SOCKET_DEFAULT;
}
