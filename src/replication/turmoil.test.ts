import { describe, expect, it } from "vitest";
import { nodeCrypto } from "../platform/node/crypto.ts";
import type { MeshKey } from "./keyring.ts";
import { meshOf, open, pass } from "./testing/flows.ts";
import { identitiesOf, membersOf, secretOf } from "./testing/identities.ts";
import type { Ap, Lab } from "./testing/lab.ts";

/** All at once that an administrator may do to a mesh, over a link that loses every fifth datagram. */

const LOSSY = { loss: 0.2, duplication: 0.05, delayMs: 2, jitterMs: 8 };
const FLOWS = 40;
const NEW_FLOWS = 5;
/** What is denied is sent again, as TCP does; what still is then is lost. */
const TRIES = 3;
const AGAIN_MS = 1_000;
/** Then no AP takes anything under the old key. */
const RETIRED_MS = 25_000;
const key = (slot: number, byte: number): MeshKey => ({ slot, secret: new Uint8Array(32).fill(byte) });
const [OLD, NEW] = [key(0, 0x11), key(1, 0x22)];

/** What lies in the files of each AP: an agent that starts reads them as they are. */
class Files {
  members = membersOf(1, 2, 3, 4);
  readonly keys = new Map<number, readonly MeshKey[]>();

  keysOf(id: number): readonly MeshKey[] {
    return this.keys.get(id) ?? [OLD];
  }
}

async function lostFlows(lab: Lab, ap: Ap, flows: number): Promise<number> {
  let left = Array.from({ length: flows }, (_, flow) => flow);
  for (let i = 0; i < TRIES && left.length > 0; i++) {
    left = left.filter((flow) => pass(ap, flow, "A>", "<A") > 0);
    await lab.run(AGAIN_MS);
  }
  return left.length;
}

/** Flows lost at the end of each roam. */
async function turmoil(seed: number, rotate: (files: Files, lab: Lab, id: number) => void): Promise<number[]> {
  const files = new Files();
  const lab = await meshOf(4, {
    seed,
    crypto: nodeCrypto,
    keysOf: (id) => files.keysOf(id),
    identitiesOf: (id) => identitiesOf(secretOf(id), files.members),
  });
  await open(lab, lab.ap(1), FLOWS);
  lab.faults = LOSSY;
  await lab.run(1_000);
  const lost: number[] = [];
  let [at, flows] = [1, FLOWS];
  /** With flows that began where it was, after all that was done there. */
  const roam = async (to: number) => {
    for (const end = flows + NEW_FLOWS; flows < end; flows++)
      expect(pass(lab.ap(at), flows, "S", "SA", "A>", "<A"), "a new flow").toBe(0);
    await lab.run(AGAIN_MS);
    lost.push(await lostFlows(lab, lab.ap(to), flows));
    at = to;
  };

  rotate(files, lab, 1);
  await roam(2);
  await lab.restart(lab.ap(3));
  rotate(files, lab, 2);
  await roam(3);
  files.members = membersOf(1, 2, 3);
  lab.ap(2).replicator.setMembers(files.members, lab.nowMs);
  await lab.restart(lab.ap(1));
  await roam(2);
  for (const id of [1, 3]) lab.ap(id).replicator.setMembers(files.members, lab.nowMs);
  rotate(files, lab, 3);
  await roam(1);
  await lab.restart(lab.ap(2));
  await lab.run(RETIRED_MS);
  await roam(3);
  for (const id of [1, 2, 3]) {
    files.keys.set(id, [NEW]);
    lab.ap(id).replicator.setKeys([NEW], lab.nowMs);
  }
  await lab.restart(lab.ap(1));
  await roam(1);
  expect([1, 2, 3].map((id) => lab.ap(id).replicator.rotation.slot)).toEqual([1, 1, 1]);
  return lost;
}

describe("a mesh whose key is rotated, whose list changes, and whose agents restart meanwhile", () => {
  const both = (files: Files, lab: Lab, id: number) => {
    files.keys.set(id, [OLD, NEW]);
    lab.ap(id).replicator.setKeys([OLD, NEW], lab.nowMs);
  };

  it.each([1, 2, 3])("loses no flow, with every fifth datagram lost: %i", async (seed) => {
    expect(await turmoil(seed, both)).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it("would lose them if a key were put in the place of the other", async () => {
    const lost = await turmoil(1, (files, lab, id) => {
      files.keys.set(id, [NEW]);
      lab.ap(id).replicator.setKeys([NEW], lab.nowMs);
    });
    expect(lost.some((flows) => flows > 0)).toBe(true);
  });
});
