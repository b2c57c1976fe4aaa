/** Calls everything that the host offers with everything that is wrong. It ends with "survived N calls", or dies of its fault. */
import { host } from "../../src/platform/qjs/host.ts";

const CALLS = 40_000;
/** They end or stop the program, as they should. */
const LEFT_OUT = new Set(["exit", "say"]);

const shrunk = () => {
  const buffer = new (ArrayBuffer as unknown as new (bytes: number, options: object) => ArrayBuffer)(4096, {
    maxByteLength: 4096,
  });
  const view = new Uint8Array(buffer, 16, 4000);
  (buffer as unknown as { resize(bytes: number): void }).resize(0);
  return view;
};
const gone = () => {
  const view = new Uint8Array(64);
  (view.buffer as unknown as { transfer(): void }).transfer();
  return view;
};
const evil = {
  valueOf() {
    throw new Error("asked for a number");
  },
  toString() {
    throw new Error("asked for a text");
  },
};

const values: (() => unknown)[] = [
  () => undefined,
  () => null,
  () => true,
  () => Symbol("x"),
  () => 1n << 70n,
  () => evil,
  () => new Proxy({}, {}),
  () => [],
  () => ["true"],
  () => ["/nowhere/at/all", "x"],
  () => ({ length: 2 ** 40 }),
  () => [evil, "x"],
  ...[-1, 0, 1, 2, 0o600, 255, 256, 512, 65_535, 65_536, 2 ** 31, 2 ** 32 + 1, 2 ** 53, 1e300, 0.5, Number.NaN].map(
    (number) => () => number,
  ),
  () => Number.POSITIVE_INFINITY,
  ...["", "\0", "a\0b", "/", ".", "..", "x", "x/y/z", "127.0.0.1", "::1", "ff02::1%lo", "fe80::1%nothing"].map(
    (text) => () => text,
  ),
  ...["239.1.2.3", "%lo", "SIGHUP", "PATH", "x.sock", "\ud800", "x".repeat(107), "x".repeat(70_000)].map(
    (text) => () => text,
  ),
  () => new Uint8Array(0),
  ...[1, 12, 16, 32, 64, 80, 4096, 70_000].map((length) => () => new Uint8Array(length)),
  () => new Uint8Array(64).subarray(60),
  () => new Uint8ClampedArray(32),
  () => new Uint16Array(16),
  () => new DataView(new ArrayBuffer(32)),
  () => new ArrayBuffer(32),
  shrunk,
  gone,
  () => () => {},
  () => () => tease(1),
  () => Math.max,
];

let state = 1;
const below = (limit: number): number => {
  state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
  return Math.floor((state / 2 ** 32) * limit);
};

const names = Object.keys(Object.getOwnPropertyDescriptors(host)).filter((name) => {
  return typeof host[name as keyof typeof host] === "function" && !LEFT_OUT.has(name);
});
const ids: unknown[] = [];
let calls = 0;

function tease(count: number): void {
  for (let i = 0; i < count; i++) {
    const name = names[below(names.length)]!;
    // Children are real processes: some, not thousands.
    if ((name === "spawn" || name === "resolve") && below(200) > 0) continue;
    const words = Array.from({ length: below(6) }, () => {
      return ids.length > 0 && below(4) === 0 ? ids[below(ids.length)] : values[below(values.length)]!();
    });
    calls++;
    try {
      const result = (host[name as keyof typeof host] as (...words: unknown[]) => unknown)(...words);
      if (typeof result === "number" && ids.length < 1_000) ids.push(result);
    } catch (error) {
      if (!(error instanceof Error)) throw new Error(`${name} threw what is no error`);
    }
  }
}

// The right kinds in the right places reach deeper than chance does.
function rightKinds(): void {
  for (const bytes of [shrunk(), gone(), new Uint8Array(0), new Uint8Array(70_000)]) {
    const attempts = [
      () => host.seal(new Uint8Array(32), new Uint8Array(12), bytes, bytes, new Uint8Array(bytes.length + 16)),
      () => host.seal(new Uint8Array(32), new Uint8Array(12), new Uint8Array(0), new Uint8Array(0), bytes),
      () => host.seal(new Uint8Array(32), new Uint8Array(12), new Uint8Array(0), bytes, new Uint8Array(0)),
      () => host.open(new Uint8Array(32), new Uint8Array(12), bytes, bytes),
      () => host.sha256(bytes),
      () => host.decode(bytes),
      () => host.verify(bytes, bytes, bytes),
      () => host.replace("x", bytes, 0o600),
      () =>
        host.send(
          host.udp("127.0.0.1", 0, false, () => {}),
          bytes,
          "127.0.0.1",
          9,
        ),
    ];
    for (const attempt of attempts) {
      calls++;
      try {
        attempt();
      } catch (error) {
        if (!(error instanceof Error)) throw error;
      }
    }
  }
}

rightKinds();
// In turns of the loop, so that what was opened has its events.
const turn = (left: number): void => {
  tease(CALLS / 40);
  if (left > 0) host.after(1, () => turn(left - 1));
  else {
    host.say(1, host.encode(`survived ${calls} calls of ${names.length} functions\n`));
    host.exit(0);
  }
};
turn(39);
