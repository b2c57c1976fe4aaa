import { describe, expect, it } from "vitest";
import { Live, VIEWERS_MAX } from "./live.ts";
import { FakeClock, FakeStream } from "./testing/stream.ts";

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };
const LINE_END = "\n\n";

function looked() {
  const clock = new FakeClock();
  let made = 0;
  let fails = false;
  const live = new Live(clock, SILENT, [
    {
      name: "now",
      everyMs: () => 1_000,
      make: async () => {
        made++;
        if (fails) throw new Error("away");
        return { made, text: "a\nb\n\nevent: evil" };
      },
    },
  ]);
  const view = async () => {
    const stream = new FakeStream();
    live.add(stream, { hello: 1 });
    await stream.settled();
    return stream;
  };
  const pass = async (ms: number) => {
    clock.advance(ms);
    await new FakeStream().settled();
  };
  return { live, view, pass, made: () => made, fail: (now: boolean) => (fails = now) };
}

describe("Live", () => {
  it("works nothing out while nobody looks", async () => {
    const { view, pass, made } = looked();
    await pass(10_000);
    expect(made()).toBe(0);
    const stream = await view();
    await pass(1_000);
    expect(made()).toBe(2);
    stream.end();
    await pass(10_000);
    expect(made()).toBe(2);
  });

  it("works it out once for all, and tells a newcomer at once what was said last", async () => {
    const { view, pass, made } = looked();
    const streams = [await view(), await view(), await view()];
    expect(made()).toBe(1);
    expect(streams[2]!.text).toContain('event: first\ndata: {"hello":1}\n\nevent: now\ndata: {"made":1');
    await pass(1_000);
    expect(made()).toBe(2);
    expect(streams.every(({ text }) => text.includes('"made":2'))).toBe(true);
  });

  it("lets no content end its event", async () => {
    const { text } = await looked().view();
    expect(text.split(LINE_END).filter((event) => event.startsWith("event: evil"))).toEqual([]);
  });

  it("goes on after a failure", async () => {
    const { view, pass, fail } = looked();
    const stream = await view();
    fail(true);
    await pass(1_000);
    fail(false);
    await pass(1_000);
    expect(stream.text).toContain('"made":3');
  });

  it("skips a viewer that takes nothing, and drops it when that lasts", async () => {
    const { live, view, pass } = looked();
    const stuck = await view();
    const other = await view();
    stuck.pendingBytes = 1 << 20;
    const before = stuck.text.length;
    for (let i = 0; i < 22; i++) await pass(1_000);
    expect(stuck.text.length).toBe(before);
    expect(stuck.closes).toBe(2);
    expect(live.size).toBe(1);
    expect(other.text).toContain('"made":22');
  });

  it("says that it is full", async () => {
    const { live, view } = looked();
    for (let i = 0; i < VIEWERS_MAX; i++) await view();
    expect(live.isFull).toBe(true);
  });
});
