import { parseMac } from "../../src/base/mac.ts";
import { CONSTANTS } from "../../src/datapath/abi.ts";
import { nodeCrypto } from "../../src/platform/node/crypto.ts";
import type { Crypto } from "../../src/platform/platform.ts";
import type { Keyring, MeshKey } from "../../src/replication/keyring.ts";
import { Outbox } from "../../src/replication/outbox.ts";
import { parseHeader, type Seal } from "../../src/replication/seal.ts";
import { Sealed } from "../../src/replication/sealed.ts";
import { CLIENT, meshOf, open, pass } from "../../src/replication/testing/flows.ts";
import { identitiesAmong } from "../../src/replication/testing/identities.ts";
import type { Ap, Lab } from "../../src/replication/testing/lab.ts";

const GUEST = parseMac("02:00:00:00:0a:77", "test");
/** Whom everything is sent to. */
export const VICTIM = 2;
const CELLS = 150;

export interface MeshOptions {
  readonly key?: number;
  readonly seed?: number;
  readonly sealOf?: (keys: Keyring) => Seal;
  /** Each AP has a key of its own. */
  readonly identities?: boolean;
  readonly crypto?: Crypto;
}

/** What somebody with an antenna has, each datagram once, in the order in which it was said. */
export interface Recordings {
  /** Of an epoch that this life of the victim never heard of. */
  readonly unknownEpoch: readonly Uint8Array[];
  /** Of an epoch that was followed by another. */
  readonly staleEpoch: readonly Uint8Array[];
  /** Of epochs that are believed, said before the victim's restart. */
  readonly beforeRestart: readonly Uint8Array[];
  /** Of epochs that are believed, which the victim has taken. */
  readonly taken: readonly Uint8Array[];
  /** Of epochs that are believed, meant for another AP alone: the victim never saw them. */
  readonly forAnother: readonly Uint8Array[];
  /** For everybody, lost on the way to the victim. */
  readonly lost: readonly Uint8Array[];
  /** The victim's own, of this life and of the one before. */
  readonly own: readonly Uint8Array[];
}

export interface Mesh {
  readonly lab: Lab;
  readonly victim: Ap;
  readonly recordings: Recordings;
  /** Datagrams that the victim would take, in order. */
  readonly valid: readonly Uint8Array[];
  /** Of the records in all of it. */
  readonly kinds: ReadonlySet<number>;
}

/** Three access points with a client that roamed, restarted in turn, now at rest. */
export async function recordedMesh({
  key = 1,
  seed = 1,
  sealOf,
  identities = false,
  crypto = nodeCrypto,
}: MeshOptions = {}): Promise<Mesh> {
  const keys: MeshKey[] = [{ slot: 0, secret: new Uint8Array(32).fill(key) }];
  const seal = identities
    ? { identitiesOf: identitiesAmong(1, 2, 3) }
    : { sealOf: sealOf ?? ((ring: Keyring) => new Sealed(ring)) };
  const lab = await meshOf(3, { seed, crypto, keysOf: () => keys, ...seal });
  const heard: Uint8Array[][] = [];
  const forAnother: Uint8Array[] = [];
  const own: Uint8Array[] = [];
  const unique = new Set<string>();
  lab.tap = ({ from, to, bytes, path }) => {
    const name = Buffer.from(bytes).toString("latin1");
    const isNew = !unique.has(name);
    unique.add(name);
    const copy = bytes.slice();
    if (from === VICTIM) own.push(...(isNew ? [copy] : []));
    else if (to === VICTIM) heard.at(-1)!.push(copy);
    else if (path === "alone") forAnother.push(copy);
    return undefined;
  };
  const live = async () => {
    heard.push([]);
    await work(lab);
  };
  const { kinds, end } = kindsWritten();
  await live();
  await lab.restart(lab.ap(1));
  await live();
  await lab.restart(lab.ap(VICTIM));
  await live();
  void lab.ap(3).replicator.stop(lab.nowMs);
  await lab.run(300);
  // It lost power, too: it asks for the table of before.
  await lab.start([lab.add(3, 3_333n)]);
  lab.ap(3).replicator.proxy.rights.give(CLIENT, { role: "open" });
  await live();
  end();
  await lab.settle();
  const lost = await saidAtRest(lab, 60);
  const valid = await saidAtRest(lab, 300);
  const tags = new Set(
    lab
      .ap(VICTIM)
      .replicator.list()
      .map(({ epochTag }) => epochTag),
  );
  const isBelieved = (bytes: Uint8Array) => tags.has(parseHeader(bytes)!.epochTag);
  const [first, second, third, fourth] = heard as [Uint8Array[], Uint8Array[], Uint8Array[], Uint8Array[]];
  const firstOfAp1 = first.filter((bytes) => parseHeader(bytes)!.sender === 1);
  return {
    lab,
    victim: lab.ap(VICTIM),
    valid,
    kinds,
    recordings: {
      unknownEpoch: firstOfAp1,
      staleEpoch: third.filter((bytes) => !isBelieved(bytes)),
      beforeRestart: second.filter(isBelieved),
      taken: [...third, ...fourth].filter(isBelieved),
      forAnother: forAnother.filter(isBelieved),
      lost,
      own,
    },
  };
}

/** Which kinds of records any access point writes until `end`. */
function kindsWritten(): { kinds: Set<number>; end(): void } {
  const kinds = new Set<number>();
  const { addRaw } = Outbox.prototype;
  Outbox.prototype.addRaw = function (kind, emit) {
    kinds.add(kind);
    addRaw.call(this, kind, emit);
  };
  return { kinds, end: () => Object.assign(Outbox.prototype, { addRaw }) };
}

/** A login with a filter of its own, an order for it from elsewhere, a search, a loss, and a difference that nobody noticed. */
async function manage(lab: Lab): Promise<void> {
  const [one, , three] = lab.aps as [Ap, Ap, Ap];
  const data = Uint8Array.from({ length: 128 }, () => Math.floor(lab.random() * 256));
  const filters = [{ bits: 1_024, seed: 1, probes: 7, out: 1, in: 0, data }];
  one.replicator.proxy.rights.give(GUEST, { role: "open", authority: true, filters });
  one.replicator.proxy.arrived(GUEST, 0);
  await lab.run(300);
  void three.replicator.courier.orders.place(GUEST, { role: "open", authority: true, leftSeconds: 3_600 });
  void three.replicator.courier.seek(GUEST);
  await lab.run(300);
  lab.faults = { ...lab.faults, loss: 0.2 };
  await churn(lab, one, 40);
  lab.faults = { ...lab.faults, loss: 0 };
  await lab.run(1_000);
  const mirror = three.replicator.list().find(({ id }) => id === 1)?.mirror;
  const at = mirror?.cells.findIndex((cell) => cell !== 0) ?? -1;
  mirror?.applySnapshot(at, at + 1, mirror.vers[at]!, { coordinates: [], cells: [], owners: [], count: 0 });
  await lab.run(2_500);
}

async function churn(lab: Lab, { datapath }: Ap, rounds: number): Promise<void> {
  for (let i = 0; i < rounds; i++) {
    datapath.sfr.table.insert(0, Math.floor(lab.random() * 2 ** 32), 20, CONSTANTS.OP_MAX, 1, CONSTANTS.MARK_DIRTY);
    await lab.run(10);
  }
}

/** Cells, flows, a roam and back: records of all kinds. */
async function work(lab: Lab): Promise<void> {
  await lab.run(1_500);
  for (const { datapath } of lab.aps) {
    const { table } = datapath.sfr;
    for (let x = 0; x < CELLS; x++)
      table.insert(0, Math.floor(lab.random() * 2 ** 32), 20, CONSTANTS.OP_MAX, 1, CONSTANTS.MARK_DIRTY);
  }
  await open(lab, lab.ap(1));
  await lab.run(300);
  for (const id of [3, 1]) {
    for (let flow = 0; flow < 10; flow++) pass(lab.ap(id), flow, "A>", "<A");
    await lab.run(500);
  }
  await manage(lab);
}

/** The next datagrams of AP 1, kept from everybody. */
async function saidAtRest(lab: Lab, rounds: number): Promise<Uint8Array[]> {
  const said: Uint8Array[] = [];
  const before = lab.tap;
  lab.tap = ({ from, to, bytes }) => {
    if (from === 1 && to === VICTIM) said.push(bytes.slice());
    return false;
  };
  const { table } = lab.ap(1).datapath.sfr;
  for (let i = 0; i < rounds; i++) {
    for (let x = 0; x < 12; x++)
      table.insert(0, Math.floor(lab.random() * 2 ** 32), 20, CONSTANTS.OP_MAX, 1, CONSTANTS.MARK_DIRTY);
    await lab.run(5);
  }
  lab.tap = before;
  return said;
}
