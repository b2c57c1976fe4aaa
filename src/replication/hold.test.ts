import { describe, expect, it } from "vitest";
import { meshOf, pass } from "./testing/flows.ts";

const HOLD_MS = 200;

/** Cells that AP 1 publishes for a connection whose handshake takes so long, and what it does after. */
async function published(holdMs: number, handshakeMs: number): Promise<number> {
  const lab = await meshOf(2, { holdMs, options: { holdMs } });
  const ap = lab.ap(1);
  // The client's arrival is a change of its own.
  expect(pass(ap, 1, "U>", "<U")).toBe(0);
  await lab.run(1_000);
  const { counters } = ap.replicator;
  const before = counters.cellsPublished;
  for (const frame of ["S", "SA", "A>", "<A"] as const) {
    expect(pass(ap, 2, frame)).toBe(0);
    await lab.run(handshakeMs / 3);
  }
  await lab.run(1_000);
  return counters.cellsPublished - before;
}

describe("a state that is superseded within the hold time", () => {
  it("is never sent: of a connection the neighbours hear one cell", async () => {
    expect(await published(HOLD_MS, 30)).toBe(1);
  });

  it("is sent when nothing is held back", async () => {
    expect(await published(0, 30)).toBeGreaterThan(1);
  });

  it("is sent when it stands for longer", async () => {
    expect(await published(HOLD_MS, 3 * 2 * HOLD_MS)).toBeGreaterThan(1);
  });
});
