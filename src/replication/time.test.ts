import { describe, expect, it } from "vitest";
import type { Outbox } from "./outbox.ts";
import type { Hello } from "./records/hello.ts";
import { type Codec, KIND } from "./records/kinds.ts";
import { meshOf, open, speak } from "./testing/flows.ts";
import { type Ap, type Lab, mirrorDifferences } from "./testing/lab.ts";

/** Clocks that jump, ticks that run back, and a neighbour that says any number of either. */

const LIAR = 3;
const VICTIM = 2;
const OTHER = 1;
const FLOWS = 20;
const EXTREMES = [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];

/** How often an agent is driven. */
function drives({ replicator }: Ap): () => number {
  let count = 0;
  const tick = replicator.tick.bind(replicator);
  replicator.tick = (nowMs) => {
    count++;
    tick(nowMs);
  };
  return () => {
    const since = count;
    count = 0;
    return since;
  };
}

/** What it says in hellos and pulses is this, from now on. */
function lieAbout({ replicator }: Ap, fields: Partial<Record<keyof Hello, unknown>>): void {
  const { outbox } = replicator as unknown as { outbox: Outbox };
  const add = outbox.add.bind(outbox);
  outbox.add = <T>(codec: Codec<T>, value: T) => {
    const isLie = codec.kind === KIND.hello || codec.kind === KIND.pulse;
    add(codec, isLie ? { ...value, ...fields } : value);
  };
}

async function expectWhole(lab: Lab, ids: readonly number[]): Promise<void> {
  await lab.settle();
  for (const at of ids) for (const of of ids) if (at !== of) expect(mirrorDifferences(lab, at, of)).toBe(0);
}

describe("a clock that jumps", () => {
  it.each([
    ["a minute", 60_000],
    ["an hour, as after a machine slept", 3_600_000],
  ])("by %s ends nothing that would not have ended, and brings no storm", async (_name, ms) => {
    const lab = await meshOf(3);
    await open(lab, lab.ap(OTHER), FLOWS);
    const count = drives(lab.ap(VICTIM));
    const sent = () => lab.ap(VICTIM).replicator.counters.datagramsSent;
    const before = sent();
    lab.nowMs += ms;
    await lab.run(2_000);
    expect(count()).toBeLessThan(500);
    expect(sent() - before).toBeLessThan(100);
    await lab.run(12_000);
    await expectWhole(lab, [1, 2, 3]);
    expect(await speak(lab, lab.ap(VICTIM), 0, FLOWS)).toBe(0);
  });

  it("back by ten seconds makes nobody wait for longer than that", async () => {
    const lab = await meshOf(3);
    await open(lab, lab.ap(OTHER), FLOWS);
    const count = drives(lab.ap(VICTIM));
    lab.nowMs -= 10_000;
    await lab.run(12_000);
    expect(count()).toBeLessThan(3_000);
    await lab.run(3_000);
    await expectWhole(lab, [1, 2, 3]);
    expect(await speak(lab, lab.ap(VICTIM), 0, FLOWS)).toBe(0);
  });
});

describe("a hello that says any number", () => {
  /** The liar starts anew, and so says hello to those that do not believe it yet. */
  async function lie(lab: Lab, field: keyof Hello, value: unknown): Promise<void> {
    const liar = lab.add(LIAR, 77n);
    lieAbout(liar, { [field]: value });
    await lab.start([liar]);
    await lab.run(1_500);
  }

  it.each(["mode", "edgeVer", "rightsDigest", "fast", "slow", "fastPhase", "slowPhase", "slots", "fill"] as const)(
    "of `%s` keeps nobody from the others, nor from itself when it tells the truth again",
    async (field) => {
      const lab = await meshOf(3);
      await open(lab, lab.ap(OTHER), FLOWS);
      const count = drives(lab.ap(VICTIM));
      for (const value of EXTREMES) await lie(lab, field, value);
      expect(count()).toBeLessThan(EXTREMES.length * 1_500);
      expect(Number.isFinite(lab.ap(VICTIM).replicator.nextAtMs())).toBe(true);
      await expectWhole(lab, [OTHER, VICTIM]);
      await lab.start([lab.add(LIAR, 78n)]);
      await lab.run(3_000);
      expect(count()).toBeLessThan(2_000);
      await expectWhole(lab, [1, 2, 3]);
      expect(await speak(lab, lab.ap(VICTIM), 0, FLOWS)).toBe(0);
    },
  );

  it("of `fast` would end all that is mirrored of it at once, were ticks not held to our clock", async () => {
    const used = async (isHeld: boolean) => {
      const lab = await meshOf(3);
      await open(lab, lab.ap(LIAR), FLOWS);
      await lab.run(500);
      const liar = lab
        .ap(VICTIM)
        .replicator.list()
        .find(({ id }) => id === LIAR)!;
      expect(liar.mirror!.used).toBe(FLOWS);
      if (!isHeld) liar.guard.clamp = () => false;
      lieAbout(lab.ap(LIAR), { fast: 2 ** 32 - 1, slow: 2 ** 32 - 1 });
      await lab.run(12_000);
      return liar.mirror!.used;
    };
    expect(await used(true)).toBe(FLOWS);
    expect(await used(false)).toBe(0);
  });
});
