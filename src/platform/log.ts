import type { Log } from "./platform.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** One line each, whatever names from elsewhere stand in it: `info  agent: connected path=/run/roamwall/daemon.sock`. Who runs us adds the time. */
export function lineLog(least: LogLevel, write: (line: string) => void): Log {
  const at = (level: LogLevel): Log["info"] => {
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(least)) return () => {};
    return (room, text, fields) =>
      write(`${level.padEnd(5)} ${room}: ${text.replace(/\p{Cc}/gu, "?")}${formatFields(fields)}\n`);
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

function formatFields(fields: Record<string, unknown> | undefined): string {
  return Object.entries(fields ?? {})
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}=${formatValue(value)}`)
    .join("");
}

/** Quoted where a reader that splits at blanks would go astray; control characters never reach the terminal. */
function formatValue(value: unknown): string {
  const text = typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
  return /^[\x21\x23-\x3c\x3e-\x7e]+$/.test(text) ? text : JSON.stringify(text);
}
