/** Simulated time: what is to happen, in order. Equal times run in the order they were asked for. */
export class World {
  nowMs = 0;
  private readonly times: number[] = [];
  private readonly orders: number[] = [];
  private readonly runs: (() => void)[] = [];
  private order = 0;

  after(ms: number, run: () => void): void {
    this.push(this.nowMs + Math.max(0, ms), this.order++, run);
  }

  /** Runs the next event; false when nothing is left. */
  step(): boolean {
    const run = this.runs[0];
    if (!run) return false;
    this.nowMs = this.times[0] as number;
    this.pop();
    run();
    return true;
  }

  get waiting(): number {
    return this.runs.length;
  }

  private earlier(i: number, j: number): boolean {
    const a = this.times[i] as number;
    const b = this.times[j] as number;
    return a < b || (a === b && (this.orders[i] as number) < (this.orders[j] as number));
  }

  private swap(i: number, j: number): void {
    for (const list of [this.times, this.orders, this.runs] as unknown[][]) [list[i], list[j]] = [list[j], list[i]];
  }

  private push(time: number, order: number, run: () => void): void {
    this.times.push(time);
    this.orders.push(order);
    this.runs.push(run);
    let i = this.runs.length - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.earlier(i, parent)) return;
      this.swap(i, parent);
      i = parent;
    }
  }

  private pop(): void {
    this.swap(0, this.runs.length - 1);
    this.times.pop();
    this.orders.pop();
    this.runs.pop();
    let i = 0;
    for (;;) {
      const left = 2 * i + 1;
      const right = left + 1;
      let first = i;
      if (left < this.runs.length && this.earlier(left, first)) first = left;
      if (right < this.runs.length && this.earlier(right, first)) first = right;
      if (first === i) return;
      this.swap(i, first);
      i = first;
    }
  }
}

/** A timer that can be set again or stopped; what it replaced never fires. */
export class Timer {
  private generation = 0;
  constructor(
    private readonly world: World,
    private readonly run: () => void,
  ) {}

  set(ms: number): void {
    const mine = ++this.generation;
    this.world.after(ms, () => {
      if (mine === this.generation) this.run();
    });
  }

  stop(): void {
    this.generation++;
  }
}
