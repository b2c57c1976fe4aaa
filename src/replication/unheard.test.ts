import { describe, expect, it } from "vitest";
import { VERSION, VERSION_PAIRED } from "./seal.ts";
import { Unheard } from "./unheard.ts";

const from = (i: number) => ({ address: `10.9.0.${i}`, port: 4755 });
const hello = (version: number, slot: number) => Uint8Array.of((version << 4) | slot, 1);
const data = Uint8Array.of(VERSION << 4, 0);

describe("senders that cannot be read", () => {
  it("are told with the reason that an operator can act on", () => {
    const unheard = new Unheard(VERSION);
    unheard.note("version", hello(1, 0), from(1), 5);
    unheard.note("filter", hello(VERSION, 1), from(2), 6);
    unheard.note("filter", hello(VERSION, 1), from(2), 7);
    expect(unheard.list()).toEqual([
      {
        address: "10.9.0.1:4755",
        reason: `it speaks version 1 of the protocol, this one speaks ${VERSION}`,
        count: 1,
        lastMs: 5,
      },
      { address: "10.9.0.2:4755", reason: "its mesh key is another, or its slot 1 holds another", count: 2, lastMs: 7 },
    ]);
  });

  it("are told apart by who has identities, and who is not on the list", () => {
    const [without, with_] = [new Unheard(VERSION), new Unheard(VERSION_PAIRED)];
    without.note("version", hello(VERSION_PAIRED, 0), from(1), 5);
    with_.note("version", hello(VERSION, 0), from(1), 5);
    with_.note("no member", Uint8Array.of(VERSION_PAIRED << 4, 1, 1, 2), from(2), 5);
    with_.note("no member", Uint8Array.of(VERSION_PAIRED << 4, 0, 1, 2), from(3), 5);
    expect([...without.list(), ...with_.list()].map(({ reason }) => reason)).toEqual([
      "it has identities, this one has none: set the same on all",
      "it has no identities, this one has: set the same on all",
      "258 is not on the list of members",
    ]);
  });

  it("are none of those whose datagrams are merely old, forged under a neighbour's name, or our own", () => {
    const unheard = new Unheard(VERSION);
    for (const refusal of ["own", "seen before", "forged", "throttled", "not believed", "short"] as const) {
      unheard.note(refusal, hello(VERSION, 0), from(1), 5);
    }
    unheard.note("filter", data, from(1), 5);
    expect(unheard.list()).toEqual([]);
  });

  it("are sixteen at most, whoever sends: the one silent for longest goes", () => {
    const unheard = new Unheard(VERSION);
    for (let i = 1; i <= 16; i++) unheard.note("version", hello(2, 0), from(i), i);
    unheard.note("version", hello(2, 0), from(1), 17);
    unheard.note("version", hello(2, 0), from(99), 18);
    const addresses = unheard.list().map(({ address }) => address);
    expect(addresses).toHaveLength(16);
    expect(addresses).not.toContain("10.9.0.2:4755");
    expect(addresses).toContain("10.9.0.1:4755");
  });
});
