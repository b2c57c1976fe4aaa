import { closest } from "../../base/closest.ts";
import { badInput, RoamwallError } from "../../base/errors.ts";
import type { Platform } from "../../platform/platform.ts";
import type { Terminal } from "../../platform/terminal.ts";

/** Exit codes: what scripts may rely on. */
export const EXIT = { ok: 0, failure: 1, usage: 2 } as const;

export interface Option {
  /** Without dashes. */
  readonly name: string;
  /** Word for its value; absent: a switch. */
  readonly value?: string;
  readonly text: string;
}

/** A command: what the help says, what may be given, what it does. */
export interface Verb {
  readonly name: string;
  readonly summary: string;
  /** Names of the arguments, `[...]` = may be left out. */
  readonly arguments: readonly string[];
  readonly options: readonly Option[];
  /** Answers the exit code. */
  run(call: Call): Promise<number>;
}

/** A verb as it was called. */
export interface Call {
  readonly terminal: Terminal;
  readonly platform: Platform;
  readonly arguments: readonly string[];
  readonly options: ReadonlyMap<string, string>;
}

/** For people: with --json nothing but JSON goes out. */
export function say({ terminal, options }: Call, text: string): void {
  if (!options.has("json")) terminal.out(text);
}

export function exists({ files }: Platform, path: string): boolean {
  try {
    files.mode(path);
    return true;
  } catch {
    return false;
  }
}

export const JSON_OPTION: Option = { name: "json", text: "print JSON, for scripts" };

/** Splits what was typed. Throws ROAMWALL_ERR_USAGE. */
export function parseCall(verb: Verb, words: readonly string[]): Pick<Call, "arguments" | "options"> {
  const given: string[] = [];
  const options = new Map<string, string>();
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === "--") {
      given.push(...words.slice(i + 1));
      break;
    }
    if (!word.startsWith("--")) {
      given.push(word);
      continue;
    }
    const [name, inline] = splitOption(word);
    const option = verb.options.find((o) => o.name === name);
    if (!option) throw unknownOption(verb, name);
    if (option.value === undefined) {
      if (inline !== undefined) throw usage(`--${name} takes no value`, `--${name}`);
      options.set(name, "true");
      continue;
    }
    const value = inline ?? words[++i];
    if (value === undefined) throw usage(`--${name} without its value`, `--${name} ${option.value}`);
    options.set(name, value);
  }
  const least = verb.arguments.filter((argument) => !argument.startsWith("[")).length;
  if (given.length < least || given.length > verb.arguments.length) {
    throw usage(
      `${given.length} arguments to ${verb.name}`,
      `roamwall ${verb.name} ${verb.arguments.join(" ")}`.trim(),
    );
  }
  return { arguments: given, options };
}

function splitOption(word: string): [name: string, value: string | undefined] {
  const at = word.indexOf("=");
  return at < 0 ? [word.slice(2), undefined] : [word.slice(2, at), word.slice(at + 1)];
}

function unknownOption(verb: Verb, name: string): RoamwallError {
  const names = verb.options.map((o) => o.name);
  const meant = closest(name, names);
  const accepted = names.map((one) => `--${one}`).join(", ") || "no options";
  return usage(`unknown option --${name}`, accepted, meant && `--${meant}`);
}

/** Of an option that was given. Throws ROAMWALL_ERR_USAGE. */
export function readNumber(options: Call["options"], name: string, least: number, most: number): number {
  const text = options.get(name) ?? "";
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) throw usage(`--${name} "${text}"`, `a whole number of ${least} to ${most}`);
  return value;
}

export function usage(found: string, accepted: string, meant?: string): RoamwallError {
  return new RoamwallError("ROAMWALL_ERR_USAGE", badInput("command line", found, accepted, meant).message);
}

/** The first sentence of what a verb does. */
export function headline({ summary }: Verb): string {
  return summary
    .split("\n")[0]!
    .split(/[.:;] /)[0]!
    .replace(/\.$/, "");
}

/** Printed from the table: it cannot say other than what is parsed. */
export function verbHelp(verb: Verb): string {
  const call = ["roamwall", verb.name, ...verb.arguments].join(" ");
  const options = verb.options.map((o) => [`--${o.name}${o.value ? ` ${o.value}` : ""}`, o.text] as const);
  const width = Math.max(0, ...options.map(([form]) => form.length));
  const lines = options.map(([form, text]) => `  ${form.padEnd(width)}  ${text}\n`).join("");
  return `${call}${options.length ? " [OPTION...]" : ""}\n\n${verb.summary}\n${lines ? `\n${lines}` : ""}`;
}
