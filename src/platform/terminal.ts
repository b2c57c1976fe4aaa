/** The process as the command line sees it. */
export interface Terminal {
  readonly arguments: readonly string[];
  /** Standard output; true when it is a terminal: aligned columns and progress bars only then. */
  readonly isTerminal: boolean;
  /** Nobody set NO_COLOR, and the terminal is one that knows colours. */
  readonly hasColour: boolean;
  readonly columns: number;
  readonly rows: number;
  /** Where the program was started. */
  readonly directory: string;
  out(text: string): void;
  /** For what is no text. */
  outBytes(bytes: Uint8Array): void;
  /** Keys as they are pressed, without Enter and echo; answers how to end that. Absent: this platform cannot. */
  onKey?(run: (key: string) => void): () => void;
  /** Standard error; `isErrTerminal` likewise. */
  readonly isErrTerminal: boolean;
  err(text: string): void;
  onSignal(signal: "SIGHUP" | "SIGINT" | "SIGTERM", run: () => void): void;
  exit(code: number): void;
}
