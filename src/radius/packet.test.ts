import { md5 } from "@noble/hashes/legacy.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NAMES, typeOf } from "./attributes.ts";
import { checkReply, checkRequest, signReply, signRequest } from "./authenticator.ts";
import { readChanges } from "./changes.ts";
import { attribute, CODE, emitPacket, hexOf, parsePacket, textOf, valuesOf } from "./packet.ts";
import { macOf } from "./sessions.ts";
import { bytesOf, packetOf, text, VECTORS } from "./testing/vectors.ts";

const SECRET = text("testing123-shared");
const REPLIES = VECTORS.filter(({ reply, ch }) => reply && ch !== "coa");
const ORDERS = VECTORS.filter(({ ch }) => ch === "coa");

describe("parsePacket", () => {
  it("reads what real servers and clients sent, and writes the same octets again", () => {
    for (const { request, reply } of VECTORS) {
      for (const hex of [request, reply]) {
        if (hex === undefined) continue;
        const { code, id, attributes, bytes } = packetOf(bytesOf(hex));
        const again = emitPacket(code, id, attributes)!;
        again.set(bytes.subarray(4, 20), 4);
        expect(hexOf(again)).toBe(hex);
      }
    }
  });

  it("knows the station and its user", () => {
    const request = packetOf(bytesOf(VECTORS[1]!.request));
    expect(macOf(request)).toBe("02:00:00:00:0a:01");
    expect(textOf(request, "User-Name")).toBe("anonymous");
  });

  it("refuses every packet that is cut, at every octet, and never throws", () => {
    for (const { request, reply } of VECTORS) {
      for (const hex of [request, reply ?? request]) {
        const bytes = bytesOf(hex);
        for (let cut = 0; cut < bytes.length; cut++) {
          expect(typeof parsePacket(bytes.subarray(0, cut))).toBe("string");
          // The same with a length that tells no lie: whole attributes may be left, half ones never.
          const honest = bytes.slice(0, cut);
          if (cut >= 4) honest.set([cut >> 8, cut & 255], 2);
          const parsed = parsePacket(honest);
          if (typeof parsed !== "string") expect(parsed.bytes.length).toBe(cut);
        }
      }
    }
  });

  it("leaves a Buffer as it is, whose slices are no copies", () => {
    for (const { request, reply } of REPLIES) {
      const buffer = Buffer.from(reply!, "hex");
      expect(checkReply(packetOf(buffer), packetOf(Buffer.from(request, "hex")), SECRET, false)).toBe("signed");
      expect(buffer.toString("hex")).toBe(reply);
    }
  });

  it("takes what is behind the length for padding", () => {
    const bytes = bytesOf(VECTORS[1]!.request);
    expect(packetOf(Uint8Array.of(...bytes, 1, 2, 3)).bytes).toEqual(bytes);
  });

  it("reads any octets without throwing, and all that may follow", () => {
    const attributes = fc.array(
      fc.record({ type: fc.constantFrom(...NAMES.map(typeOf), 200), value: fc.uint8Array({ maxLength: 40 }) }),
      { maxLength: 8 },
    );
    const octets = fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc.tuple(fc.integer({ min: 0, max: 255 }), attributes).map(([code, list]) => emitPacket(code, 1, list)!),
    );
    fc.assert(
      fc.property(octets, (bytes) => {
        const packet = parsePacket(bytes);
        if (typeof packet === "string") return;
        checkReply(packet, packet, SECRET, true);
        checkRequest(packet, SECRET, true);
        readChanges(packet);
        macOf(packet);
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ["two Message-Authenticators", "5012" + "00".repeat(16) + "5012" + "00".repeat(16), "two"],
    ["a short Message-Authenticator", "500400ff", "wrong length"],
    ["an attribute of length 1", "0101", "cut short"],
  ])("refuses %s", (_phrase, attributes, reason) => {
    const length = 20 + attributes.length / 2;
    const bytes = bytesOf(`0101${length.toString(16).padStart(4, "0")}${"00".repeat(16)}${attributes}`);
    expect(parsePacket(bytes)).toContain(reason);
  });
});

describe("authenticators", () => {
  it.each(REPLIES.map((vector, i) => [i, vector.code, vector] as const))(
    "believes the server's answer %i (%s), and none with a bit turned",
    (_i, _code, { request, reply }) => {
      const [asked, bytes] = [packetOf(bytesOf(request)), bytesOf(reply!)];
      expect(checkReply(packetOf(bytes), asked, SECRET, false)).toBe("signed");
      expect(checkReply(packetOf(bytes), asked, text("other"), false)).toBe("bad authenticator");
      for (let at = 4; at < bytes.length; at += 7) {
        const turned = bytes.slice();
        turned[at]! ^= 1;
        const parsed = parsePacket(turned);
        if (typeof parsed !== "string") expect(checkReply(parsed, asked, SECRET, false)).not.toBe("signed");
      }
    },
  );

  it("believes requests of radclient exactly where a reference does", () => {
    expect(ORDERS.length).toBeGreaterThan(9);
    for (const { request, drop } of ORDERS) {
      const expected = drop === "authenticator" ? "bad authenticator" : "signed";
      expect(checkRequest(packetOf(bytesOf(request)), SECRET, false)).toBe(expected);
    }
  });

  it("demands it of requests when told", () => {
    const { request } = ORDERS.find(({ ma }) => ma === "absent")!;
    expect(checkRequest(packetOf(bytesOf(request)), SECRET, false)).toBe("signed");
    expect(checkRequest(packetOf(bytesOf(request)), SECRET, true)).toBe("unsigned");
  });

  it("demands the Message-Authenticator where EAP is, and elsewhere when told", () => {
    const plain = packetOf(signRequest(CODE.accessRequest, 1, [], SECRET, new Uint8Array(16))!);
    const unsigned = (attributes: Parameters<typeof emitPacket>[2]) => forge(attributes, plain.authenticator);
    expect(checkReply(unsigned([]), plain, SECRET, false)).toBe("signed");
    expect(checkReply(unsigned([]), plain, SECRET, true)).toBe("unsigned");
    expect(checkReply(unsigned([attribute("EAP-Message", text("x"))]), plain, SECRET, false)).toBe("unsigned");
    const eap = packetOf(
      signRequest(CODE.accessRequest, 1, [attribute("EAP-Message", text("x"))], SECRET, new Uint8Array(16))!,
    );
    expect(checkReply(unsigned([]), eap, SECRET, false)).toBe("unsigned");
  });

  it("signs answers and requests so that it believes them itself", () => {
    const request = packetOf(signRequest(CODE.coaRequest, 7, [attribute("Filter-Id", text("staff"))], SECRET)!);
    expect(checkRequest(request, SECRET, true)).toBe("signed");
    const reply = packetOf(signReply(CODE.coaNak, request, [attribute("Proxy-State", text("x"))], SECRET)!);
    expect(checkReply(reply, request, SECRET, true)).toBe("signed");
    expect(valuesOf(reply, "Proxy-State")).toHaveLength(1);
  });

  it("signs CoA answers as RFC 5176 has it, which real vectors do too", () => {
    for (const { request, reply } of ORDERS) {
      if (!reply) continue;
      expect(checkReply(packetOf(bytesOf(reply)), packetOf(bytesOf(request)), SECRET, true)).toBe("signed");
    }
  });
});

/** An answer with a right Response Authenticator and no Message-Authenticator: what CVE-2024-3596 makes without the secret. */
function forge(attributes: Parameters<typeof emitPacket>[2], authenticator: Uint8Array) {
  const bytes = emitPacket(CODE.accessAccept, 1, attributes)!;
  bytes.set(md5(Uint8Array.of(...bytes.subarray(0, 4), ...authenticator, ...bytes.subarray(20), ...SECRET)), 4);
  return packetOf(bytes);
}
