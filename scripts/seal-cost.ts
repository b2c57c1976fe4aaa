/**
 * What sealing and opening a datagram costs: `node scripts/ts.mjs scripts/seal-cost.ts`
 */
import { nodeCrypto } from "../src/platform/node/crypto.ts";
import { portableCrypto } from "../src/platform/portable-crypto.ts";
import { Keyring } from "../src/replication/keyring.ts";
import { parseHeader, type Seal } from "../src/replication/seal.ts";
import { Sealed } from "../src/replication/sealed.ts";
import { clearSeal } from "../src/replication/testing/clear-seal.ts";

const BODIES = [40, 200, 600, 1_150];
const ROUNDS = 12;
const EACH = 2_000;
const GREETING = { identity: 1n, epoch: new Uint8Array(16).fill(7) };
const KEYS = [{ slot: 0, secret: new Uint8Array(32).fill(9) }];

const SEALS: [name: string, seal: Seal][] = [
  ["native", new Sealed(new Keyring(nodeCrypto, KEYS))],
  ["noble", new Sealed(new Keyring(portableCrypto, KEYS))],
  ["clear", clearSeal],
];

/** CPU microseconds of one call: the least of the rounds, since others use this machine too. */
function leastUs(run: (i: number) => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const began = process.cpuUsage();
    for (let i = 0; i < EACH; i++) run(i);
    const { user, system } = process.cpuUsage(began);
    least = Math.min(least, (user + system) / EACH);
  }
  return least;
}

const row = (cells: readonly (string | number)[]) =>
  console.log(cells.map((cell, i) => (i ? String(cell).padStart(9) : String(cell).padEnd(10))).join(""));
row(["us", "body", "seal", "filter", "open", "derive"]);
for (const [name, seal] of SEALS) {
  const channel = seal.channel(0, 1, GREETING)!;
  const derive = leastUs(() => seal.channel(0, 1, GREETING));
  for (const length of BODIES) {
    const body = Uint8Array.from({ length }, (_, i) => i & 255);
    const sealed = channel.seal({ keySlot: 0, sender: 1, epochTag: 1, pn: 1 }, body);
    const header = parseHeader(sealed)!;
    const sealing = leastUs((pn) => channel.seal({ keySlot: 0, sender: 1, epochTag: 1, pn }, body));
    const filter = leastUs(() => channel.mayBe(header, sealed));
    const opening = leastUs(() => channel.open(header, sealed));
    row([name, length, ...[sealing, filter, opening, derive].map((us) => us.toFixed(2))]);
  }
}
