import { md5 } from "@noble/hashes/legacy.js";
import { beforeEach, describe, expect, it } from "vitest";
import { checkReply, signReply, signRequest } from "./authenticator.ts";
import { attribute, CODE, emitPacket, hexOf, integerAttribute, type Packet } from "./packet.ts";
import { startRadius } from "./radius.ts";
import { Bench, MAC, RELAY, SECRET, SERVERS, stationAttributes } from "./testing/bench.ts";
import { packetOf, text } from "./testing/vectors.ts";
import { World } from "./testing/world.ts";

const challenge = (state: string) => ({
  code: CODE.accessChallenge,
  attributes: [attribute("State", text(state)), attribute("EAP-Message", text("go on"))],
});
const state = (value: string) => attribute("State", text(value));
const role = (name: string) => attribute("Filter-Id", text(name));

let bench: Bench;
beforeEach(async () => {
  bench = await Bench.open();
});

const [first, second] = [() => bench.servers[0]!, () => bench.servers[1]!];
const codes = (packets: readonly Packet[]) => packets.map(({ code }) => code);

describe("the relay", () => {
  it("changes no octet of requests and answers", async () => {
    first().answer = () => challenge("s1");
    const request = bench.request(9);
    await bench.send(request);
    expect(hexOf(first().heard[0]!.bytes)).toBe(hexOf(request));
    expect(checkReply(bench.replies[0]!, packetOf(request), SECRET, true)).toBe("signed");
  });

  it("hands an Access-Accept on only when its rights are in force", async () => {
    let open = () => {};
    bench.rights.gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    await bench.login(role("staff"));
    await bench.world.pass(3000);
    await bench.send(bench.request(1));
    expect(bench.replies).toEqual([]);
    open();
    await bench.world.settle();
    expect(codes(bench.replies)).toEqual([CODE.accessAccept]);
    expect(bench.rights.given.get(MAC)?.role).toBe("staff");
  });

  it("tries a port that somebody else has until it is free", async () => {
    const world = new World();
    const other = world.bind({ bind: RELAY.address, port: RELAY.port, onDatagram() {} });
    const options = {
      secret: SECRET,
      authentication: { listen: RELAY, servers: SERVERS },
      demandMessageAuthenticator: false,
    };
    const radius = await startRadius({ platform: world.platform, rights: bench.rights, options });
    expect(radius.status().relays).toEqual([]);
    other.close();
    await world.pass(2100);
    expect(radius.status().relays).toHaveLength(1);
    radius.close();
    expect(() => world.bind({ bind: RELAY.address, port: RELAY.port, onDatagram() {} })).not.toThrow();
  });

  it("executes a repeated request once, and repeats its answer", async () => {
    await bench.login(role("staff"));
    await bench.send(bench.request(1));
    await bench.send(bench.request(1));
    expect(codes(bench.replies)).toEqual(Array(3).fill(CODE.accessAccept));
    expect([bench.rights.grants, first().heard.length]).toEqual([1, 1]);
  });

  it("hands nothing on when rights do not come into force, however late they come", async () => {
    let open = () => {};
    bench.rights.gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    await bench.login(role("staff"));
    await bench.world.pass(9500);
    open();
    await bench.world.settle();
    expect(bench.replies).toEqual([]);
    expect(bench.world.logged.join()).toContain("rights are not in force");
  });

  it("gives no rights at all where those of the server cannot be kept, and says why", async () => {
    await bench.login(attribute("NAS-Filter-Rule", text("permit nonsense")));
    expect(codes(bench.replies)).toEqual([CODE.accessAccept]);
    expect(bench.rights.given.get(MAC)).toMatchObject({ rules: [] });
    expect(bench.world.logged.join()).toContain("bad nonsense");
  });

  it("takes nothing away with an Access-Reject: anybody may fail under another's address", async () => {
    await bench.login(role("staff"));
    first().answer = () => ({ code: CODE.accessReject, attributes: [] });
    await bench.send(bench.request(7));
    expect(codes(bench.replies)).toEqual([CODE.accessAccept, CODE.accessReject]);
    expect(bench.rights.given.get(MAC)?.role).toBe("staff");
  });

  it("keeps rights a little longer than hostapd keeps the session", async () => {
    await bench.login(role("staff"), integerAttribute("Session-Timeout", 3600));
    expect(bench.rights.given.get(MAC)?.leftSeconds).toBe(3630);
    await bench.world.pass(600_000);
    expect(bench.radius.sessions()[0]).toMatchObject({ mac: MAC, role: "staff", leftSeconds: 3030 });
  });
});

describe("answers that nobody should believe", () => {
  const accept = (secret: Uint8Array) => {
    return signReply(CODE.accessAccept, packetOf(bench.request(5)), [role("admin")], secret)!;
  };
  /** The socket that the relay asks the first server from. */
  const upstream = { address: "127.0.0.1", port: 40_000 };
  const rows: [phrase: string, bytes: () => Uint8Array, from: typeof RELAY][] = [
    ["with a wrong secret", () => accept(text("wrong")), SERVERS[0]!],
    ["from another address", () => accept(SECRET), { address: "192.0.2.9", port: 1812 }],
    ["from another port", () => accept(SECRET), { address: "192.0.2.1", port: 1813 }],
    ["with its end cut", () => accept(SECRET).subarray(0, 30), SERVERS[0]!],
    ["to a request that was never sent", () => accept(SECRET).map((byte, i) => (i === 1 ? 6 : byte)), SERVERS[0]!],
  ];

  async function ask() {
    first().isDead = true;
    await bench.send(bench.request(5));
  }

  it.each(rows)("drops one %s", async (_phrase, bytes, from) => {
    await ask();
    bench.world.post(bytes(), from, upstream);
    await bench.world.settle();
    expect([bench.replies, bench.rights.grants]).toEqual([[], 0]);
  });

  it("believes the same one from the server (the control)", async () => {
    await ask();
    bench.world.post(accept(SECRET), SERVERS[0]!, upstream);
    await bench.world.settle();
    expect([codes(bench.replies), bench.rights.given.get(MAC)?.role]).toEqual([[CODE.accessAccept], "admin"]);
  });

  it("still takes the true answer after a forged one", async () => {
    await ask();
    bench.world.post(accept(text("wrong")), SERVERS[0]!, upstream);
    bench.world.post(accept(SECRET), SERVERS[0]!, upstream);
    await bench.world.settle();
    expect(codes(bench.replies)).toEqual([CODE.accessAccept]);
  });
});

describe("failover", () => {
  it("asks the second server before hostapd asks again, and stays there", async () => {
    first().isDead = true;
    await bench.send(bench.request(1));
    await bench.world.pass(2100);
    expect(codes(bench.replies)).toEqual([CODE.accessAccept]);
    await bench.send(bench.request(2));
    expect(codes(bench.replies)).toEqual([CODE.accessAccept, CODE.accessAccept]);
    expect(bench.radius.status().relays[0]!.servers.map(({ isUp }) => isUp)).toEqual([false, true]);
  });

  it("never changes the server inside a conversation", async () => {
    first().answer = () => challenge("s1");
    await bench.send(bench.request(1));
    first().isDead = true;
    await bench.send(bench.request(2, [state("s1")]));
    await bench.world.pass(30_000);
    expect(second().heard).toEqual([]);
    expect(codes(bench.replies)).toEqual([CODE.accessChallenge]);
    // The control: one that begins anew goes to the second.
    await bench.send(bench.request(3));
    expect(second().heard).toHaveLength(1);
  });

  it("goes on with the second server's conversation there, when the first is back", async () => {
    first().isDead = true;
    second().answer = () => challenge("s2");
    await bench.send(bench.request(1));
    await bench.world.pass(2100);
    first().isDead = false;
    await bench.world.pass(20_000);
    expect(bench.radius.status().relays[0]!.servers[0]!.isUp).toBe(true);
    await bench.send(bench.request(2, [state("s2")]));
    expect(codes(second().heard)).toEqual([CODE.accessRequest, CODE.accessRequest]);
    expect(codes(first().heard)).toEqual([CODE.statusServer]);
  });

  it("tries a server that answers no probe again after a minute", async () => {
    first().secret = text("wrong");
    await bench.send(bench.request(1));
    await bench.world.pass(61_000);
    first().secret = SECRET;
    first().heard.length = 0;
    await bench.world.pass(2000);
    await bench.send(bench.request(2));
    expect(first().heard.map(({ code }) => code)).toContain(CODE.accessRequest);
  });

  it("asks somebody when all are down", async () => {
    for (const server of bench.servers) server.isDead = true;
    await bench.send(bench.request(1));
    await bench.world.pass(10_000);
    first().isDead = false;
    await bench.send(bench.request(2));
    await bench.world.pass(100);
    expect(codes(bench.replies)).toEqual([CODE.accessAccept]);
  });
});

describe("an answer with a right Response Authenticator and no Message-Authenticator (CVE-2024-3596)", () => {
  const macAuth = () => signRequest(CODE.accessRequest, 5, stationAttributes(), SECRET, new Uint8Array(16).fill(5))!;
  async function forgedAnswerTo(request: Uint8Array) {
    first().isDead = true;
    await bench.send(request);
    const bytes = emitPacket(CODE.accessAccept, 5, [role("admin")])!;
    const authenticator = packetOf(request).authenticator;
    bytes.set(md5(Uint8Array.of(...bytes.subarray(0, 4), ...authenticator, ...bytes.subarray(20), ...SECRET)), 4);
    bench.world.post(bytes, SERVERS[0]!, { address: "127.0.0.1", port: 40_000 });
    await bench.world.settle();
    return bench.rights.given.get(MAC)?.role;
  }

  it("is not believed where EAP is", async () => {
    expect(await forgedAnswerTo(bench.request(5))).toBeUndefined();
    expect(bench.radius.status().relays[0]!.dropped).toEqual({ "answer: unsigned": 1 });
  });

  it("is not believed anywhere when the settings demand it", async () => {
    bench = await Bench.open({ demandMessageAuthenticator: true });
    expect(await forgedAnswerTo(macAuth())).toBeUndefined();
  });

  it("is believed in MAC authentication otherwise, as servers that were not mended send it (the control)", async () => {
    expect(await forgedAnswerTo(macAuth())).toBe("admin");
  });
});
