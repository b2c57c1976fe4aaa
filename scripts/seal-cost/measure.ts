import type { Crypto, X25519 } from "../../src/platform/platform.ts";
import { Keyring } from "../../src/replication/keyring.ts";
import { Members } from "../../src/replication/members.ts";
import { Paired } from "../../src/replication/paired.ts";
import { type Channel, parseHeader, type Seal } from "../../src/replication/seal.ts";
import { Sealed } from "../../src/replication/sealed.ts";

const BODIES = [40, 200, 600, 1_150];
const GREETING = { identity: 1n, epoch: new Uint8Array(16).fill(7) };
const KEYS = [{ slot: 0, secret: new Uint8Array(32).fill(9) }];

export interface Watch {
  /** Microseconds, of CPU where that can be told. */
  nowUs(): number;
  readonly rounds: number;
  readonly each: number;
}

export const sealOf = (crypto: Crypto): Seal => new Sealed(new Keyring(crypto, KEYS));

export const HEAD = line(["us", "body", "seal", "filter", "open", "derive"]);

/** A line for each length of datagram. */
export function* sealCosts(name: string, seal: Seal, watch: Watch): Generator<string> {
  const channel = seal.channel(0, 1, GREETING)!;
  const derive = leastUs(watch, () => seal.channel(0, 1, GREETING));
  yield* channelCosts(name, { from: channel, to: channel, dst: 0 }, derive, watch);
}

const AUDIENCES = [1, 8, 32];

/** With identities: to one AP alone, and to all where so many hear it. The last column is what a new member costs, once. */
export function* pairedCosts(name: string, crypto: Crypto, x25519: X25519, watch: Watch): Generator<string> {
  const secretOf = (id: number) => new Uint8Array(32).fill(id);
  for (const [what, count, dst] of [["alone", 1, 2] as const, ...AUDIENCES.map((n) => [`to ${n}`, n, 0] as const)]) {
    const ids = Array.from({ length: count + 1 }, (_, i) => i + 1);
    const members = ids.map((id) => ({ id, publicKey: x25519.publicKey(secretOf(id)) }));
    const sealOf = (id: number) => {
      const keys = new Keyring(crypto, KEYS);
      const own = new Members({ x25519, secret: secretOf(id), members });
      return new Paired({ id, keys, members: own, audience: () => ids.slice(1) });
    };
    const [from, to] = [sealOf(1), sealOf(2)].map((seal) => seal.channel(0, 1, GREETING)!) as [Channel, Channel];
    to.dealing!.take(from.dealing!.secret);
    const meet = leastUs({ ...watch, each: 20 }, () => x25519.shared(secretOf(1), members[1]!.publicKey));
    yield* channelCosts(`${name}, ${what}`, { from, to, dst }, meet, watch);
  }
}

function* channelCosts(
  name: string,
  { from, to, dst }: { readonly from: Channel; readonly to: Channel; readonly dst: number },
  once: number,
  watch: Watch,
): Generator<string> {
  for (const length of BODIES) {
    const body = Uint8Array.from({ length }, (_, i) => i & 255);
    const sealed = from.seal({ keySlot: 0, sender: 1, epochTag: 1, pn: 1 }, body, dst)!;
    const header = parseHeader(sealed)!;
    const sealing = leastUs(watch, (pn) => from.seal({ keySlot: 0, sender: 1, epochTag: 1, pn }, body, dst)!);
    const filter = leastUs(watch, () => to.mayBe(header, sealed));
    const opening = leastUs(watch, () => to.open(header, sealed));
    yield line([name, length, ...[sealing, filter, opening, once].map((us) => us.toFixed(2))]);
  }
}

/** The least of the rounds, since others use this machine too. */
function leastUs({ nowUs, rounds, each }: Watch, run: (i: number) => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const began = nowUs();
    for (let i = 0; i < each; i++) run(i);
    least = Math.min(least, (nowUs() - began) / each);
  }
  return least;
}

function line(cells: readonly (string | number)[]): string {
  return cells.map((cell, i) => (i ? String(cell).padStart(9) : String(cell).padEnd(20))).join("");
}
