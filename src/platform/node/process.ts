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
    rows: process.stdout.rows ?? 24,
    directory: process.cwd(),
    out: (text) => void process.stdout.write(text),
    outBytes: (bytes) => void process.stdout.write(bytes),
    ...(process.stdin.isTTY && { onKey }),
    isErrTerminal: process.stderr.isTTY === true,
    err: (text) => void process.stderr.write(text),
    onSignal: (signal, run) => void process.on(signal, run),
    exit(code) {
      process.exitCode = code;
    },
  };
}

function onKey(run: (key: string) => void): () => void {
  const { stdin } = process;
  const hear = (bytes: Buffer) => run(bytes.toString());
  const end = () => {
    stdin.off("data", hear);
    stdin.setRawMode(false);
    stdin.pause();
  };
  stdin.setRawMode(true);
  stdin.on("data", hear);
  stdin.resume();
  // Whatever ends the process, the shell gets its line mode back.
  process.once("exit", end);
  return end;
}
