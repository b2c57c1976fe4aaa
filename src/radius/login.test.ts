import { beforeEach, describe, expect, it } from "vitest";
import { attribute, integerAttribute } from "./packet.ts";
import { Bench, MAC, SERVERS } from "./testing/bench.ts";
import { text } from "./testing/vectors.ts";

const WIFI = integerAttribute("NAS-Port-Type", 19);
const WIRE = integerAttribute("NAS-Port-Type", 15);
const alice = attribute("User-Name", text("alice"));
const bob = attribute("User-Name", text("bob"));

let bench: Bench;
beforeEach(async () => {
  bench = await Bench.open();
});

async function bindAfter(asked: Parameters<Bench["login"]>, answered: Parameters<Bench["login"]>, id: number) {
  for (const server of bench.servers) server.answer = () => ({ code: 2, attributes: answered });
  await bench.send(bench.request(id, asked));
  return bench.rights.given.get(MAC)?.bind;
}

describe("a login", () => {
  it("binds rights to who and on what kind of port: the same again, and another for all else", async () => {
    const first = await bindAfter([WIFI], [alice], 1);
    expect(first).toBeGreaterThan(0n);
    expect(await bindAfter([WIFI], [alice], 2)).toBe(first);
    const others = [
      await bindAfter([WIFI], [bob], 3),
      await bindAfter([WIRE], [alice], 4),
      await bindAfter([], [alice], 5),
    ];
    expect(new Set([first, ...others]).size).toBe(4);
  });

  it("is known by the name that was asked with, where the server says none", async () => {
    expect(await bindAfter([], [], 1)).toBeGreaterThan(0n);
    expect(await bindAfter([], [], 2)).toBe(await bindAfter([], [], 3));
  });

  it("stays bound when rules are refused", async () => {
    const bound = await bindAfter([WIFI], [alice, attribute("Filter-Id", text("nonsense"))], 1);
    expect(bound).toBe(await bindAfter([WIFI], [alice], 2));
  });
});

describe("servers that are all silent", () => {
  it("are told of once, and when one answers again", async () => {
    for (const server of bench.servers) server.isDead = true;
    await bench.send(bench.request(1));
    await bench.world.pass(2_500);
    expect(bench.rights.silence).toEqual([]);
    await bench.world.pass(2_500);
    expect(bench.rights.silence).toEqual([true]);
    expect(SERVERS.length).toBe(2);
    bench.servers[1]!.isDead = false;
    // By a probe: no login is needed.
    await bench.world.pass(20_000);
    expect(bench.rights.silence).toEqual([true, false]);
  });
});
