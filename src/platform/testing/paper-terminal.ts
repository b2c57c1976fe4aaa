import type { Terminal } from "../terminal.ts";

export interface Said {
  out: string;
  err: string;
}

/** A terminal that nobody sits at: 80 by 24, a file or a pipe on both sides; what is written to it is kept in `said`. */
export function paperTerminal(words: readonly string[], said: Said, other: Partial<Terminal> = {}): Terminal {
  return {
    arguments: words,
    isTerminal: false,
    hasColour: false,
    isErrTerminal: false,
    columns: 80,
    rows: 24,
    directory: "/",
    out: (text) => {
      said.out += text;
    },
    outBytes: () => {},
    err: (text) => {
      said.err += text;
    },
    onSignal: () => {},
    exit: () => {},
    ...other,
  };
}
