import { describe, expect, it } from "vitest";
import { Prng } from "../../test/conformance/prng.ts";
import { applyChange, CountingFilter, difference, union } from "./counting.ts";
import { buildFilter } from "./filter.ts";
import { ruleKeys } from "./keys.ts";
import { compilePolicy, parsePolicy, parseRules } from "./policy.ts";

const SEEDS = [1, 2, 3, 4] as const;
const EMPTY = compilePolicy(parsePolicy("roles: {}", "test"), SEEDS);
const SHAPE = { bits: 4096, seed: 77, probes: 10 };
const keyOf = (port: number) => {
  const text = `${port % 2 ? "out" : "in"} tcp/${port} ${port % 2 ? "to" : "from"} any`;
  return ruleKeys(parseRules([{ text, place: "test" }], EMPTY.source)[0]!, EMPTY.context)[0]!;
};
const fresh = (ports: Iterable<number>) => buildFilter([...ports].map(keyOf), 0.001, SHAPE.seed, SEEDS, SHAPE);
const policyOf = (ports: readonly number[]) =>
  parsePolicy(JSON.stringify({ roles: { many: { rules: ports.map((port) => `out tcp/${port} to any`) } } }), "test");

describe("a counting filter", () => {
  it.each([1, 2, 3, 4])("is after any edits what a filter of its keys is that was never edited (seed %i)", (seed) => {
    const random = new Prng(seed);
    const counting = new CountingFilter(SHAPE, SEEDS);
    const has = new Set<number>();
    for (let i = 0; i < 400; i++) {
      const port = 1 + random.below(300);
      if (has.delete(port)) counting.remove([keyOf(port)]);
      else counting.add([keyOf(has.add(port) && port)]);
      if (i % 20 === 0) expect(counting.content()).toEqual(fresh(has));
    }
    expect(counting.content()).toEqual(fresh(has));
  });

  it("would lose keys if it only cleared bits (the control)", () => {
    const [both, one, other] = [fresh([1, 3]), fresh([1]), fresh([3])];
    const cleared = both.data.map((byte, i) => byte & ~one.data[i]!);
    // With 10 probes in few bits two keys share one; in a small filter that is sure.
    const small = { ...SHAPE, bits: 64 };
    const [pair, first, second] = [[1, 3], [1], [3]].map((ports) =>
      buildFilter(ports.map(keyOf), 0.001, SHAPE.seed, SEEDS, small),
    ) as [typeof both, typeof both, typeof both];
    expect(pair.data.map((byte, i) => byte & ~first.data[i]!)).not.toEqual(second.data);
    expect(cleared.length).toBe(other.data.length);
  });
});

describe("two filters of one shape", () => {
  it("differ in positions that make one of the other, and their union has the keys of both", () => {
    const [a, b] = [fresh([1, 3, 5]), fresh([3, 5, 7, 8])];
    const change = difference(a, b)!;
    expect(applyChange(a, change)).toEqual(b.data);
    expect(change.set.length + change.clear.length).toBeLessThanOrEqual(30);
    expect(union(a, b)).toEqual(fresh([1, 3, 5, 7, 8]));
  });

  it("are none where size, seed or probes are others", () => {
    const other = buildFilter([keyOf(1)], 0.001, 78, SEEDS, SHAPE);
    expect([difference(fresh([1]), other), union(fresh([1]), other)]).toEqual([undefined, undefined]);
  });
});

describe("a role that is edited", () => {
  const ports = (count: number, from = 1) => Array.from({ length: count }, (_, i) => from + i);
  const compiled = (list: readonly number[], previous?: ReturnType<typeof compilePolicy>) =>
    compilePolicy(policyOf(list), SEEDS, previous ? { previous } : {});
  const filterOf = (policy: ReturnType<typeof compilePolicy>) => policy.filters[0]!;

  it("keeps its places: a rule more is at most ten positions, once it has room", () => {
    const first = compiled(ports(1_000));
    // The first growth makes room.
    const second = compiled(ports(1_001), first);
    const third = compiled([...ports(1_000), 5_000], second);
    const change = difference(filterOf(second), filterOf(third))!;
    expect(change.set.length).toBeLessThanOrEqual(10);
    expect(change.clear.length).toBeLessThanOrEqual(10);
    expect([first, second, third].map(({ roles }) => roles.get("many")!.revision)).toEqual([1, 2, 3]);
  });

  it("keeps number, revision and digest when nothing changed", () => {
    const first = compiled(ports(100));
    const again = compiled([...ports(100)].reverse(), first);
    expect(again.roles.get("many")).toEqual(first.roles.get("many"));
    expect(first.roles.get("many")!.digest).toMatch(/^[0-9a-f]{16}$/);
  });

  it("keeps the rate, however often it is edited, and gives room back", () => {
    const random = new Prng(9);
    let policy = compiled(ports(300));
    for (let i = 0; i < 40; i++) {
      const list = ports(50 + random.below(600), 1 + random.below(3_000));
      policy = compiled(list, policy);
      const { bits, probes, data } = filterOf(policy);
      expect((1 - Math.exp((-probes * list.length) / bits)) ** probes).toBeLessThan(0.0011);
      expect(bits).toBeLessThanOrEqual(Math.max(1_088, 14.4 * list.length * 2 + 64));
      // The same bits as made from nothing.
      const like = { bits, probes };
      const keys = list.map(
        (port) =>
          ruleKeys(parseRules([{ text: `out tcp/${port} to any`, place: "t" }], policy.source)[0]!, policy.context)[0]!,
      );
      expect(data).toEqual(buildFilter(keys, 0.001, filterOf(policy).seed, SEEDS, like).data);
    }
  });
});
