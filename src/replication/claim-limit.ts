import { isAbove } from "../proxy/claim-number.ts";
import { TokenBucket } from "./bucket.ts";

/** An AP whose clients all come at once takes no more from others than it has places for. */
const BURST = 1_024;
const PER_SECOND = 32;

/** What is known of a client: the highest claim, and whose. */
interface Claimed {
  readonly n: number;
  readonly ap: number;
}

/** How many clients one member may take from others: a captured one must not have all of them at once. */
export class ClaimLimit {
  private readonly bucket = new TokenBucket(PER_SECOND, BURST);

  /** What is said again, or takes nobody's client, costs nothing. */
  mayClaim(known: Claimed | undefined, by: number, n: number, nowMs: number): boolean {
    const takes = known !== undefined && known.ap !== 0 && known.ap !== by && !isAbove(known.n, n);
    return !takes || this.bucket.take(1, nowMs);
  }
}
