/** Progress for people, on stderr: one line that is overwritten on a terminal, a line now and then elsewhere. */
export class Screen {
  private readonly startedMs = performance.now();
  private open = false;

  constructor(
    private readonly quiet: boolean,
    private readonly out: NodeJS.WriteStream = process.stderr,
  ) {}

  /** Something happened. */
  step(text: string): void {
    this.line(`${this.clock()}  ${text}`);
  }

  line(text: string): void {
    if (this.quiet) return;
    this.endOpenLine();
    this.out.write(`${text}\n`);
  }

  /** How it stands; the next one takes its place. */
  state(text: string): void {
    if (this.quiet || !this.out.isTTY) return;
    this.out.write(`\r\x1b[2K${this.clock()}  ${text.slice(0, (this.out.columns ?? 80) - 12)}`);
    this.open = true;
  }

  private endOpenLine(): void {
    if (this.open) this.out.write("\r\x1b[2K");
    this.open = false;
  }

  private clock(): string {
    return `${((performance.now() - this.startedMs) / 1_000).toFixed(1).padStart(5)} s`;
  }
}
