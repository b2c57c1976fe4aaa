import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CONSTANTS } from "../datapath/abi.ts";
import { Dlcbf, INSERTED } from "./dlcbf.ts";
import { type Geometry, parseGeometry } from "./geometry.ts";

const { MARK_AGED, MARK_CLEAN, MARK_DIRTY, MARK_HELD, OP_MAX, OP_SET, OWNER_MARK_SHIFT, OWNER_SLOT_MASK, SLOT_SHARED } =
  CONSTANTS;
const SLOW = 32;

type Action = { kind: "insert"; x: number; code: number } | { kind: "tick"; fast: number } | { kind: "sweep" };

function table(text: string): Dlcbf {
  const made = new Dlcbf(parseGeometry(text, "test"));
  made.fast = 50;
  made.slow = 50;
  return made;
}

const markOf = (t: Dlcbf, at: number) => t.owners[at]! >>> OWNER_MARK_SHIFT;
const slotOf = (t: Dlcbf, at: number) => t.owners[at]! & OWNER_SLOT_MASK;

/** Fewer x than a bucket has room for can never fill the table; remainders of 4 bits collide all the time. */
const SHAPES = ["4x64x8/r4", "4x64x8/r12", "4x64x8/r26", "3x341x6/r10/t4"];

describe.each(SHAPES)("the table %s", (text) => {
  const geometry: Geometry = parseGeometry(text, "test");
  const space = geometry.buckets * 2 ** geometry.remainderBits;
  const x = fc.integer({ min: 0, max: Math.min(space, 2 ** 32) - 1 });
  const code = fc
    .tuple(fc.boolean(), fc.integer({ min: 1, max: geometry.liveMax }))
    .map(([slow, n]) => ((slow ? 1 : 0) << geometry.tickBits) | n);
  const action: fc.Arbitrary<Action> = fc.oneof(
    { weight: 8, arbitrary: fc.record({ kind: fc.constant("insert" as const), x, code }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("tick" as const), fast: fc.integer({ min: 0, max: 2 }) }) },
    { weight: 1, arbitrary: fc.constant({ kind: "sweep" as const }) },
  );

  /** Runs the actions beside an oracle that knows each x; returns how often a live x was not found. */
  function losses(actions: readonly Action[], op: number): number {
    const t = table(text);
    const alive = new Map<number, { fast: number; slow: number }>();
    let lost = 0;
    for (const step of actions) {
      if (step.kind === "insert") {
        if (t.insert(0, step.x, step.code, op, 1, MARK_CLEAN) !== INSERTED.full) remember(alive, step, t);
      } else {
        // Fast ticks alone: with both moving, "later" would need the clock.
        if (step.kind === "tick") t.fast += step.fast;
        t.sweep();
      }
      for (const [known, { fast, slow }] of alive) {
        if ((fast >= t.fast || slow >= t.slow) && t.find(0, known) < 0) lost++;
      }
    }
    expect(t.used).toBe(t.cells.reduce((n, cell) => n + (cell === 0 ? 0 : 1), 0));
    return lost;
  }

  function remember(
    alive: Map<number, { fast: number; slow: number }>,
    step: { x: number; code: number },
    t: Dlcbf,
  ): void {
    const slow = step.code >> geometry.tickBits === 1;
    const was = alive.get(step.x) ?? { fast: -1, slow: -1 };
    const expiry = (slow ? t.slow : t.fast) + (step.code & geometry.modulus);
    if (slow) was.slow = Math.max(was.slow, expiry);
    else was.fast = Math.max(was.fast, expiry);
    alive.set(step.x, was);
  }

  it("never loses what was inserted before its time, whatever else is inserted", () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
        expect(losses(actions, OP_MAX)).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it("(control) a table that sets instead of taking the later expiry loses some", () => {
    const low = (geometry.modulus + 1) | 1;
    const actions: Action[] = [
      { kind: "insert", x: 5, code: low + 1 },
      { kind: "insert", x: 5, code: 1 },
      { kind: "tick", fast: 2 },
    ];
    expect(losses(actions, OP_MAX)).toBe(0);
    expect(losses(actions, OP_SET)).toBeGreaterThan(0);
  });
});

describe("insert", () => {
  it("merges with the cell of the same x: the later expiry wins", () => {
    const t = table("4x64x8/r26");
    t.insert(0, 7, 3, OP_MAX, 1, MARK_CLEAN);
    t.insert(0, 7, SLOW + 5, OP_MAX, 1, MARK_CLEAN);
    t.insert(0, 7, 24, OP_MAX, 1, MARK_CLEAN);
    expect(t.used).toBe(1);
    expect(t.rank(t.cells[t.find(0, 7)]!)).toBe(SLOW + 5);
  });

  it("gives a slow cell in its last tick one tick more than a fast code could need", () => {
    const t = table("4x64x8/r26");
    t.insert(0, 7, SLOW + 1, OP_MAX, 1, MARK_CLEAN);
    t.slow++;
    expect(t.rank(t.cells[t.find(0, 7)]!)).toBe(SLOW);
    t.insert(0, 7, 24, OP_MAX, 1, MARK_CLEAN);
    expect(t.rank(t.cells[t.find(0, 7)]!)).toBe(SLOW + 1);
  });

  it("by OP_SET may lower", () => {
    const t = table("4x64x8/r26");
    t.insert(0, 7, SLOW + 25, OP_MAX, 1, MARK_CLEAN);
    expect(t.insert(0, 7, 24, OP_SET, 1, MARK_DIRTY)).toBe(INSERTED.changed);
    expect(t.rank(t.cells[t.find(0, 7)]!)).toBe(24);
  });

  it("revives a passed cell in place, with the code alone", () => {
    const t = table("4x64x8/r26");
    t.insert(0, 7, 20, OP_MAX, 1, MARK_CLEAN);
    const at = t.find(0, 7);
    t.fast += 21;
    expect(t.find(0, 7)).toBe(-1);
    t.insert(0, 7, 2, OP_MAX, 9, MARK_CLEAN);
    expect(t.find(0, 7)).toBe(at);
    expect(t.rank(t.cells[at]!)).toBe(2);
    expect(slotOf(t, at)).toBe(9);
  });

  it("refuses when all buckets of x are full, and overwrites nobody", () => {
    const t = table("2x1x2/r20");
    const stored = [1, 2, 3, 4].map((x) => t.insert(0, x, 5, OP_MAX, 1, MARK_CLEAN));
    expect(stored).toEqual([INSERTED.changed, INSERTED.changed, INSERTED.changed, INSERTED.changed]);
    const before = [...t.cells];
    expect(t.insert(0, 5, 25, OP_MAX, 1, MARK_CLEAN)).toBe(INSERTED.full);
    expect([...t.cells]).toEqual(before);
  });

  it("counts passed but unswept cells as used", () => {
    const t = table("1x1x1/r20");
    t.insert(0, 1, 1, OP_MAX, 1, MARK_CLEAN);
    t.fast += 2;
    expect(t.insert(0, 2, 1, OP_MAX, 1, MARK_CLEAN)).toBe(INSERTED.full);
    expect(t.sweep()).toBe(1);
    expect(t.insert(0, 2, 1, OP_MAX, 1, MARK_CLEAN)).toBe(INSERTED.changed);
  });

  it("takes the least used bucket, the leftmost on a tie", () => {
    const t = table("2x1x4/r20");
    for (const x of [1, 2, 3]) t.insert(0, x, 5, OP_MAX, 1, MARK_CLEAN);
    expect([...t.cells].map((cell) => (cell ? 1 : 0))).toEqual([1, 1, 0, 0, 1, 0, 0, 0]);
  });

  it("reaches 85 % of 4x256x8 before the first refusal", () => {
    const t = table("4x256x8/r26");
    let seed = 1;
    const random = () => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return seed;
    };
    while (t.insert(random() & 3, random(), 5, OP_MAX, 1, MARK_CLEAN) !== INSERTED.full);
    expect(t.used / t.geometry.cells).toBeGreaterThan(0.85);
  });
});

describe("a free cell", () => {
  it("is no cell of the x with remainder 0", () => {
    const t = table("4x64x8/r4");
    for (let bucket = 0; bucket < 64; bucket++) {
      const { hi, lo } = t.permutations.xOf(bucket * 8, 0);
      expect(t.find(hi, lo)).toBe(-1);
      expect(t.findUsed(hi, lo)).toBe(-1);
    }
  });
});

describe("owners and marks", () => {
  it("a live cell of another client becomes shared, unknown ones too", () => {
    const t = table("4x64x8/r26");
    t.insert(0, 7, 3, OP_MAX, 0, MARK_CLEAN);
    t.insert(0, 7, 4, OP_MAX, 0, MARK_CLEAN);
    const at = t.find(0, 7);
    expect(slotOf(t, at)).toBe(0);
    t.insert(0, 7, 5, OP_MAX, 2, MARK_CLEAN);
    expect(slotOf(t, at)).toBe(SLOT_SHARED);
    t.insert(0, 7, 6, OP_MAX, 2, MARK_CLEAN);
    expect(slotOf(t, at)).toBe(SLOT_SHARED);
  });

  it("nothing is written when nothing changes", () => {
    const t = table("4x64x8/r26");
    t.insert(0, 7, 5, OP_MAX, 1, MARK_CLEAN);
    expect(t.insert(0, 7, 5, OP_MAX, 2, MARK_DIRTY)).toBe(INSERTED.unchanged);
    const at = t.find(0, 7);
    expect(t.owners[at]).toBe(1);
    expect(t.takeDirty()).toEqual([]);
  });

  it("DIRTY beats HELD, and HELD never puts DIRTY or AGED off", () => {
    const t = table("4x64x8/r26");
    t.insert(0, 7, 1, OP_MAX, 1, MARK_HELD);
    const at = t.find(0, 7);
    expect(markOf(t, at)).toBe(MARK_HELD);
    t.insert(0, 7, 2, OP_MAX, 1, MARK_DIRTY);
    expect(markOf(t, at)).toBe(MARK_DIRTY);
    t.insert(0, 7, 3, OP_MAX, 1, MARK_HELD);
    expect(markOf(t, at)).toBe(MARK_DIRTY);
    t.owners[at] = 1 | (MARK_AGED << OWNER_MARK_SHIFT);
    t.insert(0, 7, 4, OP_MAX, 1, MARK_HELD);
    expect(markOf(t, at)).toBe(MARK_AGED);
    t.insert(0, 7, 5, OP_MAX, 1, MARK_CLEAN);
    expect(markOf(t, at)).toBe(MARK_AGED);
  });

  it("a change that is to be published raises its block, once", () => {
    const t = table("4x64x8/r26");
    t.insert(0, 7, 1, OP_MAX, 1, MARK_HELD);
    expect(t.takeDirty()).toEqual([Math.floor(t.find(0, 7) / 512)]);
    expect(t.takeDirty()).toEqual([]);
  });

  it("superseding takes HELD and AGED off, and leaves DIRTY", () => {
    const t = table("4x64x8/r26");
    for (const [mark, after] of [
      [MARK_HELD, MARK_CLEAN],
      [MARK_AGED, MARK_CLEAN],
      [MARK_DIRTY, MARK_DIRTY],
    ] as const) {
      t.insert(0, 7, 1, OP_MAX, 1, MARK_CLEAN);
      const at = t.find(0, 7);
      t.owners[at] = 1 | (mark << OWNER_MARK_SHIFT);
      t.withholdHeld(at);
      expect(t.owners[at]).toBe(1 | (after << OWNER_MARK_SHIFT));
    }
  });
});

describe("lowering", () => {
  it("min lowers a live cell, never raises, never inserts", () => {
    const t = table("4x64x8/r26");
    expect(t.min(0, 7, 5, MARK_DIRTY)).toBe(INSERTED.unchanged);
    t.insert(0, 7, SLOW + 20, OP_MAX, 1, MARK_CLEAN);
    expect(t.min(0, 7, SLOW + 2, MARK_DIRTY)).toBe(INSERTED.changed);
    expect(t.min(0, 7, SLOW + 3, MARK_DIRTY)).toBe(INSERTED.unchanged);
    expect(t.rank(t.cells[t.find(0, 7)]!)).toBe(SLOW + 2);
  });

  it("drop frees the cell and keeps its owner, marked", () => {
    const t = table("4x64x8/r26");
    t.insert(0, 7, 5, OP_MAX, 3, MARK_CLEAN);
    const at = t.find(0, 7);
    expect(t.drop(0, 7, MARK_DIRTY)).toBe(INSERTED.changed);
    expect(t.cells[at]).toBe(0);
    expect(t.owners[at]).toBe(3 | (MARK_DIRTY << OWNER_MARK_SHIFT));
    expect(t.used).toBe(0);
  });
});

describe("an entry", () => {
  it("moves to another table by x alone", () => {
    const [from, to] = [table("4x64x8/r26"), table("4x64x8/r26")];
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (x) => {
        from.insert(0, x, 5, OP_MAX, 1, MARK_CLEAN);
        const at = from.find(0, x);
        const { hi, lo } = from.permutations.xOf(at, from.cells[at]! >>> from.geometry.timerBits);
        to.insert(hi, lo, from.rank(from.cells[at]!), OP_MAX, 1, MARK_CLEAN);
        expect(to.find(0, x)).toBeGreaterThanOrEqual(0);
        from.clear();
        to.clear();
      }),
    );
  });
});
