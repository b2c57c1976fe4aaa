import { describe, expect, it } from "vitest";
import * as make from "../../test/support/packets.ts";
import { xxh32Words, xxh32WordsReversed } from "../base/hash.ts";
import { FlowKey } from "./flow-key.ts";
import { Packet } from "./packet.ts";

/** P4^-1 and friends: the published differential of XXH32's tail rounds. */
const PRIME_3 = 0xc2b2ae3d;
const PRIME_4 = 0x27d4eb2f;

/** xorshift32: the seeds of the experiment, the same in every run. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}

/** Inverse of an odd number modulo 2^32. */
function inverse(a: number): number {
  let x = a;
  for (let i = 0; i < 5; i++) x = Math.imul(x, 2 - Math.imul(a, x));
  return x >>> 0;
}

describe("two lanes of one hash", () => {
  // Add 2^31 to one word of the tail: after the rotation by 17 that is +-2^16, times P4. Adding 2^16 * P4 / P3 to the next word
  // cancels it, for half of all seeds, in every lane that reads the words in this order.
  const delta = Math.imul(Math.imul(1 << 16, PRIME_4), inverse(PRIME_3)) >>> 0;
  const victim = [0x02000000, 0x0a010604];
  const words = [...victim, 0x0a000001];
  const forged = [words[0]!, (words[1]! + 0x80000000) >>> 0, (words[2]! + delta) >>> 0];
  const SEEDS = 100_000;

  function collisions(lane2: (words: readonly number[], seed: number) => number): number {
    const next = random(1);
    let count = 0;
    for (let i = 0; i < SEEDS; i++) {
      const [s0, s1] = [next(), next()];
      if (xxh32Words(words, s0) === xxh32Words(forged, s0) && lane2(words, s1) === lane2(forged, s1)) count++;
    }
    return count;
  }

  it("(control) in the same order collide for a quarter of all secret seeds", () => {
    const share = collisions((list, seed) => xxh32Words(list, seed)) / SEEDS;
    expect(share).toBeGreaterThan(0.2);
    expect(share).toBeLessThan(0.32);
  });

  it("in opposite orders collide for none", () => {
    expect(collisions((list, seed) => xxh32WordsReversed(list, seed))).toBe(0);
  });
});

describe("the flow key", () => {
  const key = () => new FlowKey(1, 2);
  const packet = (frame: Uint8Array, direction: 0 | 1 = 0) => {
    const parsed = new Packet();
    parsed.parse({ frame, direction });
    return parsed;
  };
  const wordsOf = (k: FlowKey) => [...k.words.slice(0, k.count)];

  it("has the client first, so that both directions share it", () => {
    const out = key();
    out.setFlow(packet(make.tcp({ src: "10.0.0.1", dst: "10.1.0.2", sport: 1024, dport: 80 })), 0x02000000, 0x0a01);
    expect(wordsOf(out)).toEqual([0x02000000, 0x0a010604, 0x0a000001, 0x0a010002, (1024 << 16) | 80]);
    const back = key();
    back.setFlow(packet(make.tcp({ src: "10.1.0.2", dst: "10.0.0.1", sport: 80, dport: 1024 }), 1), 0x02000000, 0x0a01);
    expect(wordsOf(back)).toEqual(wordsOf(out));
    expect([back.h1, back.h2]).toEqual([out.h1, out.h2]);
  });

  it("has 11 words in IPv6", () => {
    const k = key();
    k.setFlow(packet(make.udp({ src: "fd00::1", dst: "fd00::2", sport: 1, dport: 2 })), 0x02000000, 0x0a01);
    expect(wordsOf(k)).toEqual([0x02000000, 0x0a011106, 0xfd000000, 0, 0, 1, 0xfd000000, 0, 0, 2, 0x10002]);
  });

  it("of a question to a group names no peer, and equals the group key of the answer", () => {
    const ask = key();
    ask.setFlow(packet(make.udp({ src: "10.0.0.1", dst: "224.0.0.251", sport: 5000, dport: 5353 })), 1, 2);
    const answer = key();
    answer.setGroup(packet(make.udp({ src: "10.7.7.7", dst: "10.0.0.1", sport: 5353, dport: 5000 }), 1), 1, 2);
    expect(wordsOf(answer)).toEqual(wordsOf(ask));
  });

  it("of a pair is the same for head and tail", () => {
    const pieces = make.fragments(
      make.udp({ src: "10.0.0.1", dst: "10.1.0.2", sport: 1, dport: 2, payload: new Uint8Array(99) }),
      64,
    );
    const [head, tail] = pieces.map((piece) => packet(piece)) as [Packet, Packet];
    const pair = key();
    pair.setPair(head, 1, 2);
    const flow = key();
    flow.setFlow(tail, 1, 2);
    expect(wordsOf(flow)).toEqual(wordsOf(pair));
  });
});
