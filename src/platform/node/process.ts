/** The process as the command line sees it. */
export interface Terminal {
  readonly arguments: readonly string[];
  /** Standard output; true when it is a terminal: aligned columns and progress bars only then. */
  readonly isTerminal: boolean;
  /** Nobody set NO_COLOR, and the terminal is one that knows colours. */
  readonly hasColour: boolean;
  readonly columns: number;
  out(text: string): void;
  /** Standard error; `isErrTerminal` likewise. */
  readonly isErrTerminal: boolean;
  err(text: string): void;
  onSignal(signal: "SIGHUP" | "SIGINT" | "SIGTERM", run: () => void): void;
  exit(code: number): void;
}

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
