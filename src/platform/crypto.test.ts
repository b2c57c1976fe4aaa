import { describe, expect, it } from "vitest";
import { nodeCrypto } from "./node/crypto.ts";
import type { Crypto } from "./platform.ts";
import { portableCrypto } from "./portable-crypto.ts";

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replace(/\s/g, ""), "hex"));
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** RFC 8439, 2.8.2. */
const RFC8439 = {
  key: hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"),
  nonce: hex("070000004041424344454647"),
  aad: hex("50515253c0c1c2c3c4c5c6c7"),
  plain: new TextEncoder().encode(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
  ),
  sealed: `d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36
    92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116
    1ae10b594f09e26a7e902ecbd0600691`,
};

/** RFC 5869, A.1 to A.3. */
const RFC5869 = [
  {
    secret: "0b".repeat(22),
    salt: "000102030405060708090a0b0c",
    info: "f0f1f2f3f4f5f6f7f8f9",
    okm: "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
  },
  {
    secret: Array.from({ length: 80 }, (_, i) => i.toString(16).padStart(2, "0")).join(""),
    salt: Array.from({ length: 80 }, (_, i) => (0x60 + i).toString(16)).join(""),
    info: Array.from({ length: 80 }, (_, i) => (0xb0 + i).toString(16)).join(""),
    okm: `b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71
      cc30c58179ec3e87c14c01d5c1f3434f1d87`,
  },
  {
    secret: "0b".repeat(22),
    salt: "",
    info: "",
    okm: "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
  },
];

describe.each<[string, Crypto]>([
  ["Node's", nodeCrypto],
  ["the portable", portableCrypto],
])("%s cryptography", (_, crypto) => {
  it("seals as RFC 8439 says, and opens it", () => {
    const { key, nonce, aad, plain, sealed } = RFC8439;
    const out = new Uint8Array(plain.length + 16);
    crypto.aead(key).seal(nonce, aad, plain, out);
    expect(text(out)).toBe(text(hex(sealed)));
    expect(text(crypto.aead(key).open(nonce, aad, out)!)).toBe(text(plain));
  });

  it("opens nothing in which a bit of data, tag, header or nonce is another", () => {
    const { key, nonce, aad, sealed } = RFC8439;
    const aead = crypto.aead(key);
    const parts = [nonce.slice(), aad.slice(), hex(sealed)] as const;
    for (const part of parts)
      for (let bit = 0; bit < part.length * 8; bit++) {
        part[bit >> 3]! ^= 1 << (bit & 7);
        expect(aead.open(...parts)).toBeUndefined();
        part[bit >> 3]! ^= 1 << (bit & 7);
      }
    expect(aead.open(...parts)).toBeDefined();
    expect(aead.open(nonce, aad, new Uint8Array(15))).toBeUndefined();
  });

  it.each(RFC5869)("derives keys as RFC 5869 says", ({ secret, salt, info, okm }) => {
    const bytes = hex(okm).length;
    expect(text(crypto.hkdfSha256(hex(secret), hex(salt), hex(info), bytes))).toBe(text(hex(okm)));
  });

  it("hashes as FIPS 180 says", () => {
    expect(text(crypto.sha256(new TextEncoder().encode("abc")))).toBe(
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
  });
});

describe("both", () => {
  it("give equal bytes at every length of a datagram", () => {
    const bytes = (length: number, from: number) => Uint8Array.from({ length }, (_, i) => (i * 167 + from) & 255);
    for (let length = 0; length <= 1_300; length += length < 70 ? 1 : 13) {
      const [key, nonce, aad, plain] = [
        bytes(32, length),
        bytes(12, 1),
        bytes(14 + (length % 25), 2),
        bytes(length, 3),
      ];
      const sealed = [nodeCrypto, portableCrypto].map((crypto) => {
        const out = new Uint8Array(length + 16);
        crypto.aead(key).seal(nonce, aad, plain, out);
        return out;
      });
      expect(text(sealed[0]!)).toBe(text(sealed[1]!));
      expect(text(portableCrypto.aead(key).open(nonce, aad, sealed[0]!)!)).toBe(text(plain));
      expect(text(nodeCrypto.aead(key).open(nonce, aad, sealed[1]!)!)).toBe(text(plain));
    }
  });
});
