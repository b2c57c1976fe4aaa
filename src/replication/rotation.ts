import type { Log } from "../platform/platform.ts";
import { fingerprintOf, KEY_SLOTS, type Keyring, type MeshKey, sameKey } from "./keyring.ts";
import { DEAD_AFTER_MS, type Neighbour } from "./neighbour.ts";

/** Who was not there for so long gets the new key by hand. */
const SWITCH_AFTER_MS = 24 * 3_600_000;
const RETIRE_AFTER_MS = 2 * DEAD_AFTER_MS;

export interface KeyStatus {
  readonly slot: number;
  readonly fingerprint: number;
  /** What this AP seals with; what it takes as well; what the file still has and nobody may use. */
  readonly state: "sending" | "accepted" | "retired";
}

/** Which of two mesh keys we seal with, and how long the older one is taken. */
export class Rotation {
  private offered: readonly MeshKey[];
  private retired: readonly MeshKey[] = [];
  private key: MeshKey;
  private newerSinceMs: number;
  private switchedMs = Number.POSITIVE_INFINITY;
  private forced = false;

  constructor(
    private readonly keys: Keyring,
    private readonly log: Log,
    nowMs: number,
  ) {
    this.offered = keys.keys;
    this.key = keys.keys[0]!;
    this.newerSinceMs = nowMs;
  }

  /** Slot of the key that we seal with. */
  get slot(): number {
    return this.key.slot;
  }

  /** Slot of the key that replaces the other one; the same as `slot` while there is no other. */
  get newest(): number {
    return this.keys.keys.at(-1)!.slot;
  }

  /** What our hello shows, by slot. */
  get fingerprints(): readonly number[] {
    return this.keys.fingerprints;
  }

  /** The key file as it now is, the older key first. A key that was retired stays so while the file names it. False: as before. */
  offer(keys: readonly MeshKey[], nowMs: number): boolean {
    const isSame = keys.length === this.offered.length && keys.every((key, i) => sameKey(key, this.offered[i]!));
    if (isSame) return false;
    this.offered = keys;
    this.retired = this.retired.filter((old) => keys.some((key) => sameKey(key, old)));
    const isNew = keys.some((key) => !this.keys.keys.some((held) => sameKey(held, key)));
    const accepted = keys.filter((key) => !this.retired.some((old) => sameKey(old, key)));
    // An old file that was put back: better its key than none.
    if (accepted.length === 0) this.retired = [];
    this.keys.replace(accepted.length > 0 ? accepted : keys);
    if (isNew) {
      this.newerSinceMs = nowMs;
      this.switchedMs = Number.POSITIVE_INFINITY;
    }
    return true;
  }

  /** The operator does not wait for anybody. */
  force(): void {
    this.forced = true;
  }

  /**
   * Moves on when it is time. True: seal with `slot` from now on, in a new epoch. `heardNewer`: a hello under the newer
   * key that nobody believes yet: a restarted AP finds its mesh there.
   */
  tick(neighbours: readonly Neighbour[], heardNewer: boolean, nowMs: number): boolean {
    if (nowMs - this.switchedMs > RETIRE_AFTER_MS) this.retireOthers();
    const newest = this.keys.keys.at(-1)!;
    if (newest === this.key) return false;
    const isGone = !this.keys.holds(this.key);
    const others = neighbours.filter(({ believed, state }) => believed && state !== "dead");
    const shown = this.keys.fingerprints[newest.slot];
    const haveIt = others.filter(({ hello }) => hello?.keys[newest.slot] === shown).length;
    const allHaveIt = haveIt === others.length && (haveIt > 0 || heardNewer);
    if (!isGone && !allHaveIt && !this.forced && nowMs - this.newerSinceMs < SWITCH_AFTER_MS) return false;
    this.key = newest;
    this.forced = false;
    this.switchedMs = nowMs;
    this.log.info("replication", `sealing with the key in slot ${newest.slot} from now on`);
    return true;
  }

  /** Two keys that were made for one slot: neither AP will ever take the other's. */
  compare(neighbour: Neighbour): void {
    const ours = this.keys.fingerprints;
    const slots = ours.flatMap((own, slot) => {
      const theirs = neighbour.hello?.keys[slot] ?? 0;
      return own !== 0 && theirs !== 0 && own !== theirs ? [slot] : [];
    });
    const conflict = slots[0];
    if (conflict !== undefined && neighbour.keyConflict !== conflict) {
      const { id, hello } = neighbour;
      this.log.error(
        "replication",
        `neighbour ${id} (${hello?.name}) has another key in slot ${conflict}: copy the file`,
      );
    }
    neighbour.keyConflict = conflict;
  }

  status(): KeyStatus[] {
    return this.offered.map((key) => {
      const { slot, secret } = key;
      const isRetired = this.retired.some((old) => sameKey(old, key));
      const state = isRetired ? "retired" : slot === this.slot ? "sending" : "accepted";
      return { slot, fingerprint: fingerprintOf(this.keys.crypto, secret), state };
    });
  }

  private retireOthers(): void {
    this.switchedMs = Number.POSITIVE_INFINITY;
    const old = this.keys.keys.filter((key) => key !== this.key);
    if (old.length === 0) return;
    this.retired = [...this.retired, ...old].slice(-KEY_SLOTS);
    this.keys.replace([this.key]);
    for (const { slot } of old)
      this.log.info(
        "replication",
        `the key in slot ${slot} is no longer accepted; remove it: roamwall key drop ${slot}`,
      );
  }
}
