import { joined } from "../base/bytes.ts";
import { KEY_BYTES, type Keyring, type MeshKey } from "./keyring.ts";
import type { Members } from "./members.ts";
import { TO_ALL } from "./outbox.ts";
import { PROOF_COUNT_BYTES, PROOF_ENTRY_BYTES, Prover, proofAt, withoutProofs, withProofs } from "./proofs.ts";
import {
  type Channel,
  type Dealing,
  type Greeting,
  type Header,
  SEALED_EXTRA_BYTES,
  type Seal,
  VERSION_PAIRED,
} from "./seal.ts";
import { FILTER_KEY_BYTES, Filter, ofSender, Sealed, SealedChannel } from "./sealed.ts";

const NOTHING = new Uint8Array(0);
const VERSION = { version: VERSION_PAIRED } as const;

export interface PairedParts {
  readonly id: number;
  readonly keys: Keyring;
  readonly members: Members;
  /** For whom what we say to all carries a proof. */
  audience(): readonly number[];
}

/** Hello filters of a pair, by direction. */
interface PairFilters {
  readonly toUs: Filter;
  readonly fromUs: Filter;
}

/**
 * The seal where each AP has a key of its own. What is for one is sealed under keys that only the two have. What is for all
 * is sealed under a secret that its sender dealt to each, and carries a proof for each, since whoever was dealt it could
 * seal with it too. Hellos to all are the exception: strangers read them by the mesh key, and do no more than answer.
 */
export class Paired implements Seal {
  readonly version = VERSION_PAIRED;
  private readonly open: Sealed;
  /** by what we have in common with the other */
  private readonly filters = new WeakMap<Uint8Array, Map<MeshKey, PairFilters>>();

  constructor(readonly parts: PairedParts) {
    this.open = new Sealed(parts.keys);
  }

  epochTag(epoch: Uint8Array): number {
    return this.open.epochTag(epoch);
  }

  isMember(sender: number): boolean {
    return this.parts.members.has(sender);
  }

  mayBeHello(header: Header, bytes: Uint8Array): boolean {
    if (!header.alone) return this.open.mayBeHello(header, withoutProofs(bytes));
    const mesh = this.parts.keys.get(header.keySlot);
    return (mesh && this.pairFilters(mesh, header.sender)?.toUs.passes(header, bytes)) ?? false;
  }

  channel(keySlot: number, sender: number, greeting: Greeting): Channel | undefined {
    const mesh = this.parts.keys.get(keySlot);
    // Who is no member itself may become one while it runs.
    const isKnown = sender === this.parts.id || this.isMember(sender);
    return mesh && isKnown ? new PairedChannel(this, mesh, sender, greeting) : undefined;
  }

  openFilter(mesh: MeshKey): Filter {
    return this.open.helloFilter(mesh);
  }

  pairFilters(mesh: MeshKey, other: number): PairFilters | undefined {
    const { id, keys, members } = this.parts;
    const shared = members.sharedWith(other);
    if (!shared) return undefined;
    const byKey = this.filters.get(shared) ?? new Map<MeshKey, PairFilters>();
    this.filters.set(shared, byKey);
    const known = byKey.get(mesh);
    if (known) return known;
    const filter = (from: number, to: number) => {
      const of = Uint8Array.of(from >> 8, from & 255, to >> 8, to & 255);
      return new Filter(keys.crypto, keys.derive(mixed(shared, mesh), "hello", NOTHING, of, FILTER_KEY_BYTES));
    };
    const made = { toUs: filter(other, id), fromUs: filter(id, other) };
    byKey.set(mesh, made);
    return made;
  }
}

/** The keys by which one AP is spoken to by another. */
interface Pair {
  readonly channel: SealedChannel;
  readonly prover: Prover;
}

/** One sender in one epoch: us, with all whom we speak to, or another, with us alone. */
class PairedChannel implements Channel, Dealing {
  readonly dealing: Dealing = this;
  private group: SealedChannel | undefined;
  private greetings: SealedChannel | undefined;
  private dealt: Uint8Array | undefined;
  /** by receiver */
  private readonly pairs = new Map<number, Pair>();

  constructor(
    private readonly seals: Paired,
    private readonly mesh: MeshKey,
    private readonly sender: number,
    private readonly greeting: Greeting,
  ) {}

  /** Nobody but we can make it again, and it is another in each epoch. */
  get secret(): Uint8Array {
    const { keys, members } = this.seals.parts;
    const own = { slot: this.mesh.slot, secret: members.secret };
    this.dealt ??= keys.derive(own, "deal", this.greeting.epoch, ofSender(this.sender, this.greeting), KEY_BYTES);
    return this.dealt;
  }

  take(secret: Uint8Array): void {
    this.group = this.sealed(mixed(secret, this.mesh), NOTHING, this.seals.openFilter(this.mesh));
  }

  get extraBytes(): number {
    return SEALED_EXTRA_BYTES + PROOF_COUNT_BYTES + this.seals.parts.audience().length * PROOF_ENTRY_BYTES;
  }

  isAddressed(header: Header, bytes: Uint8Array): boolean {
    return header.alone === true || proofAt(bytes, this.seals.parts.id) !== undefined;
  }

  seal(header: Header, body: Uint8Array, dst: number): Uint8Array | undefined {
    if (dst !== TO_ALL) return this.pairWith(dst)?.channel.seal({ ...header, alone: true }, body);
    if (!this.group) this.take(this.secret);
    const bytes = this.forAll(header)!.seal(header, body);
    const { audience, keys } = this.seals.parts;
    const provers: Prover[] = [];
    for (const id of audience()) {
      const pair = this.pairWith(id);
      if (pair) provers.push(pair.prover);
    }
    return withProofs(bytes, keys.crypto.sha256(bytes), provers);
  }

  mayBe(header: Header, bytes: Uint8Array): boolean {
    const pair = this.withUs();
    if (!pair) return false;
    if (header.alone) return pair.channel.mayBe(header, bytes);
    const proof = proofAt(bytes, this.seals.parts.id);
    const sealed = withoutProofs(bytes);
    if (proof === undefined || !this.forAll(header)?.mayBe(header, sealed)) return false;
    return pair.prover.isProof(this.seals.parts.keys.crypto.sha256(sealed), bytes, proof);
  }

  open(header: Header, bytes: Uint8Array): Uint8Array | undefined {
    if (header.alone) return this.withUs()?.channel.open(header, bytes);
    return this.forAll(header)?.open(header, withoutProofs(bytes));
  }

  private forAll({ hello }: Header): SealedChannel | undefined {
    if (!hello) return this.group;
    this.greetings ??= this.sealed(this.mesh, NOTHING, this.seals.openFilter(this.mesh));
    return this.greetings;
  }

  private withUs(): Pair | undefined {
    return this.pairWith(this.seals.parts.id);
  }

  /** Between its sender and that AP: one of both is us. */
  private pairWith(to: number): Pair | undefined {
    const known = this.pairs.get(to);
    if (known) return known;
    const { id, keys, members } = this.seals.parts;
    const other = this.sender === id ? to : this.sender;
    const shared = members.sharedWith(other);
    const filters = this.seals.pairFilters(this.mesh, other);
    if (!shared || !filters) return undefined;
    const key = mixed(shared, this.mesh);
    const toOther = Uint8Array.of(to >> 8, to & 255);
    const of = joined(ofSender(this.sender, this.greeting), toOther);
    const proofKey = keys.derive(key, "proof", this.greeting.epoch, of, FILTER_KEY_BYTES);
    const pair = {
      channel: this.sealed(key, toOther, this.sender === id ? filters.fromUs : filters.toUs),
      prover: new Prover(to, keys.crypto.sipHash(proofKey)),
    };
    this.pairs.set(to, pair);
    return pair;
  }

  private sealed(key: MeshKey, to: Uint8Array, helloFilter: Filter): SealedChannel {
    const of = joined(ofSender(this.sender, this.greeting), to);
    return new SealedChannel(this.seals.parts.keys, this.mesh, this.greeting.epoch, of, helloFilter, {
      key,
      ...VERSION,
    });
  }
}

/** Neither the mesh key alone nor what two have in common alone is enough: a rotation of the one renews both. */
function mixed(secret: Uint8Array, mesh: MeshKey): MeshKey {
  return { slot: mesh.slot, secret: joined(secret, mesh.secret) };
}
