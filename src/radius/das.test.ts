import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { ROAMWALL, type RoamwallName } from "./attributes.ts";
import { checkReply, checkRequest, signReply, signRequest } from "./authenticator.ts";
import { type CarriedFilter, emitFilter } from "./carried-filter.ts";
import { splitFragments } from "./fragments.ts";
import {
  type Attribute,
  attribute,
  CODE,
  hexOf,
  integerAttribute,
  integerBytes,
  integerOf,
  type Packet,
  valuesOf,
  vendorAttribute,
} from "./packet.ts";
import { NOTHING_SAID } from "./rights.ts";
import { ACCOUNTING, Bench, DAC, DAS, MAC, RELAY, SECRET, SERVERS, stationAttributes } from "./testing/bench.ts";
import { packetOf, text } from "./testing/vectors.ts";

const role = (name: string) => attribute("Filter-Id", text(name));
const station = (spelling = "02-00-00-00-0A-01") => attribute("Calling-Station-Id", text(spelling));
const user = (name: string) => attribute("User-Name", text(name));
const own = (name: RoamwallName, value: Uint8Array) => vendorAttribute(ROAMWALL[name][0], value);
const add = (rule: string) => own("Roamwall-Add-Rule", text(rule));
const plain = (type: number, value = text("x")): Attribute => ({ type, value });
const otherVendor = attribute("Vendor-Specific", Uint8Array.of(0, 0, 0, 9, 1, 3, 65));

const FILTER: CarriedFilter = { bits: 64, seed: 1, probes: 3, out: 1, in: 0, seedId: 1, data: new Uint8Array(8) };

let bench: Bench;
let nextId = 0;
beforeEach(async () => {
  bench = await Bench.open();
  await bench.login(role("staff"), attribute("Class", text("c1")));
});

/** Signed as a server signs, with the time of now unless another is told. */
function order(code: number, attributes: readonly Attribute[], time: number | undefined = bench.world.wallSeconds) {
  const stamp = time === undefined ? [] : [integerAttribute("Event-Timestamp", time)];
  nextId = (nextId + 1) & 255;
  return signRequest(code, nextId, [...attributes, ...stamp], SECRET)!;
}
const coa = (...attributes: Attribute[]) => order(CODE.coaRequest, attributes);
const disconnect = (...attributes: Attribute[]) => order(CODE.disconnectRequest, attributes);
const causeOf = (answer: Packet | undefined) => answer && integerOf(answer, "Error-Cause");
const roleNow = () => bench.rights.given.get(MAC)?.role;

describe("CoA", () => {
  it("changes what it speaks of and nothing else, and signs its answer", async () => {
    const request = coa(
      station(),
      add("out tcp/22 to any"),
      attribute("Proxy-State", text("a")),
      attribute("Proxy-State", text("b")),
    );
    const answer = await bench.order(request);
    expect(answer?.code).toBe(CODE.coaAck);
    expect(checkReply(answer!, packetOf(request), SECRET, true)).toBe("signed");
    expect(valuesOf(answer!, "Proxy-State").map(hexOf)).toEqual([hexOf(text("a")), hexOf(text("b"))]);
    expect(integerOf(answer!, "Event-Timestamp")).toBe(bench.world.wallSeconds);
    expect(bench.rights.given.get(MAC)).toMatchObject({ role: "staff", rules: ["out tcp/22 to any"], changed: true });
  });

  it("takes single rules away again", async () => {
    await bench.order(coa(station(), add("out tcp/22 to any"), add("out tcp/23 to any")));
    await bench.order(coa(station(), own("Roamwall-Remove-Rule", text("out tcp/22 to any"))));
    expect(bench.rights.given.get(MAC)?.rules).toEqual(["out tcp/23 to any"]);
  });

  it("is undone by the next login, which is the server's newer word", async () => {
    await bench.order(coa(station(), role("lockdown")));
    await bench.login(role("staff"));
    expect(bench.rights.given.get(MAC)).toMatchObject({ role: "staff", changed: false });
  });

  it("finds a session by any of its names, and only when all of them fit", async () => {
    const named = [...stationAttributes(), attribute("Class", text("c1"))];
    for (const name of named.filter(({ type }) => type !== 32)) {
      expect((await bench.order(coa(name, role("other"))))?.code).toBe(CODE.coaAck);
    }
    expect((await bench.order(coa(...named, role("all"))))?.code).toBe(CODE.coaAck);
    expect(causeOf(await bench.order(coa(station(), user("mallory"), role("x"))))).toBe(503);
    expect(roleNow()).toBe("all");
  });

  it.each(["02:00:00:00:0a:01", "020000000a01", "02-00-00-00-0a-01"])("knows the station as %s", async (spelling) => {
    expect((await bench.order(coa(station(spelling), role("other"))))?.code).toBe(CODE.coaAck);
  });

  it("follows a client that roamed in with rights from elsewhere", async () => {
    const mac = "02:00:00:00:0a:02" as typeof MAC;
    bench.rights.roamed.set(mac, { ...NOTHING_SAID, role: "guest", openOut: 7 });
    expect((await bench.order(coa(station(mac), user("alice"), role("vip"))))?.code).toBe(CODE.coaAck);
    expect(bench.rights.given.get(mac)).toMatchObject({ role: "vip", openOut: 7 });
  });

  it("adds to what a client roamed in with, but lists anew without it", async () => {
    const mac = "02:00:00:00:0a:02" as typeof MAC;
    bench.rights.roamed.set(mac, { ...NOTHING_SAID, role: "guest", filters: new Map([[0, FILTER]]) });
    await bench.order(coa(station(mac), add("out a")));
    expect(bench.rights.given.get(mac)).toMatchObject({ rules: ["out a"], filters: new Map([[0, FILTER]]) });
    await bench.order(coa(station(mac), own("Roamwall-Rule", text("out b"))));
    expect(bench.rights.given.get(mac)).toMatchObject({ role: "guest", rules: ["out b"], filters: new Map() });
  });

  describe("for a client that is elsewhere", () => {
    const mac = "02:00:00:00:0a:09" as typeof MAC;
    const guest = { ...NOTHING_SAID, role: "guest" };

    it("looks for it in the mesh when nobody told of it, and goes on from what it has", async () => {
      bench.rights.elsewhere.set(mac, guest);
      expect((await bench.order(coa(station(mac), add("out a"))))?.code).toBe(CODE.coaAck);
      expect(bench.rights.given.get(mac)).toMatchObject({ role: "guest", rules: ["out a"] });
    });

    it("tells 503 when it is nowhere, and 506 when it cannot be looked for", async () => {
      expect(causeOf(await bench.order(coa(station(mac), role("vip"))))).toBe(503);
      bench.rights.isSearchable = false;
      expect(causeOf(await bench.order(disconnect(station(mac))))).toBe(506);
      expect(bench.rights.sought).toEqual([mac, mac]);
    });

    it("looks for nobody whose session is here but is named wrongly", async () => {
      expect(causeOf(await bench.order(coa(station(), user("mallory"), role("x"))))).toBe(503);
      expect(bench.rights.sought).toEqual([]);
    });

    it("tells 506 when whoever serves it does not confirm, and takes it for what counts all the same", async () => {
      bench.rights.outcomes = ["unconfirmed"];
      expect(causeOf(await bench.order(coa(station(), add("out a"))))).toBe(506);
      expect((await bench.order(coa(station(), own("Roamwall-Remove-Rule", text("out a")))))?.code).toBe(CODE.coaAck);
    });

    it("starts anew, once, from what somebody else said meanwhile", async () => {
      bench.rights.outcomes = ["newer"];
      bench.rights.roamed.set(MAC, guest);
      bench.radius.superseded(MAC, false);
      expect((await bench.order(coa(station(), add("out a"))))?.code).toBe(CODE.coaAck);
      expect(bench.rights.given.get(MAC)).toMatchObject({ role: "guest", rules: ["out a"] });
      bench.rights.outcomes = ["newer", "newer"];
      expect(causeOf(await bench.order(coa(station(), add("out b"))))).toBe(506);
      expect(bench.rights.given.get(MAC)?.rules).toEqual(["out a"]);
    });

    it("tells what hostapd said where it is", async () => {
      bench.rights.station = "unknown there";
      const answer = await bench.order(disconnect(station()));
      expect([answer?.code, causeOf(answer)]).toEqual([CODE.disconnectAck, 201]);
    });
  });

  describe("for a client that another AP gave other rights since", () => {
    beforeEach(() => {
      bench.rights.roamed.set(MAC, { ...NOTHING_SAID, role: "vip" });
      bench.radius.superseded(MAC, false);
    });

    it("goes on from those, not from the login here", async () => {
      await bench.order(coa(user("anonymous"), add("out a")));
      expect(bench.rights.given.get(MAC)).toMatchObject({ role: "vip", rules: ["out a"] });
    });

    it("does not give the old ones again when the policy is read anew", async () => {
      bench.rights.given.clear();
      await bench.radius.reapply();
      expect(bench.rights.given.size).toBe(0);
      // The control: once this AP's word counts again, it is given again.
      await bench.order(coa(station(), role("staff")));
      bench.rights.given.clear();
      await bench.radius.reapply();
      expect(roleNow()).toBe("staff");
    });

    it("knows no session any more when they were revoked there", async () => {
      bench.rights.roamed.clear();
      bench.radius.superseded(MAC, true);
      expect(causeOf(await bench.order(coa(station(), role("staff"))))).toBe(503);
      expect(bench.radius.status().sessions).toBe(0);
    });
  });

  it("tells 506 when the change is not confirmed within a second", async () => {
    bench.rights.gate = new Promise(() => {});
    await bench.order(coa(station(), role("other")));
    await bench.world.pass(1100);
    expect(bench.answers.map(causeOf)).toEqual([506]);
  });
});

describe("refusals", () => {
  const half = splitFragments(0, emitFilter(FILTER))[0]!.subarray(0, 9);
  const rows: [cause: number, phrase: string, attributes: Attribute[]][] = [
    [401, "an attribute that means nothing here", [station(), role("x"), plain(88)]],
    [401, "another vendor's attribute", [station(), role("x"), otherVendor]],
    [401, "an attribute of ours from the future", [station(), role("x"), vendorAttribute(99, text("x"))]],
    [402, "no session's name", [role("x")]],
    [402, "nothing to change", [station()]],
    [403, "another NAS", [station(), attribute("NAS-Identifier", text("ap9")), role("x")]],
    [404, "a station without an address", [station("nobody"), role("x")]],
    [404, "two stations", [station(), station("02-00-00-00-0A-02"), role("x")]],
    [404, "a time of two octets", [station(), role("x"), attribute("Session-Timeout", Uint8Array.of(1, 2))]],
    [405, "Authorize-Only", [station(), integerAttribute("Service-Type", 17), attribute("State", text("s"))]],
    [407, "a role that is not there", [station(), role("nonsense")]],
    [407, "a rule that cannot be kept, beside a good one", [station(), add("out a"), add("out nonsense")]],
    [407, "a filter that is not whole", [station(), role("x"), own("Roamwall-Filter", half)]],
    [407, "a limit that does not fit", [station(), role("x"), own("Roamwall-Open-In", integerBytes(1 << 20))]],
    [407, "a rule to remove that is not there", [station(), role("x"), own("Roamwall-Remove-Rule", text("out z"))]],
    [503, "somebody who is not here", [station("02-00-00-00-0A-99"), role("x")]],
  ];
  it.each(rows)("answers %i to %s, and changes nothing", async (cause, _phrase, attributes) => {
    const before = bench.rights.given.get(MAC);
    const answer = await bench.order(coa(...attributes));
    expect([answer?.code, causeOf(answer)]).toEqual([CODE.coaNak, cause]);
    expect(valuesOf(answer!, "State")).toHaveLength(cause === 405 ? 1 : 0);
    expect(bench.rights.given.get(MAC)).toBe(before);
    // The control: nothing of it is remembered, the next good one is done.
    expect((await bench.order(coa(station(), role("other"))))?.code).toBe(CODE.coaAck);
  });

  it("answers 508 when two clients fit", async () => {
    const second = [user("anonymous"), station("02-00-00-00-0A-02")];
    await bench.send(signRequest(CODE.accessRequest, 200, second, SECRET, new Uint8Array(16))!);
    expect(causeOf(await bench.order(coa(user("anonymous"), role("x"))))).toBe(508);
    expect(causeOf(await bench.order(disconnect(user("anonymous"))))).toBe(508);
    expect(bench.rights.revoked).toEqual([]);
  });

  it("lets a Disconnect change nothing on its way", async () => {
    expect(causeOf(await bench.order(disconnect(station(), role("x"))))).toBe(401);
    expect(bench.rights.revoked).toEqual([]);
  });
});

describe("requests that get no answer", () => {
  const good = () => coa(station(), role("admin"));
  const rows: [phrase: string, bytes: () => Uint8Array][] = [
    ["unsigned", () => good().fill(0, 4, 20)],
    ["signed with another secret", () => signRequest(CODE.coaRequest, 1, [station(), role("admin")], text("wrong"))!],
    ["with a bit turned", () => good().map((byte, i) => (i === 30 ? byte ^ 1 : byte))],
    ["cut short", () => good().subarray(0, 40)],
    ["with a length that lies", () => good().map((byte, i) => (i === 3 ? 200 : byte))],
    ["of no code that we take", () => signRequest(CODE.accountingRequest, 1, [station(), role("admin")], SECRET)!],
    ["from 301 s ago", () => order(CODE.coaRequest, [station(), role("admin")], bench.world.wallSeconds! - 301)],
    ["from 301 s ahead", () => order(CODE.coaRequest, [station(), role("admin")], bench.world.wallSeconds! + 301)],
  ];
  it.each(rows)("%s: nothing is said, nothing changes", async (_phrase, bytes) => {
    expect(await bench.order(bytes())).toBeUndefined();
    expect(roleNow()).toBe("staff");
  });

  it("from a stranger's address: nothing is said, nothing changes", async () => {
    bench.world.post(good(), { address: "192.0.2.66", port: DAC.port }, DAS);
    await bench.world.settle();
    expect([bench.answers, roleNow()]).toEqual([[], "staff"]);
  });

  it("the same request in order (the control)", async () => {
    expect((await bench.order(good()))?.code).toBe(CODE.coaAck);
    expect(roleNow()).toBe("admin");
  });

  it("without a time, when the settings demand one", async () => {
    const das = { listen: DAS, clients: [DAC.address], secret: SECRET, demandTimestamp: true, hostapd: [] };
    bench = await Bench.open({ das });
    await bench.login(role("staff"));
    nextId++;
    expect(await bench.order(signRequest(CODE.coaRequest, nextId, [station(), role("x")], SECRET)!)).toBeUndefined();
    expect((await bench.order(coa(station(), role("x"))))?.code).toBe(CODE.coaAck);
  });
});

it("survives any octets from anywhere, and is as it was", async () => {
  const ends = [RELAY, ACCOUNTING, DAS, { address: "127.0.0.1", port: 40_000 }];
  const octets = fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })).map(([at, by]) => {
      const bytes = good();
      bytes[at % bytes.length]! ^= by || 1;
      return bytes;
    }),
  );
  const good = () => coa(station(), role("admin"));
  await fc.assert(
    fc.asyncProperty(octets, fc.constantFrom(...ends), fc.constantFrom(DAC, SERVERS[0]!), async (bytes, to, from) => {
      bench.world.post(bytes, from, to);
      await bench.world.settle();
      expect(roleNow()).toBe("staff");
    }),
    { numRuns: 300 },
  );
  expect((await bench.order(good()))?.code).toBe(CODE.coaAck);
  await bench.login(role("other"));
  expect(roleNow()).toBe("other");
});

describe("the same request again", () => {
  it("gets the same answer, and is done once", async () => {
    const request = coa(station(), add("out a"));
    const [first, again] = [await bench.order(request), await bench.order(request)];
    expect(hexOf(again!.bytes)).toBe(hexOf(first!.bytes));
    expect(bench.rights.grants).toBe(2);
    await bench.order(coa(station(), role("other")));
    expect(hexOf((await bench.order(request))!.bytes)).toBe(hexOf(first!.bytes));
    expect(roleNow()).toBe("other");
  });

  it("from another port is a replay", async () => {
    const request = coa(station(), role("old"));
    await bench.order(request);
    await bench.order(coa(station(), role("new")));
    bench.world.post(request, { address: DAC.address, port: 6666 }, DAS);
    await bench.world.settle();
    expect(roleNow()).toBe("new");
    expect(bench.radius.status().das!.dropped).toEqual({ replayed: 1 });
  });

  it("is known while the clock is not good, which the status tells", async () => {
    const early = order(CODE.coaRequest, [station(), role("old")], 1000);
    bench.world.wallSeconds = undefined;
    expect((await bench.order(early))?.code).toBe(CODE.coaAck);
    expect(bench.radius.status().das!.isClockGood).toBe(false);
    bench.world.post(early, { address: DAC.address, port: 6666 }, DAS);
    await bench.world.settle();
    expect(bench.rights.grants).toBe(2);
  });

  it("gets no second execution while the first is under way", async () => {
    let open = () => {};
    bench.rights.gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const request = coa(station(), role("other"));
    await bench.order(request);
    await bench.order(request);
    open();
    await bench.world.settle();
    expect([bench.answers.length, bench.rights.grants]).toEqual([1, 2]);
  });
});

describe("Disconnect", () => {
  it("ends the rights, and the session", async () => {
    expect((await bench.order(disconnect(user("anonymous"))))?.code).toBe(CODE.disconnectAck);
    expect(bench.rights.revoked).toEqual([MAC]);
    expect(causeOf(await bench.order(disconnect(user("anonymous"))))).toBe(503);
  });

  const hostapd = { address: "127.0.0.1", port: 3798 };
  async function withHostapd(said: number | undefined) {
    const das = { listen: DAS, clients: [DAC.address], secret: SECRET, demandTimestamp: false, hostapd: [hostapd] };
    bench = await Bench.open({ das });
    await bench.login(role("staff"));
    const heard: Packet[] = [];
    const socket = bench.world.bind({
      bind: hostapd.address,
      port: hostapd.port,
      onDatagram(bytes, from) {
        heard.push(packetOf(bytes));
        if (said !== undefined) socket.send(signReply(said, heard[0]!, [], SECRET)!, from);
      },
    });
    await bench.order(disconnect(user("anonymous")));
    await bench.world.pass(1100);
    expect(checkRequest(heard[0]!, SECRET, true)).toBe("signed");
    expect(valuesOf(heard[0]!, "Calling-Station-Id").map(hexOf)).toEqual([hexOf(text("02-00-00-00-0A-01"))]);
    return bench.answers[0];
  }

  it.each([
    ["lets the station go", CODE.disconnectAck, CODE.disconnectAck, undefined],
    ["does not know the station", CODE.disconnectNak, CODE.disconnectAck, 201],
    ["is silent", undefined, CODE.disconnectNak, 506],
  ])("when hostapd %s", async (_phrase, said, code, cause) => {
    const answer = await withHostapd(said);
    expect([answer?.code, causeOf(answer)]).toEqual([code, cause]);
    expect(bench.rights.revoked).toEqual([MAC]);
  });
});

describe("accounting", () => {
  const accounting = (status: number, secret = SECRET) => {
    nextId = (nextId + 1) & 255;
    const all = [...stationAttributes(), integerAttribute("Acct-Status-Type", status)];
    return signRequest(CODE.accountingRequest, nextId, all, secret)!;
  };

  it("goes through, is counted, and changes no rights", async () => {
    for (const status of [1, 3, 2]) await bench.send(accounting(status), ACCOUNTING);
    expect(bench.replies.filter(({ code }) => code === CODE.accountingResponse)).toHaveLength(3);
    expect(bench.radius.status().accounting).toEqual({ start: 1, interim: 1, stop: 1 });
    expect([roleNow(), bench.radius.status().sessions, bench.rights.grants]).toEqual(["staff", 1, 1]);
  });

  it("forgets the sessions of a BSS that starts, if hostapd says so and nobody else", async () => {
    await bench.send(accounting(7, text("wrong")), ACCOUNTING);
    expect(bench.radius.status().sessions).toBe(1);
    await bench.send(accounting(7), ACCOUNTING);
    expect([bench.radius.status().sessions, roleNow()]).toEqual([0, "staff"]);
  });
});

describe("reapply", () => {
  it("gives everybody their rights again", async () => {
    await bench.order(coa(station(), add("out a")));
    bench.rights.given.clear();
    await bench.radius.reapply();
    expect(bench.rights.given.get(MAC)).toMatchObject({ role: "staff", rules: ["out a"] });
  });
});
