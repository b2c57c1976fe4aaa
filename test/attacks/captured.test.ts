import { describe, expect, it } from "vitest";
import { nodeCrypto } from "../../src/platform/node/crypto.ts";
import { ClaimLimit } from "../../src/replication/claim-limit.ts";
import { bye } from "../../src/replication/records/bye.ts";
import { claim } from "../../src/replication/records/claim.ts";
import { emptySlot, rights, WITHOUT_END } from "../../src/replication/records/rights.ts";
import { isHello, parseHeader } from "../../src/replication/seal.ts";
import { Sealed } from "../../src/replication/sealed.ts";
import { CLIENT, meshOf, open, pass, speak } from "../../src/replication/testing/flows.ts";
import { identitiesAmong, membersOf } from "../../src/replication/testing/identities.ts";
import type { Lab } from "../../src/replication/testing/lab.ts";
import { CAPTURED, cellOf, forgeries, neighbour, opens, type Records, record, SPOKEN_FOR, VICTIM } from "./captured.ts";

const SETUPS = {
  "one key for all": {
    crypto: nodeCrypto,
    sealOf: (keys: ConstructorParameters<typeof Sealed>[0]) => new Sealed(keys),
  },
  identities: { crypto: nodeCrypto, identitiesOf: identitiesAmong(1, 2, 3) },
};
type Setup = keyof typeof SETUPS;
const TO_ALL = 0;
const FLOWS = 20;

/** Three APs; the client is served by the victim, and came from AP 1. With what AP 1 said meanwhile. */
async function served(setup: Setup): Promise<{ lab: Lab; toAll: Uint8Array[]; toVictim: Uint8Array[] }> {
  const lab = await meshOf(3, SETUPS[setup]);
  const toAll: Uint8Array[] = [];
  const toVictim: Uint8Array[] = [];
  lab.tap = ({ from, to, bytes, path }) => {
    if (from === SPOKEN_FOR && to === VICTIM) (path === "alone" ? toVictim : toAll).push(bytes.slice());
    return undefined;
  };
  await open(lab, lab.ap(1), FLOWS);
  expect(await speak(lab, lab.ap(VICTIM), 0, FLOWS)).toBe(0);
  await lab.run(1_500);
  await lab.settle();
  return { lab, toAll, toVictim };
}

const contextOf = (lab: Lab) => lab.ap(VICTIM).replicator.proxy.contexts.get(CLIENT)!;

/** What somebody says in the name of AP 1 to its own ends, and what shows that it was believed. */
const SAID: Record<string, { dst: number; records(lab: Lab): Records; believed(lab: Lab): boolean }> = {
  "another's claim": {
    dst: TO_ALL,
    records: (lab) => {
      const { zone, bind } = contextOf(lab);
      return record(claim, { mac: CLIENT, n: 90, zone, bind, seenAgeMs: 0, holders: [] });
    },
    believed: (lab) => contextOf(lab).ap === SPOKEN_FOR,
  },
  "another's claim, to the victim alone": {
    dst: VICTIM,
    records: (lab) => {
      const { zone, bind } = contextOf(lab);
      return record(claim, { mac: CLIENT, n: 90, zone, bind, seenAgeMs: 0, holders: [] });
    },
    believed: (lab) => contextOf(lab).ap === SPOKEN_FOR,
  },
  "another's table": {
    dst: TO_ALL,
    records: (lab) => cellOf(lab, 77),
    believed: (lab) => neighbour(lab, VICTIM, SPOKEN_FOR).mirror!.cells[77] !== 0,
  },
  "a revocation in another's name": {
    dst: TO_ALL,
    records: (lab) => {
      const ver = lab.ap(SPOKEN_FOR).replicator.sender.ver + 1;
      const said = {
        ver,
        slot: 9,
        empty: false,
        mac: CLIENT,
        serial: 99,
        origin: SPOKEN_FOR,
        revoked: true,
        leftTenths: WITHOUT_END,
      };
      return record(rights, { ...emptySlot(9, ver), ...said });
    },
    believed: (lab) => contextOf(lab).rights?.revoked === true,
  },
  "another's goodbye": {
    dst: TO_ALL,
    records: (lab) => {
      const { tableId } = neighbour(lab, VICTIM, SPOKEN_FOR);
      return record(bye, { tableId, ver: lab.ap(SPOKEN_FOR).replicator.sender.ver });
    },
    believed: (lab) => neighbour(lab, VICTIM, SPOKEN_FOR).owesAnswer,
  },
};

function forge(lab: Lab, name: string, heard: readonly Uint8Array[]): boolean {
  const { dst, records, believed } = SAID[name]!;
  const { replicator } = lab.ap(VICTIM);
  expect(believed(lab)).toBe(false);
  const from = { address: "10.255.0.3", port: 4755 };
  for (const bytes of forgeries(lab, heard, dst, records(lab))) replicator.receive(bytes, from, lab.nowMs, "group");
  return believed(lab);
}

describe("a captured access point", () => {
  describe.each(Object.keys(SAID))("that says %s", (name) => {
    it("is believed where one key is for all", async () => {
      const { lab, toAll } = await served("one key for all");
      expect(forge(lab, name, toAll.slice(-20))).toBe(true);
    });

    it("is refused with identities, and keeps nobody's word from coming through", async () => {
      const { lab, toAll } = await served("identities");
      expect(forge(lab, name, toAll.slice(-20))).toBe(false);
      const { datagramsTaken } = lab.ap(VICTIM).replicator.counters;
      await lab.run(2_000);
      expect(lab.ap(VICTIM).replicator.counters.datagramsTaken).toBeGreaterThan(datagramsTaken);
      expect(pass(lab.ap(VICTIM), 1, "A>", "<A")).toBe(0);
    });
  });

  it.each([
    ["one key for all", true],
    ["identities", false],
  ] as const)("reads what two others said to each other, under %s: %s", async (setup, canRead) => {
    const { lab, toVictim } = await served(setup);
    const spoken = toVictim.filter((bytes) => !isHello(bytes));
    expect(spoken.length).toBeGreaterThan(0);
    expect(spoken.filter((bytes) => opens(lab, bytes)).length).toBe(canRead ? spoken.length : 0);
  });

  it.each([
    ["one key for all", true],
    ["identities", false],
  ] as const)("has another's restart believed, under %s: %s", async (setup, isBelieved) => {
    const { lab } = await served(setup);
    const { epochTag } = neighbour(lab, VICTIM, SPOKEN_FOR);
    restartAs(lab, SPOKEN_FOR);
    await lab.run(200);
    expect(neighbour(lab, VICTIM, SPOKEN_FOR).epochTag !== epochTag).toBe(isBelieved);
  });

  it.each([
    ["one key for all", true],
    ["identities", false],
  ] as const)("reads with the mesh key alone what is said to all, under %s: %s", async (setup, canRead) => {
    const { lab, toAll } = await served(setup);
    const { epoch, identity } = epochOf(toAll);
    const { keys } = lab.ap(CAPTURED).replicator.rotation as unknown as { keys: never };
    const channel = new Sealed(keys).channel(0, SPOKEN_FOR, { epoch, identity })!;
    const said = toAll.filter((bytes) => !isHello(bytes));
    expect(said.length).toBeGreaterThan(0);
    expect(said.some((bytes) => channel.open(parseHeader(bytes)!, bytes))).toBe(canRead);
  });

  it("claims as itself what it likes, at a bounded rate", async () => {
    const { lab } = await served("identities");
    const { zone, bind, n } = contextOf(lab);
    lab
      .ap(CAPTURED)
      .replicator.courier.claim({ mac: CLIENT, n: n + 1, zone, bind, seenAgeMs: 0, holders: [] }, undefined);
    await lab.run(20);
    expect(contextOf(lab).ap).toBe(CAPTURED);
  });

  it("claims no more when it has claimed what it may: one more is dropped, and counted", async () => {
    const { lab } = await served("identities");
    const { zone, bind, n, ap } = contextOf(lab);
    const { claims } = neighbour(lab, VICTIM, CAPTURED);
    while (claims.mayClaim({ n: 1, ap: SPOKEN_FOR }, CAPTURED, 2, lab.nowMs));
    lab
      .ap(CAPTURED)
      .replicator.courier.claim({ mac: CLIENT, n: n + 1, zone, bind, seenAgeMs: 0, holders: [] }, undefined);
    await lab.run(20);
    expect(contextOf(lab)).toMatchObject({ n, ap });
    expect(lab.ap(VICTIM).replicator.counters.claimsRefused).toBeGreaterThan(0);
  });

  it.each([
    ["a number half of all ahead, less one", (n: number) => n + 2 ** 31 - 1],
    ["a number half of all ahead", (n: number) => n + 2 ** 31],
    ["the highest number there is", () => 2 ** 32 - 1],
  ] as const)("claims under %s, and loses the client to the next frame all the same", async (_name, above) => {
    const { lab } = await served("identities");
    const { zone, bind, n } = contextOf(lab);
    lab
      .ap(CAPTURED)
      .replicator.courier.claim({ mac: CLIENT, n: above(n), zone, bind, seenAgeMs: 0, holders: [] }, undefined);
    await lab.run(1_000);
    expect(pass(lab.ap(VICTIM), 1, "A>", "<A")).toBe(0);
    await lab.run(1_000);
    for (const id of [VICTIM, SPOKEN_FOR])
      expect(lab.ap(id).replicator.proxy.contexts.get(CLIENT)!.ap, `AP ${id}`).toBe(VICTIM);
  });

  it.each([
    ["one key for all", true],
    ["identities", false],
  ] as const)("sends a client away by a claim that a third is said to have made, under %s: %s", async (setup, goes) => {
    const { lab } = await served(setup);
    // Silent for a moment: who has just seen the client claims above.
    await lab.run(5_000);
    const { locator } = lab.ap(CAPTURED).replicator.courier;
    const context = lab.ap(CAPTURED).replicator.proxy.contexts.get(CLIENT)!;
    locator.hint(VICTIM, context.slot, { holder: SPOKEN_FOR, n: context.n + 5, claimAgeMs: 0 }, lab.nowMs);
    await lab.run(10);
    expect(contextOf(lab).ap === SPOKEN_FOR).toBe(goes);
  });

  it("takes no more clients at once than one AP has places for, then some a second", () => {
    const limit = new ClaimLimit();
    const another = { n: 3, ap: SPOKEN_FOR };
    const taken = (nowMs: number) => {
      let count = 0;
      while (count < 10_000 && limit.mayClaim(another, CAPTURED, 4, nowMs)) count++;
      return count;
    };
    expect([taken(1_000), taken(1_000), taken(2_000)]).toEqual([1_024, 0, 32]);
    // Its own, nobody's, and what does not count are free.
    for (const known of [{ n: 3, ap: CAPTURED }, { n: 3, ap: 0 }, undefined, { n: 9, ap: SPOKEN_FOR }])
      expect(limit.mayClaim(known, CAPTURED, 4, 2_000)).toBe(true);
  });

  it("is deaf and mute when it is off the list", async () => {
    const { lab } = await served("identities");
    for (const id of [1, 2]) lab.ap(id).replicator.setMembers(membersOf(1, 2), lab.nowMs);
    await lab.run(2_000);
    const { taken } = listen(lab);
    lab.ap(1).replicator.courier.announce(contextOf(lab).slot);
    lab
      .ap(CAPTURED)
      .replicator.courier.claim({ mac: CLIENT, n: 99, zone: 0, bind: 0n, seenAgeMs: 0, holders: [] }, undefined);
    await lab.run(1_000);
    expect(taken()).toBe(0);
    expect(contextOf(lab).ap).toBe(VICTIM);
    expect(pass(lab.ap(1), 1, "A>", "<A")).toBe(0);
  });
});

/** The captured one plays AP 1 that starts again: with its own keys, and all that it hears of challenges. */
function restartAs(lab: Lab, id: number): void {
  const { identitiesOf, ...setup } = lab.setup;
  const own = identitiesOf?.(CAPTURED);
  Object.assign(lab.setup, { identitiesOf: identitiesOf && (() => own) });
  const impostor = lab.add(id, 4_711n);
  Object.assign(lab.setup, { ...setup, ...(identitiesOf && { identitiesOf }) });
  impostor.running = true;
  impostor.replicator.start(lab.nowMs);
}

function epochOf(toAll: readonly Uint8Array[]) {
  return parseHeader(toAll.filter(isHello).at(-1)!)!.hello!;
}

/** Datagrams that the captured AP takes from now on. */
function listen(lab: Lab): { taken(): number } {
  const { counters } = lab.ap(CAPTURED).replicator;
  const before = counters.datagramsTaken;
  return { taken: () => counters.datagramsTaken - before };
}
