import type { Terminal } from "../terminal.ts";

export function nodeTerminal(): Terminal {
  // `roamwall ... | head`: the reader has seen enough.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
  });
  const wantsColour = process.env["NO_COLOR"] === undefined && process.env["TERM"] !== "dumb";
  return {
    arguments: process.argv.slice(2),
    isTerminal: process.stdout.isTTY === true,
    hasColour: wantsColour,
    columns: process.stdout.columns ?? 80,
    out: (text) => void process.stdout.write(text),
    isErrTerminal: process.stderr.isTTY === true,
    err: (text) => void process.stderr.write(text),
    onSignal: (signal, run) => void process.on(signal, run),
    exit(code) {
      process.exitCode = code;
    },
  };
}
