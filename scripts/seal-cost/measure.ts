import type { Crypto } from "../../src/platform/platform.ts";
import { Keyring } from "../../src/replication/keyring.ts";
import { parseHeader, type Seal } from "../../src/replication/seal.ts";
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
  for (const length of BODIES) {
    const body = Uint8Array.from({ length }, (_, i) => i & 255);
    const sealed = channel.seal({ keySlot: 0, sender: 1, epochTag: 1, pn: 1 }, body, 0)!;
    const header = parseHeader(sealed)!;
    const sealing = leastUs(watch, (pn) => channel.seal({ keySlot: 0, sender: 1, epochTag: 1, pn }, body, 0)!);
    const filter = leastUs(watch, () => channel.mayBe(header, sealed));
    const opening = leastUs(watch, () => channel.open(header, sealed));
    yield line([name, length, ...[sealing, filter, opening, derive].map((us) => us.toFixed(2))]);
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
  return cells.map((cell, i) => (i ? String(cell).padStart(9) : String(cell).padEnd(14))).join("");
}
