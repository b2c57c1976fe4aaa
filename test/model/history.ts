interface Event {
  readonly atMs: number;
  readonly about: readonly string[];
  readonly text: string;
}

/** What happened, for people; and a hash of it, for the promise that a seed says it all. */
export class History {
  private readonly events: Event[] = [];
  private state = 0x811c9dc5;

  add(atMs: number, about: readonly string[], text: string): void {
    this.events.push({ atMs, about, text });
    this.mix(atMs);
    for (let i = 0; i < text.length; i++) this.mix(text.charCodeAt(i));
  }

  mix(value: number): void {
    this.state = Math.imul(this.state ^ Math.floor(value * 16), 0x01000193) >>> 0;
  }

  get hash(): number {
    return this.state;
  }

  /** The last events that concern any of these. */
  last(about: readonly string[], count: number): string[] {
    const found = this.events.filter(
      (event) => about.some((name) => event.about.includes(name)) || event.about.length === 0,
    );
    return found.slice(-count).map((event) => `${event.atMs.toFixed(1)} ${event.about.join(" ")} ${event.text}`);
  }
}
