import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { BitReader } from "../base/bits.ts";
import { SipHash } from "../base/siphash.ts";
import { parseGeometry } from "../bloom/geometry.ts";
import { nodeCrypto } from "../platform/node/crypto.ts";
import { nodeX25519 } from "../platform/node/x25519.ts";
import { portableCrypto } from "../platform/portable-crypto.ts";
import { Ticks } from "../proxy/ticks.ts";
import { Keyring } from "./keyring.ts";
import { CellBatch, CellBlock } from "./records/cell-block.ts";
import { KIND } from "./records/kinds.ts";
import { parseRepairHead } from "./records/repair.ts";
import { parseSnapHead } from "./records/snap.ts";
import { FILTER_BYTES, headerBytes, parseHeader } from "./seal.ts";
import { Sealed } from "./sealed.ts";
import { pairedOf } from "./testing/identity-vectors.ts";
import { SAMPLES } from "./testing/samples.ts";
import { vectorsText } from "./testing/vectors.ts";

const TEXT = readFileSync("docs/wire-vectors.md", "utf8");
const bytesOf = (hex: string) => Uint8Array.from(Buffer.from(hex, "hex"));
/** Cells of the rows of the table below a heading. */
function table(heading: string): string[][] {
  const section = TEXT.split(`## ${heading}\n`)[1]!.split("\n## ")[0]!;
  const rows = section.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| |"));
  return rows.map((row) =>
    row
      .slice(2, -2)
      .split(" | ")
      .map((cell) => cell.replaceAll("`", "")),
  );
}
const keys = Object.fromEntries(table("Keys").map(([name, value]) => [name, value!]));

describe("docs/wire-vectors.md", () => {
  it("is what the codecs write, with either cryptography", () => {
    expect(TEXT).toBe(vectorsText({ crypto: portableCrypto, x25519: nodeX25519 }));
    expect(TEXT).toBe(vectorsText({ crypto: nodeCrypto, x25519: nodeX25519 }));
  });

  it.each(table("Datagrams"))("shows a datagram that opens to its body: %s", (_name, body, datagram) => {
    const bytes = bytesOf(datagram!);
    const header = parseHeader(bytes)!;
    const ring = new Keyring(portableCrypto, [{ slot: 0, secret: bytesOf(keys["mesh key"]!) }]);
    const greeting = { identity: BigInt(`0x${keys["identity"]}`), epoch: bytesOf(keys["epoch"]!) };
    const seal = new Sealed(ring);
    const channel = seal.channel(0, Number(keys["sender"]), greeting)!;
    expect([header.sender, header.epochTag.toString(16)]).toEqual([7, keys["epochTag"]]);
    expect(channel.mayBe(header, bytes)).toBe(true);
    expect(channel.open(header, bytes)).toEqual(bytesOf(body!));
  });

  /** By hand, from the printed keys and the text of wire.md alone. */
  it.each(table("Datagrams"))("shows keys that are all it takes: %s", (_name, body, datagram) => {
    const bytes = bytesOf(datagram!);
    const header = parseHeader(bytes)!;
    const at = headerBytes(header);
    const nonce = new Uint8Array(12);
    nonce.set(bytes.subarray(8, 14), 6);
    const aead = portableCrypto.aead(bytesOf(keys["data key"]!));
    expect(aead.open(nonce, bytes.subarray(0, at), bytes.subarray(at + FILTER_BYTES))).toEqual(bytesOf(body!));
    const covered = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + FILTER_BYTES)]).subarray(0, 64);
    const hash = new SipHash(bytesOf(keys[header.hello ? "hello's filter key" : "filter key"]!));
    hash.hash(covered);
    const filter = hash.high.toString(16).padStart(8, "0") + hash.low.toString(16).padStart(8, "0");
    expect(Buffer.from(bytes.subarray(at, at + FILTER_BYTES)).toString("hex")).toBe(filter);
  });

  it.each(table("Identities").slice(12))(
    "shows datagrams that AP 2 takes, and who has the mesh key alone cannot: %s",
    (_name, body, datagram) => {
      const bytes = bytesOf(datagram!);
      const header = parseHeader(bytes)!;
      const mesh = bytesOf(keys["mesh key"]!);
      const greeting = { identity: BigInt(`0x${keys["identity"]}`), epoch: bytesOf(keys["epoch"]!) };
      const channel = pairedOf({ crypto: portableCrypto, x25519: nodeX25519 }, mesh, 2).channel(0, 7, greeting)!;
      const dealt = Object.fromEntries(table("Identities").map(([name, value]) => [name, value!]))["what 7 deals"]!;
      channel.dealing!.take(bytesOf(dealt));
      expect(channel.mayBe(header, bytes)).toBe(true);
      expect(channel.open(header, bytes)).toEqual(bytesOf(body!));
      const open = new Sealed(new Keyring(portableCrypto, [{ slot: 0, secret: mesh }])).channel(0, 7, greeting)!;
      expect(open.mayBe(header, bytes)).toBe(false);
      expect(open.open(header, bytes)).toBeUndefined();
    },
  );

  it("shows keys that open what is said to AP 2 alone, and to all", () => {
    const rows = table("Identities");
    const named = Object.fromEntries(rows.map(([name, value]) => [name, value!]));
    for (const [row, key] of [
      [rows[12]!, "data key, 7 to 2"],
      [rows[13]!, "data key, 7 to all"],
    ] as const) {
      const bytes = bytesOf(row[2]!);
      const end = key.endsWith("all") ? bytes.length - 11 : bytes.length;
      const nonce = new Uint8Array(12);
      nonce.set(bytes.subarray(8, 14), 6);
      const aead = portableCrypto.aead(bytesOf(named[key]!));
      expect(aead.open(nonce, bytes.subarray(0, 14), bytes.subarray(14 + FILTER_BYTES, end))).toEqual(bytesOf(row[1]!));
    }
  });

  it("shows every kind that there is", () => {
    const shown = new Set(table("Records").map(([, kind]) => Number(kind)));
    expect([...shown].sort((a, b) => a - b)).toEqual(Object.values(KIND).sort((a, b) => a - b));
  });

  it.each(table("Records").filter(([name]) => SAMPLES.some(([known]) => known === name)))(
    "shows a record that reads as what it stands for: %s",
    (name, _kind, body) => {
      const [, codec, value] = SAMPLES.find(([known]) => known === name)!;
      expect(codec.parse(new BitReader(bytesOf(body!)))).toEqual(value);
    },
  );

  const geometry = parseGeometry("4x1024x8/r26", "vectors");
  const ticks = new Ticks(geometry);
  ticks.set(1000, 77);
  it.each([
    ["CELLS", (reader: BitReader) => reader.read(32), 502],
    ["REPAIR", parseRepairHead, { from: 500, to: 502 }],
    ["SNAP", parseSnapHead, { asOf: 502, slots: false, toCome: 0, round: 9, from: 0, to: 32_768 }],
  ] as const)("shows the cells that it names: %s", (name, parse, head) => {
    const reader = new BitReader(bytesOf(table("Records").find(([known]) => known === name)![2]!));
    expect(parse(reader)).toEqual(head);
    const batch = new CellBatch();
    expect(new CellBlock(geometry, name === "SNAP" ? "coordinate" : "place").parse(reader, ticks, ticks, batch)).toBe(
      true,
    );
    const read = [...batch.coordinates.slice(0, batch.count)].map((at, i) => {
      const remainder = batch.cells[i]! >>> geometry.timerBits;
      return [at, remainder.toString(16), batch.owners[i], ...(name === "REPAIR" ? [batch.verOffsets[i]] : [])];
    });
    const shown = [
      [5, "2345678", 3, 0],
      [700, "1fedcba", 4, 2],
      [30_000, "0", 0, 1],
    ].map((row) => row.slice(0, name === "REPAIR" ? 4 : 3));
    // 30,000 and 700 are the first and fifth cell of their buckets, 5 is a sixth.
    expect(read).toEqual(name === "SNAP" ? shown : [shown[2], shown[1], shown[0]]);
  });
});
