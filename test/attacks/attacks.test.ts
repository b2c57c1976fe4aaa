import { chacha20 } from "@noble/ciphers/chacha.js";
import { beforeAll, describe, expect, it } from "vitest";
import { nodeCrypto } from "../../src/platform/node/crypto.ts";
import type { Crypto } from "../../src/platform/platform.ts";
import { Attempts } from "../../src/replication/attempts.ts";
import { Challenges } from "../../src/replication/challenges.ts";
import { KIND } from "../../src/replication/records/kinds.ts";
import type { Seal } from "../../src/replication/seal.ts";
import { Sealed } from "../../src/replication/sealed.ts";
import { ReplayWindow } from "../../src/replication/window.ts";
import { Prng } from "../conformance/prng.ts";
import { attack, type Outcome, takeValid } from "./attack.ts";
import { attackClasses } from "./classes.ts";
import { type Mesh, type MeshOptions, recordedMesh } from "./world.ts";

/** The short version; `run.ts` is the long one. */
const MESSAGES = 3_000;

const NAMES = [
  "random bytes",
  "odd lengths",
  "forged: a neighbour's header",
  "forged: a hello of a new epoch",
  "replayed, taken before",
  "replayed, of an epoch before",
  "replayed, of before our restart",
  "replayed, of an epoch never heard",
  "replayed, our own",
  "truncated at every byte",
  "one bit turned, every bit",
  "one bit turned, hellos",
  "one bit turned, limits lifted",
  "spliced, limits lifted",
  "meant for another AP",
  "of another mesh",
  "of another mesh, our epoch's tag",
  "spliced of two meshes",
  "spliced of two datagrams",
];

async function meshes(options: MeshOptions = {}) {
  const mesh = await recordedMesh(options);
  const { identities = false } = options;
  const classes = attackClasses(mesh, await recordedMesh({ key: 2, seed: 2, identities }), new Prng(7));
  const run = (name: string, messages = MESSAGES): Outcome =>
    attack(mesh, classes.find((one) => one.name === name)!, messages);
  return { mesh, classes, run };
}

const atTag = ({ refused }: Outcome) => (refused["forged"] ?? 0) + (refused["not for us"] ?? 0);

describe.each([
  ["the mesh key", false],
  ["identities", true],
])("who has no key, under %s", (_name, identities) => {
  let mesh: Mesh;
  let run: (name: string) => Outcome;
  let names: string[];
  beforeAll(async () => {
    const made = await meshes({ identities });
    ({ mesh, run } = made);
    names = made.classes.map(({ name }) => name);
  });

  it("has recordings of every kind of record", () => {
    const all = Object.values(KIND).filter((kind) => identities || kind !== KIND.deal);
    expect([...mesh.kinds].sort((a, b) => a - b)).toEqual(all);
  });

  it("gets further than the version by what it makes up", () => {
    for (const name of ["forged: a neighbour's header", "forged: a hello of a new epoch"])
      expect(run(name).refused["filter"]).toBeGreaterThan(MESSAGES / 2);
  });

  it("is looked at in all ways that there are", () => expect(names).toEqual(NAMES));

  it.each(NAMES)("changes nothing and learns nothing: %s", (name) => {
    const { changed, answers, refused } = run(name);
    expect(changed).toEqual([]);
    // A recorded hello of an epoch that is not believed gets one hello of ours, four a second.
    expect(answers).toBeLessThanOrEqual(name.startsWith("replayed, of") || name === "replayed, our own" ? 8 : 0);
    expect(Object.values(refused).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(MESSAGES * 0.9);
  });

  it("does not keep the mesh from going on", () => {
    expect(takeValid(mesh).taken).toBe(mesh.valid.length);
  });
});

/** Decrypts, and asks no tag. */
const careless: Crypto = {
  ...nodeCrypto,
  aead(key) {
    const { seal } = nodeCrypto.aead(key);
    return {
      seal,
      open: (nonce, _aad, sealed) => chacha20(key, nonce, sealed.subarray(0, -16), undefined, 1),
    };
  },
};

/** Every datagram gets as far as the decryption. */
function unfiltered(keys: ConstructorParameters<typeof Sealed>[0]): Seal {
  const sealed = new Sealed(keys);
  return {
    version: sealed.version,
    epochTag: (epoch) => sealed.epochTag(epoch),
    isMember: () => true,
    mayBeHello: () => true,
    channel(...of) {
      const channel = sealed.channel(...of);
      return (
        channel && {
          extraBytes: channel.extraBytes,
          seal: (header, body, dst) => channel.seal(header, body, dst),
          open: (header, bytes) => channel.open(header, bytes),
          mayBe: () => true,
        }
      );
    },
  };
}

describe("without one of the protections the same attacks succeed", () => {
  it("the tag: a turned bit is believed", async () => {
    const { run } = await meshes({ crypto: careless });
    expect(run("one bit turned, every bit").changed).not.toEqual([]);
  });

  it("the filter: every forged datagram costs a decryption, and more of them a key", async () => {
    const [open, closed] = [await meshes({ sealOf: unfiltered }), await meshes()];
    const forged = (of: typeof open) => atTag(of.run("forged: a neighbour's header"));
    expect(forged(closed)).toBe(0);
    expect(forged(open)).toBeGreaterThan(MESSAGES / 10);
    const { refused } = open.run("forged: a hello of a new epoch");
    expect(refused["throttled"]).toBeGreaterThan(MESSAGES / 2);
  });

  it("the window: a replay is taken again", async () => {
    const { run } = await meshes();
    const before = ReplayWindow.prototype.isNew;
    ReplayWindow.prototype.isNew = () => true;
    try {
      expect(run("replayed, taken before").changed.join()).toMatch(/cellsTaken.*contexts/);
    } finally {
      ReplayWindow.prototype.isNew = before;
    }
  });

  it("the challenge: an old epoch is a neighbour", async () => {
    const { run } = await meshes();
    const before = Challenges.prototype.accepts;
    Challenges.prototype.accepts = () => true;
    try {
      expect(run("replayed, of an epoch never heard").changed.join()).toContain("epochTag");
    } finally {
      Challenges.prototype.accepts = before;
    }
  });

  it("the two tries: each bent recording of a lost datagram costs a decryption", async () => {
    const bounded = (await meshes()).run("one bit turned, every bit", 4 * MESSAGES);
    const before = Attempts.prototype.mayTry;
    Attempts.prototype.mayTry = () => true;
    try {
      const unbounded = (await meshes()).run("one bit turned, every bit", 4 * MESSAGES);
      expect(atTag(unbounded)).toBeGreaterThan(3 * atTag(bounded));
    } finally {
      Attempts.prototype.mayTry = before;
    }
  });
});

describe("a flood in a neighbour's name", () => {
  it("does not keep its own datagrams out", async () => {
    const { mesh, run } = await meshes();
    for (const name of ["forged: a neighbour's header", "one bit turned, every bit", "spliced of two datagrams"])
      run(name);
    expect(takeValid(mesh).taken).toBe(mesh.valid.length);
  });
});
