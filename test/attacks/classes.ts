import { nodeCrypto } from "../../src/platform/node/crypto.ts";
import { withoutProofs } from "../../src/replication/proofs.ts";
import {
  FILTER_BYTES,
  HEADER_BYTES,
  HELLO_HEADER_BYTES,
  parseHeader,
  VERSION_PAIRED,
} from "../../src/replication/seal.ts";
import type { Prng } from "../conformance/prng.ts";
import type { Mesh } from "./world.ts";

const FLAG_HELLO = 1;
const FLAG_ALONE = 2;
const LARGEST_UDP = 65_507;

export interface AttackClass {
  readonly name: string;
  /** Recorded hellos of epochs that are not believed are answered, by a bound. */
  readonly mayAnswer?: boolean;
  /** Without the bound on decryptions in vain, so that each message gets as far as it can. */
  readonly isUnbounded?: boolean;
  /** The i-th message. */
  make(i: number): Uint8Array;
}

/** What can be sent by somebody who hears everything of two meshes and has no key. */
export function attackClasses({ recordings, victim }: Mesh, other: Mesh, random: Prng): AttackClass[] {
  const { taken, lost, forAnother, staleEpoch, unknownEpoch, beforeRestart, own } = recordings;
  const foreign = other.recordings.taken;
  const version = taken[0]![0]! >> 4;
  // Numbers that have not come yet: only these get as far as the tag.
  const fresh = [...lost, ...forAnother];
  const neighbours = victim.replicator.list();
  const target = () => neighbours[random.below(neighbours.length)]!;
  const from = (list: readonly Uint8Array[], i: number) => list[i % list.length]!;
  return [
    { name: "random bytes", make: () => noise(random, random.below(1_400)) },
    { name: "odd lengths", make: (i) => oddly(random, i, version) },
    {
      name: "forged: a neighbour's header",
      make: (i) => forged(random, version, i % 4 ? 0 : FLAG_ALONE, target(), ahead(target(), random)),
    },
    {
      name: "forged: a hello of a new epoch",
      make: (i) => forgedHello(random, version, i % 4 ? FLAG_HELLO : FLAG_HELLO | FLAG_ALONE, target()),
    },
    { name: "replayed, taken before", make: (i) => from(taken, i) },
    { name: "replayed, of an epoch before", make: (i) => from(staleEpoch, i) },
    { name: "replayed, of before our restart", make: (i) => from(beforeRestart, i), mayAnswer: true },
    { name: "replayed, of an epoch never heard", make: (i) => from(unknownEpoch, i), mayAnswer: true },
    { name: "replayed, our own", make: (i) => from(own, i), mayAnswer: true },
    { name: "truncated at every byte", make: (i) => everywhere([fresh, taken, unknownEpoch], i, cut) },
    { name: "one bit turned, every bit", make: (i) => everywhere([fresh, taken], i, flip) },
    { name: "one bit turned, hellos", make: (i) => everywhere([unknownEpoch.filter(isHello)], i, flip) },
    { name: "one bit turned, limits lifted", make: (i) => everywhere([fresh], i, flip), isUnbounded: true },
    {
      name: "spliced, limits lifted",
      make: (i) => spliced(from(fresh, i), from(fresh, i + 1 + (i % 7))),
      isUnbounded: true,
    },
    { name: "meant for another AP", make: (i) => from(forAnother, i) },
    { name: "of another mesh", make: (i) => from(foreign, i) },
    {
      name: "of another mesh, our epoch's tag",
      make: (i) => retagged(from(foreign, i), target().epochTag, target().id),
    },
    { name: "spliced of two meshes", make: (i) => spliced(from(fresh, i), from(foreign, i)) },
    { name: "spliced of two datagrams", make: (i) => spliced(from(fresh, i), from(fresh, i + 1 + (i % 7))) },
  ];
}

function isHello(bytes: Uint8Array): boolean {
  return (bytes[1]! & 1) !== 0;
}

function noise(random: Prng, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = random.below(256);
  return bytes;
}

function oddly(random: Prng, i: number, version: number): Uint8Array {
  const lengths = [
    0,
    1,
    HEADER_BYTES - 1,
    HEADER_BYTES,
    HELLO_HEADER_BYTES,
    HELLO_HEADER_BYTES + 23,
    1_200,
    9_000,
    LARGEST_UDP,
  ];
  const bytes = new Uint8Array(lengths[i % lengths.length]!).fill([0, 0xff, version << 4, 0x91][(i >> 4) & 3]!);
  if (bytes.length > 1) bytes[1] = random.below(2);
  return bytes;
}

function ahead({ window }: { window: { newest: number } | undefined }, random: Prng): number {
  return window!.newest + 1 + random.below(1_000);
}

interface Named {
  readonly id: number;
  readonly epochTag: number;
}

function forged(random: Prng, version: number, flags: number, { id, epochTag }: Named, pn: number): Uint8Array {
  const bytes = noise(random, HEADER_BYTES + FILTER_BYTES + 20 + random.below(1_000));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, (version << 12) | flags);
  view.setUint16(2, id);
  view.setUint32(4, epochTag);
  view.setUint16(8, 0);
  view.setUint32(10, pn);
  return bytes;
}

function forgedHello(random: Prng, version: number, flags: number, { id }: Named): Uint8Array {
  const bytes = forged(random, version, flags, { id, epochTag: 0 }, 1 + random.below(1_000));
  if (bytes.length < HELLO_HEADER_BYTES + 28) return forgedHello(random, version, flags, { id, epochTag: 0 });
  bytes.set(nodeCrypto.sha256(bytes.subarray(HEADER_BYTES + 8, HELLO_HEADER_BYTES)).subarray(0, 4), 4);
  return bytes;
}

/** Goes through all places of all datagrams, byte by byte or bit by bit. */
function everywhere(
  lists: readonly (readonly Uint8Array[])[],
  i: number,
  bend: (bytes: Uint8Array, turn: number) => Uint8Array,
): Uint8Array {
  const list = lists[i % lists.length]!;
  const turn = Math.floor(i / lists.length);
  return bend(list[turn % list.length]!, Math.floor(turn / list.length) * 7_919 + turn);
}

function cut(bytes: Uint8Array, turn: number): Uint8Array {
  return bytes.slice(0, turn % bytes.length);
}

function flip(bytes: Uint8Array, turn: number): Uint8Array {
  const bent = bytes.slice();
  // Proofs for others are none of ours: what stands before them is as it was said.
  const bit = turn % (withoutProofsOf(bytes).length * 8);
  bent[bit >> 3]! ^= 1 << (bit & 7);
  return bent;
}

function withoutProofsOf(bytes: Uint8Array): Uint8Array {
  const isForAll = bytes[0]! >> 4 === VERSION_PAIRED && !parseHeader(bytes)!.alone;
  return isForAll ? withoutProofs(bytes) : bytes;
}

function retagged(bytes: Uint8Array, epochTag: number, sender: number): Uint8Array {
  const bent = bytes.slice();
  const view = new DataView(bent.buffer);
  view.setUint16(2, sender);
  view.setUint32(4, epochTag);
  view.setUint32(10, view.getUint32(10) + 100_000);
  return bent;
}

/** The head of one, header, filter and what the filter covers, and the rest of the other. */
function spliced(head: Uint8Array, rest: Uint8Array): Uint8Array {
  const at = Math.min(head.length, rest.length, parseHeader(head)?.hello ? 96 : 80);
  const bytes = rest.slice();
  bytes.set(head.subarray(0, at));
  return bytes;
}
