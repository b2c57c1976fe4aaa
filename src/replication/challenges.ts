/** Handshakes that may be under way while others end. */
const KEPT = 16;

/**
 * What a hello must give back before it is believed. An epoch that is believed makes a new one, so that nothing which its
 * sender said in an earlier life, heard by us or not, is ever proof again; others may still answer the one before.
 */
export class Challenges {
  private readonly values: bigint[];
  private first = 0;

  constructor(private readonly random: () => bigint) {
    this.values = [random()];
  }

  get current(): bigint {
    return this.values.at(-1)!;
  }

  /** Number of the current one. */
  get age(): number {
    return this.first + this.values.length - 1;
  }

  /** Is it ours, and not older than `least`? */
  accepts(echo: bigint | undefined, least: number): boolean {
    const at = echo === undefined ? -1 : this.values.indexOf(echo);
    return at >= 0 && this.first + at >= least;
  }

  renew(): void {
    this.values.push(this.random());
    if (this.values.length <= KEPT) return;
    this.values.shift();
    this.first++;
  }

  /** We no longer know who has answered what. */
  forget(): void {
    this.first += this.values.length;
    this.values.splice(0, this.values.length, this.random());
  }
}
