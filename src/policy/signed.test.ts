import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hex } from "../base/bytes.ts";
import { nodePlatform } from "../platform/node/platform.ts";
import { openSigned, parseKeyHex, signDocument } from "./signed.ts";

const { ed25519 } = nodePlatform();
const SEED = Uint8Array.from({ length: 32 }, (_, i) => i);
const KEY = ed25519.publicKey(SEED);
const OTHER = ed25519.publicKey(Uint8Array.from({ length: 32 }, () => 9));
const TEXT = "roles: {a: {rules: [out tcp/1 to any]}}\n";
const DOCUMENT = signDocument(ed25519, SEED, { mesh: "village", revision: 7, text: TEXT });
const open = (document: string, keys = [KEY], mesh = "village") => openSigned(ed25519, keys, mesh, document, "doc");

describe("Ed25519 of the platform", () => {
  // RFC 8032, section 7.1, test 2.
  it("is the standard's", () => {
    const seed = parseKeyHex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "rfc");
    expect(hex(ed25519.publicKey(seed))).toBe("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    expect(hex(ed25519.sign(seed, Uint8Array.of(0x72)))).toBe(
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    );
  });

  it("says no to a key that is none", () => {
    expect(ed25519.verify(new Uint8Array(3), Uint8Array.of(1), new Uint8Array(64))).toBe(false);
    expect(ed25519.verify(new Uint8Array(32).fill(255), Uint8Array.of(1), new Uint8Array(64))).toBe(false);
  });
});

describe("a signed policy", () => {
  it("opens as it was signed", () => {
    expect(open(DOCUMENT)).toMatchObject({ mesh: "village", revision: 7, text: TEXT });
    expect(open(DOCUMENT, [OTHER, KEY]).text).toBe(TEXT);
  });

  it("is refused with another key, for another mesh, and when it is none", () => {
    expect(() => open(DOCUMENT, [OTHER])).toThrow("not signed by a key of ours");
    expect(() => open(DOCUMENT, [])).toThrow("not signed by a key of ours");
    expect(() => open(DOCUMENT, [KEY], "town")).toThrow("accepted: policy of mesh town");
    expect(() => open("roles: {}")).toThrow("no signed policy");
  });

  it("is not taken for a list of members, nor that for it", () => {
    const list = signDocument(ed25519, SEED, { mesh: "village", revision: 7, text: TEXT }, "members");
    expect(openSigned(ed25519, [KEY], "village", list, "doc", "members").text).toBe(TEXT);
    expect(() => open(list)).toThrow("no signed policy");
    expect(() => open(list.replace("roamwall-members", "roamwall-policy"))).toThrow("not signed by a key of ours");
    expect(() => openSigned(ed25519, [KEY], "village", DOCUMENT, "doc", "members")).toThrow("no signed members");
  });

  it("is refused when any character of it was changed, cut or added", () => {
    for (let at = 0; at < DOCUMENT.length; at++) {
      const other = DOCUMENT[at] === "1" ? "2" : "1";
      expect(() => open(DOCUMENT.slice(0, at) + other + DOCUMENT.slice(at + 1)), `at ${at}`).toThrow();
      expect(() => open(DOCUMENT.slice(0, at)), `cut at ${at}`).toThrow();
    }
    expect(() => open(`${DOCUMENT} `)).toThrow();
  });

  it("throws nothing but its own error, whatever comes", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
        expect(() => open(text)).toThrow("accepted:");
      }),
    );
  });
});
