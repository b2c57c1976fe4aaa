import { describe, expect, it } from "vitest";
import { parseMac } from "../base/mac.ts";
import type { Platform, Stream } from "../platform/platform.ts";
import { ABI_VERSION, CONSTANTS } from "./abi.ts";
import { connectDatapath } from "./client.ts";
import type { Datapath, DatapathHandlers } from "./datapath.ts";
import { type Fields, type Layout, type RecordOf, readRecord, writeRecord } from "./layout.ts";
import { AUTOMATA, MAP_RECORDS } from "./map-records.ts";
import { COMMANDS, EVENTS, LISTS, STREAM_HEADER } from "./stream-records.ts";

const PATH = "/run/test.sock";
const MAC = parseMac("02:00:00:00:0a:01", "test");

/** roamwalld's end of a stream in memory. */
class Peer implements Stream {
  pendingBytes = 0;
  closed = false;
  readonly written: Uint8Array[] = [];
  private bytesHandler: (bytes: Uint8Array) => void = () => {};
  private closeHandler: () => void = () => {};
  write(bytes: Uint8Array): void {
    this.written.push(bytes.slice());
  }
  onBytes(handler: (bytes: Uint8Array) => void): void {
    this.bytesHandler = handler;
  }
  onClose(handler: () => void): void {
    this.closeHandler = handler;
  }
  close(): void {
    this.closed = true;
  }
  /** A copy, wiped afterwards: a reader that keeps the bytes it was lent is found out. */
  deliver(bytes: Uint8Array): void {
    const lent = bytes.slice();
    this.bytesHandler(lent);
    lent.fill(0xee);
  }
  hangUp(): void {
    this.closeHandler();
  }
}

function platformOf(peer: Peer): Platform & { fire(): void } {
  const timers: (() => void)[] = [];
  const clock = {
    nowMs: () => 0,
    after: (_ms: number, run: () => void) => {
      timers.push(run);
      return () => timers.splice(timers.indexOf(run), 1);
    },
  };
  const fire = () => {
    for (const run of timers.splice(0)) run();
  };
  return { clock, fire, connect: async () => peer } as unknown as Platform & { fire(): void };
}

function record(kind: number, bodies: Uint8Array[], le: boolean): Uint8Array {
  const bytes = STREAM_HEADER.bytes + bodies.reduce((sum, body) => sum + body.length, 0);
  const out = new Uint8Array(bytes);
  writeRecord(STREAM_HEADER, new DataView(out.buffer), 0, { kind, bytes }, le);
  let at: number = STREAM_HEADER.bytes;
  for (const body of bodies) {
    out.set(body, at);
    at += body.length;
  }
  return out;
}

function body<F extends Fields>(of: Layout<F>, value: Partial<RecordOf<F>>, le: boolean): Uint8Array {
  const out = new Uint8Array(of.bytes);
  writeRecord(of, new DataView(out.buffer), 0, value, le);
  return out;
}

function hello(le: boolean, abi = ABI_VERSION): Uint8Array {
  const value = { magic: CONSTANTS.MAGIC, abi, table_id: 0x1122334455667788n, bucket_bits: 10, clients_max: 1024 };
  return record(EVENTS.hello.number, [body(EVENTS.hello.body, value, le)], le);
}

const text = (words: string) => Uint8Array.from(words, (c) => c.charCodeAt(0));

/** Every kind of event once, and what a listener hears of it. */
function script(le: boolean): { bytes: Uint8Array; heard: unknown[] } {
  const cell = (coordinate: number, c: number, owner: number) =>
    body(EVENTS.cells.body, { coordinate, cell: c, owner }, le);
  const known = [...body(MAP_RECORDS.client, { slot: 770 }, le)];
  const client = { mac: [2, 0, 0, 0, 10, 1], record: known, passed: 1n << 40n };
  const parts = [
    hello(le),
    record(EVENTS.port.number, [body(EVENTS.port.body, { ifindex: 7, zone: 3, attached: 1, open_ms: 5 }, le)], le),
    record(EVENTS.cells.number, [cell(1, 0xfedcba98, 9), cell(32767, 2, 16383)], le),
    record(EVENTS.cells.number, [], le),
    record(EVENTS.arrived.number, [body(EVENTS.arrived.body, { mac: [2, 0, 0, 0, 10, 1], slot: 4, zone: 2 }, le)], le),
    record(
      EVENTS.sample.number,
      [body(EVENTS.sample.body, { kind: 2, reason: 3, client_port: 4242 }, le), text("frame")],
      le,
    ),
    record(EVENTS.sample.number, [body(EVENTS.sample.body, { kind: 4, client_port: 4243 }, le)], le),
    record(99, [text("from the future")], le),
    record(EVENTS.overflow.number, [body(EVENTS.overflow.body, { lost: 3n }, le)], le),
    record(EVENTS.ticks.number, [body(EVENTS.ticks.body, { fast: 100000, slow: 3333 }, le)], le),
    record(EVENTS.client.number, [body(EVENTS.client.body, client, le)], le),
    record(EVENTS.refused.number, [body(EVENTS.refused.body, { command: 4 }, le), text("no room")], le),
  ];
  const heard = [
    ["port", 7, 5],
    ["cells", [1, 32767], [0xfedcba98, 2], [9, 16383]],
    ["cells", [], [], []],
    ["arrived", MAC, 4, 2],
    ["denied", 3, 4242, "frame"],
    ["passed", 4, 4243],
    ["overflow"],
    ["ticks", 100000, 3333],
    ["client", 1n << 40n, 770],
    ["refused", 4, "no room"],
  ];
  const bytes = Uint8Array.from(parts.flatMap((part) => [...part]));
  return { bytes, heard };
}

function listener(heard: unknown[]): DatapathHandlers {
  const first = (array: ArrayLike<number>, count: number) => Array.from(array).slice(0, count);
  return {
    cells: (at, cells, owners, n) => heard.push(["cells", first(at, n), first(cells, n), first(owners, n)]),
    arrived: (mac, slot, zone) => heard.push(["arrived", mac, slot, zone]),
    denied: (event, frame) => heard.push(["denied", event.reason, event.client_port, new TextDecoder().decode(frame)]),
    passed: (event) => heard.push(["passed", event.kind, event.client_port]),
    overflow: () => heard.push(["overflow"]),
    ticks: (fast, slow) => heard.push(["ticks", fast, slow]),
    client: (dump) => heard.push(["client", dump.passed, dump.record.slot]),
    port: (event) => heard.push(["port", event.ifindex, event.open_ms]),
    refused: (command, why) => heard.push(["refused", command, why]),
    closed: () => heard.push(["closed"]),
  };
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

async function connected(le = true): Promise<{ peer: Peer; datapath: Datapath }> {
  const peer = new Peer();
  const opening = connectDatapath(platformOf(peer), PATH);
  await settled();
  peer.deliver(hello(le));
  return { peer, datapath: await opening };
}

describe.each([
  ["little", true],
  ["big", false],
])("from a %s-endian roamwalld", (_name, le) => {
  it("hears every event, wherever the stream is cut in two", async () => {
    const { bytes, heard: expected } = script(le);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const peer = new Peer();
      const heard: unknown[] = [];
      const opening = connectDatapath(platformOf(peer), PATH);
      await Promise.resolve();
      peer.deliver(bytes.subarray(0, cut));
      peer.deliver(bytes.subarray(cut));
      const datapath = await opening;
      datapath.handlers = listener(heard);
      await Promise.resolve();
      await Promise.resolve();
      expect(heard, `cut at ${cut}`).toEqual(expected);
      expect(datapath.hello.table_id).toBe(0x1122334455667788n);
    }
  });

  it("hears every event byte by byte", async () => {
    const { bytes, heard: expected } = script(le);
    const peer = new Peer();
    const heard: unknown[] = [];
    const opening = connectDatapath(platformOf(peer), PATH);
    await settled();
    for (let i = 0; i < bytes.length; i++) peer.deliver(bytes.subarray(i, i + 1));
    (await opening).handlers = listener(heard);
    await settled();
    expect(heard).toEqual(expected);
  });

  it("writes commands in its byte order", async () => {
    const { peer, datapath } = await connected(le);
    datapath.mirrorTicks(3, 0x01020304, 5);
    const view = new DataView(peer.written[0]!.buffer);
    expect(readRecord(STREAM_HEADER, view, 0, le)).toEqual({ kind: COMMANDS.mirror_ticks.number, pad: 0, bytes: 20 });
    expect(readRecord(COMMANDS.mirror_ticks.body, view, 8, le)).toEqual({ mirror: 3, fast: 0x01020304, slow: 5 });
    datapath.adopt(7, CONSTANTS.MARK_DIRTY, [1], [0xfffffff0], [25]);
    const adopt = new DataView(peer.written[1]!.buffer);
    expect(readRecord(COMMANDS.adopt.body, adopt, 8, le)).toMatchObject({ slot: 7, mark: 2 });
    expect(readRecord(LISTS.adopted, adopt, 16, le)).toEqual({ x: 0x1fffffff0n, code: 25, pad: 0 });
  });
});

describe("commands", () => {
  it("carry a client's record whole", async () => {
    const { peer, datapath } = await connected();
    const value = {
      slot: 12,
      presence: 1,
      flags: 0,
      filter: [1, 2, 0xffff, 0xffff],
      from: 5,
      zone: 3,
      open_out: 100,
      open_in: 0,
      half_open: 0,
      ends: 0,
      pad: 0,
    };
    datapath.setClient(MAC, value);
    const view = new DataView(peer.written[0]!.buffer);
    expect([...peer.written[0]!.subarray(8, 14)]).toEqual([2, 0, 0, 0, 10, 1]);
    expect(readRecord(MAP_RECORDS.client, view, 16, true)).toEqual(value);
  });

  it("cut long lists into records that leave room for others", async () => {
    const { peer, datapath } = await connected();
    const n = 20_000;
    const coordinates = Uint32Array.from({ length: n }, (_, i) => i);
    datapath.mirrorCells(
      1,
      Uint32Array.from({ length: 2 * n }, (_, i) => i >> 1),
      n,
    );
    expect(peer.written.length).toBeGreaterThan(1);
    const all = peer.written.flatMap((bytes) => {
      const view = new DataView(bytes.buffer);
      const count = (bytes.length - 12) / 8;
      return Array.from({ length: count }, (_, i) => view.getUint32(12 + i * 8, true));
    });
    expect(all).toEqual([...coordinates]);
  });

  it.each([
    ["little", true],
    ["big", false],
  ])("carry cells in roamwalld's own byte order: %s endian", async (_, le) => {
    const { peer, datapath } = await connected(le);
    datapath.mirrorCells(1, Uint32Array.of(7, 0x01020304, 8, 0x05060708), 2);
    const view = new DataView(peer.written[0]!.buffer);
    expect([0, 4, 8, 12].map((at) => view.getUint32(12 + at, le))).toEqual([7, 0x01020304, 8, 0x05060708]);
  });

  it("refuse an automata blob of another size before it is sent", async () => {
    const { peer, datapath } = await connected();
    expect(() => datapath.loadAutomata(new Uint8Array(7))).toThrow(`${AUTOMATA.BYTES} bytes`);
    datapath.loadAutomata(new Uint8Array(AUTOMATA.BYTES));
    expect(peer.written.length).toBe(1);
  });

  it("answer sync and counters, each to its own question", async () => {
    const { peer, datapath } = await connected();
    const order: string[] = [];
    const both = [datapath.sync().then(() => order.push("one")), datapath.sync().then(() => order.push("two"))];
    const counters = datapath.counters();
    peer.deliver(record(EVENTS.synced.number, [body(EVENTS.synced.body, { token: 2 }, true)], true));
    await settled();
    peer.deliver(record(EVENTS.counters.number, [body(EVENTS.counters.body, { used_cells: 8 }, true)], true));
    peer.deliver(record(EVENTS.synced.number, [body(EVENTS.synced.body, { token: 1 }, true)], true));
    await Promise.all(both);
    expect(order).toEqual(["two", "one"]);
    expect((await counters).used_cells).toBe(8);
  });
});

describe("what goes wrong", () => {
  async function refusedWith(bytes: Uint8Array): Promise<unknown> {
    const peer = new Peer();
    const opening = connectDatapath(platformOf(peer), PATH);
    const outcome = opening.catch((error: unknown) => error);
    await settled();
    peer.deliver(bytes);
    expect(peer.closed).toBe(true);
    return outcome;
  }

  it("names both abi versions when they differ", async () => {
    const error = await refusedWith(hello(true, ABI_VERSION + 1));
    expect(error).toMatchObject({ code: "ROAMWALL_ERR_ABI" });
    expect(String(error)).toContain(`abi version ${ABI_VERSION + 1}, this agent ${ABI_VERSION}`);
  });

  it("passes on why roamwalld refuses this agent", async () => {
    const refusal = record(EVENTS.refused.number, [body(EVENTS.refused.body, {}, true), text("another agent")], true);
    expect(String(await refusedWith(refusal))).toContain("another agent");
  });

  it("does not take another server for roamwalld", async () => {
    expect(await refusedWith(text("HTTP/1.1 400 Bad Request"))).toMatchObject({ code: "ROAMWALL_ERR_PROTOCOL" });
  });

  it("gives up when no greeting comes", async () => {
    const peer = new Peer();
    const platform = platformOf(peer);
    const outcome = connectDatapath(platform, PATH).catch((error: unknown) => error);
    await settled();
    platform.fire();
    expect(await outcome).toMatchObject({ code: "ROAMWALL_ERR_CONNECT" });
  });

  it.each([
    ["a record longer than any", Uint8Array.from([2, 0, 0, 0, 0, 0, 0, 0x7f])],
    ["a record shorter than its header", Uint8Array.from([2, 0, 0, 0, 7, 0, 0, 0])],
    ["half a cell", record(EVENTS.cells.number, [new Uint8Array(13)], true)],
    ["ticks cut short", record(EVENTS.ticks.number, [new Uint8Array(4)], true)],
  ])("closes on %s, and says so once", async (_name, bytes) => {
    const { peer, datapath } = await connected();
    const heard: unknown[] = [];
    datapath.handlers = listener(heard);
    await settled();
    peer.deliver(bytes);
    peer.deliver(bytes);
    peer.hangUp();
    expect(heard).toEqual([["closed"]]);
    expect(peer.closed).toBe(true);
  });

  it("rejects open questions when roamwalld goes, and later ones too", async () => {
    const { peer, datapath } = await connected();
    const open = datapath.sync().catch((error: unknown) => error);
    peer.hangUp();
    expect(await open).toMatchObject({ code: "ROAMWALL_ERR_CONNECT" });
    await expect(datapath.counters()).rejects.toMatchObject({ code: "ROAMWALL_ERR_CLOSED" });
  });

  it("gives up a roamwalld that takes nothing", async () => {
    const { peer, datapath } = await connected();
    const heard: unknown[] = [];
    datapath.handlers = listener(heard);
    peer.pendingBytes = 1 << 30;
    datapath.clearMirror(1);
    expect(heard).toEqual([["closed"]]);
  });
});
