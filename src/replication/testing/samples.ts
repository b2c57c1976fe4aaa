import { parseMac } from "../../base/mac.ts";
import { adopted } from "../records/adopted.ts";
import { ask } from "../records/ask.ts";
import { bye } from "../records/bye.ts";
import { claim } from "../records/claim.ts";
import { deal } from "../records/deal.ts";
import { digests } from "../records/digests.ts";
import { edge } from "../records/edge.ts";
import { filter } from "../records/filter.ts";
import { handoverCodec } from "../records/handover.ts";
import { hello } from "../records/hello.ts";
import type { Codec } from "../records/kinds.ts";
import { locate } from "../records/locate.ts";
import { nack } from "../records/nack.ts";
import { done, order } from "../records/order.ts";
import { pulse } from "../records/pulse.ts";
import { emptySlot, rights } from "../records/rights.ts";

/** A record of each kind, and how it is written: what the codecs are tried with, and what docs/wire-vectors.md shows. */

const mac = parseMac("02:00:00:00:0a:01", "test");
const client = {
  ver: 77,
  slot: 3,
  empty: false,
  mac,
  n: 4,
  here: true,
  seenAgeMs: 12_300,
  revoked: false,
  monitor: true,
  serial: 9,
  rev: 2,
  origin: 7,
  leftTenths: 36_000,
  zone: 5,
  bind: 0x1122334455667788n,
  openOut: 200,
  openIn: 0xffff,
  halfOpen: 64,
  filters: [0xfedcba9876543210n, 2n],
  role: "staff",
};
const greeting = {
  name: "ap1",
  tableId: 0xfedcba9876543210n,
  challenge: 1n,
  shape: {
    fingerprints: 1,
    bucketBits: 10,
    remainderBits: 26,
    timerBits: 6,
    path: 1,
    fastTickMs: 10_000,
    slowTickMs: 300_000,
    seedId: 0xfffffffe,
  },
  mode: 2,
  edgeVer: 3,
  digest: 4n,
  rightsDigest: 5,
  fast: 6,
  slow: 7,
  fastPhase: 8,
  slowPhase: 9,
  slots: 1024,
  fill: 10,
  keys: [0xfeedf00d, 0],
  entries: [
    {
      id: 2,
      echo: 0xffffffffffffffffn,
      ackVer: 99,
      lost: 3,
      state: 1,
      slow: true,
      heardGroup: false,
      heardAlone: true,
    },
  ],
};

function pulseOf({ edgeVer, digest, rightsDigest, fastPhase, slowPhase, fill, entries }: typeof greeting) {
  const seen = entries.map(({ echo: _, ...rest }) => rest);
  return { edgeVer, digest, rightsDigest, fastPhase, slowPhase, fill, entries: seen };
}

export const SAMPLES: readonly (readonly [name: string, codec: Codec<never>, value: unknown])[] = [
  ["EDGE", edge as never, { ver: 0x12345678 }],
  [
    "NACK",
    nack as never,
    {
      target: 4,
      ranges: [
        { from: 5, count: 6 },
        { from: 0xfffffff0, count: 1 },
      ],
    },
  ],
  [
    "ASK",
    ask as never,
    {
      what: 0,
      round: 200,
      window: 16,
      units: [
        { from: 0, count: 512 },
        { from: 600, count: 1 },
      ],
    },
  ],
  [
    "DIGESTS",
    digests as never,
    { asOf: 1, fast: 2, slow: 3, regions: Uint32Array.from({ length: 64 }, (_, i) => i * 77777777) },
  ],
  ["CLAIM", claim as never, { mac, n: 3, zone: 2, bind: 5n, seenAgeMs: 700, holders: [7, 9] }],
  ["ADOPTED", adopted as never, { mac, n: 3, source: 9, ver: 77 }],
  ["DEAL", deal as never, { secret: Uint8Array.from({ length: 32 }, (_, i) => i * 3) }],
  ["BYE", bye as never, { tableId: 0x0102030405060708n, ver: 9 }],
  ["HELLO", hello as never, greeting],
  ["HELLO that lists nobody", hello as never, { ...greeting, name: "", entries: [] }],
  ["PULSE", pulse as never, pulseOf(greeting)],
  [
    "ASK for a filter",
    ask as never,
    { what: 3, round: 0, window: 16, units: [], filter: { digest: 0xfedcba9876543210n, part: 7 } },
  ],
  [
    "FILTER",
    filter as never,
    { digest: 1n, bits: 4160, seed: 9, probes: 7, out: 3, in: 4, part: 1, data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) },
  ],
  [
    "LOCATE",
    locate as never,
    { found: false, ttl: 4, qid: 0xfedcba9876543210n, mac, zone: 3, asker: 7, endpoint: undefined },
  ],
  [
    "FOUND",
    locate as never,
    {
      found: true,
      qid: 1n,
      holder: 9,
      endpoint: { address: "fe80::1", port: 4755 },
      claimAgeTenths: 600,
      rights: { ...client, ver: 0 },
    },
  ],
  [
    "LOCATE wherever it is",
    locate as never,
    { found: false, ttl: 2, qid: 1n, mac, zone: undefined, asker: 7, endpoint: undefined },
  ],
  ["ORDER", order as never, { oid: 0xfedcba9876543210n, rights: { ...client, ver: 0 } }],
  ["DONE", done as never, { oid: 1n, verdict: "in force", station: "ended", rights: undefined }],
  [
    "DONE, newer rights stand",
    done as never,
    { oid: 1n, verdict: "newer", station: "nobody asked", rights: { ...client, ver: 0 } },
  ],
  ["RIGHTS", rights as never, client],
  ["RIGHTS of an empty slot", rights as never, emptySlot(12, 5)],
  [
    "HANDOVER",
    handoverCodec(36, 6) as never,
    {
      mac,
      n: 5,
      part: 0,
      parts: 2,
      fastPhase: 3,
      slowPhase: 250,
      xHi: Uint32Array.of(15, 0),
      xLo: Uint32Array.of(0xfffffffe, 9),
      codes: Uint8Array.of(57, 3),
    },
  ],
];
