import { sameBytes } from "../base/bytes.ts";
import { Attempts } from "./attempts.ts";
import { Insistence } from "./insistence.ts";
import type { Channel, Greeting, Header, Seal } from "./seal.ts";

/** Epochs of which keys are held although nobody believes them yet. */
const STRANGERS_MAX = 64;
/** Keys are derived at most so often a second for one sender, and STRANGERS_MAX times for all. */
const DERIVED_PER_SENDER = 4;
const SECOND_MS = 1_000;
/** Hellos that are told apart. */
const NUMBERS = 16;

/** Somebody with the mesh key, or a recording of somebody: nothing is believed of it. */
export interface Stranger {
  readonly sender: number;
  readonly keySlot: number;
  /** It has proven who it is, and may be believed if it is no recording. */
  readonly isProven: boolean;
  readonly epoch: Uint8Array;
  readonly channel: Channel;
  readonly attempts: Attempts;
  readonly derivedMs: number;
  /** The newest number that was authentic. */
  newestPn: number;
  /** When it last was. */
  heardMs: number;
  readonly answers: Insistence;
}

/**
 * A table of fixed size: whoever replays recordings turns its entries round and grows nothing. Those that proved who they
 * are have one of their own: others must not be able to turn theirs round.
 */
export class Strangers {
  private readonly lists: Readonly<Record<"proven" | "others", Stranger[]>> = { proven: [], others: [] };

  constructor(private readonly seal: Seal) {}

  /** Undefined: too many keys were derived within this second, or none fits. */
  get(header: Header, greeting: Greeting, nowMs: number): Stranger | undefined {
    const isAlone = header.alone === true;
    const list = this.lists[isAlone ? "proven" : "others"];
    const known = list.find((one) => isOf(one, header, greeting));
    if (known) return known;
    if (!mayDerive(list, header.sender, nowMs)) return undefined;
    const { sender, keySlot } = header;
    const channel = this.seal.channel(keySlot, sender, greeting);
    if (!channel) return undefined;
    const never = Number.NEGATIVE_INFINITY;
    const stranger: Stranger = {
      sender,
      keySlot,
      isProven: isAlone || !channel.dealing,
      epoch: greeting.epoch,
      channel,
      attempts: new Attempts(NUMBERS),
      derivedMs: nowMs,
      newestPn: 0,
      heardMs: never,
      answers: new Insistence(),
    };
    if (list.length === STRANGERS_MAX) list.shift();
    list.push(stranger);
    return stranger;
  }

  /** Believed, or of a key that is gone. */
  forget(which: (stranger: Stranger) => boolean): void {
    for (const list of Object.values(this.lists))
      for (let i = list.length - 1; i >= 0; i--) if (which(list[i]!)) list.splice(i, 1);
  }

  heardSince(ms: number): boolean {
    return this.all.some(({ heardMs }) => heardMs > ms);
  }

  heardUnder(keySlot: number, sinceMs: number): boolean {
    const isHeard = (one: Stranger) => one.keySlot === keySlot && one.heardMs > sinceMs;
    return this.lists.proven.some(isHeard) || this.lists.others.some(isHeard);
  }

  private get all(): readonly Stranger[] {
    return [...this.lists.proven, ...this.lists.others];
  }
}

function mayDerive(list: readonly Stranger[], sender: number, nowMs: number): boolean {
  const recent = list.filter(({ derivedMs }) => nowMs - derivedMs < SECOND_MS);
  const ofSender = recent.filter((one) => one.sender === sender);
  return recent.length < STRANGERS_MAX && ofSender.length < DERIVED_PER_SENDER;
}

function isOf(one: Stranger, { sender, keySlot }: Header, { epoch }: Greeting): boolean {
  return one.sender === sender && one.keySlot === keySlot && sameBytes(one.epoch, epoch);
}
