/** What src/platform/platform.ts promises, kept by the host; prints one JSON. The working folder is empty. */
import "../../src/platform/qjs/globals.ts";
import type { Platform, Stream } from "../../src/platform/platform.ts";
import { host } from "../../src/platform/qjs/host.ts";
import { hostPlatform } from "../../src/platform/qjs/platform.ts";

const platform: Platform = hostPlatform();
const { files } = platform;
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (...list: number[]) => Uint8Array.from(list);
const after = (ms: number) => new Promise<void>((resolve) => void platform.clock.after(ms, resolve));
const fails = async (run: () => unknown): Promise<string> => {
  try {
    await run();
    return "did not fail";
  } catch (error) {
    return (error as Error).message;
  }
};
const heard = (stream: Stream) => new Promise<Uint8Array>((resolve) => stream.onBytes(resolve));
const closed = (stream: Stream) => new Promise<string>((resolve) => stream.onClose(() => resolve("closed")));

const SCENES: Record<string, () => Promise<unknown>> = {
  async files() {
    files.writeText("a", "grün\n", 0o600);
    files.writeText("b", "", 0o644);
    return [
      files.readText("a"),
      files.mode("a").toString(8),
      files.exposure("a"),
      files.exposure("b"),
      files.readBytes("a").length,
      await fails(() => files.readText("absent")),
      await fails(() => files.readText(".")),
      await fails(() => files.writeText("no/such/folder", "", 0o600)),
    ];
  },
  async watch() {
    const seen: string[] = [];
    files.writeText("watched", "one", 0o600);
    const stop = files.watch("./watched", () => seen.push(files.readText("watched")));
    files.writeText("watched", "one", 0o600);
    await after(300);
    files.writeText("watched", "two", 0o600);
    await after(300);
    stop();
    files.writeText("watched", "three", 0o600);
    await after(300);
    return seen;
  },
  async text() {
    const encoded = new TextEncoder().encode("aé€😀\ud800");
    const wrong = [0x61, 0xff, 0xe2, 0x82, 0x62, 0xc0, 0x80, 0xed, 0xa0, 0x80, 0xf4, 0x90, 0x80, 0x80, 0xe2];
    return [[...encoded], text(encoded), text(bytes(...wrong)), text(bytes(0xef, 0xbb, 0xbf, 0x78))];
  },
  async streams() {
    const server = await platform.serve("folder/socket", (stream) => stream.onBytes((b) => stream.write(b)));
    const mode = files.mode("folder/socket").toString(8);
    const stream = await platform.connect("folder/socket");
    const reused = bytes(1, 2, 3);
    stream.write(reused);
    reused.fill(0);
    const echoed = [...(await heard(stream))];
    const busy = await fails(() => platform.serve("folder/socket", () => {}));
    const end = closed(stream);
    server.close();
    const told = await end;
    stream.write(reused);
    stream.close();
    const again = await platform.serve("folder/socket", () => {});
    again.close();
    return [mode, echoed, busy, told, await closed(stream), await fails(() => platform.connect("nobody"))];
  },
  /** Larger than any socket's buffer, both ways at once. */
  async bulk() {
    const size = 3_000_000;
    const server = await platform.serve("bulk", (stream) => stream.onBytes((b) => stream.write(b)));
    const stream = await platform.connect("bulk");
    const sent = Uint8Array.from({ length: size }, (_, i) => (i * 7 + (i >> 8)) & 255);
    let got = 0;
    let wrong = 0;
    const done = new Promise<void>((resolve) => {
      stream.onBytes((piece) => {
        for (const byte of piece) if (byte !== sent[got++]) wrong++;
        if (got >= size) resolve();
      });
    });
    stream.write(sent);
    const waits = stream.pendingBytes > 0;
    await done;
    server.close();
    return [got, wrong, waits, stream.pendingBytes];
  },
  /** A peer that reads nothing is let go at the bound. */
  async slow() {
    const taken: Stream[] = [];
    const server = await platform.serve("slow", (stream) => taken.push(stream));
    const stream = await platform.connect("slow");
    const end = closed(stream);
    let most = 0;
    for (let i = 0; i < 20; i++) {
      stream.write(new Uint8Array(1 << 20));
      most = Math.max(most, stream.pendingBytes);
    }
    const told = await end;
    server.close();
    return [told, most <= 16 << 20, most > 8 << 20];
  },
  async tcp() {
    const listener = await platform.listen({ address: "127.0.0.1", port: 0 }, (stream) => stream.close());
    const taken = await fails(() => platform.listen(listener.local, () => {}));
    listener.close();
    return [
      taken.replace(/\d+:/, "N:"),
      await fails(() => platform.listen({ address: "192.0.2.1", port: 80 }, () => {})),
    ];
  },
  async udp() {
    const seen: string[] = [];
    const open = (group: string, bind: string) =>
      platform.udp({
        bind,
        port: 0,
        group,
        ...(bind === "::1" && { iface: "%lo" }),
        onDatagram: (b, from, toGroup) => seen.push(`${b[0]} ${from.address} ${toGroup}`),
      });
    for (const [group, bind] of [
      ["239.255.77.79", "127.0.0.1"],
      ["ff02::77", "::1"],
    ] as const) {
      const socket = await open(group, bind);
      socket.send(bytes(1), socket.local);
      await after(50);
      // No route leads to an IPv6 group by a loopback.
      if (bind !== "::1") socket.send(bytes(2), { address: group, port: socket.local.port });
      await after(50);
      socket.close();
      socket.send(bytes(3), socket.local);
    }
    const wrong = platform.udp({ bind: "192.0.2.1", port: 4755, onDatagram: () => {} });
    return [seen, await fails(() => wrong)];
  },
  async spawn() {
    const run = (...words: string[]) =>
      new Promise((resolve) => {
        const lines: string[] = [];
        platform.spawn(words[0]!, words.slice(1), {
          line: (l) => lines.push(l),
          exit: (code) => resolve([lines, code]),
        });
      });
    const stopped = new Promise((resolve) => {
      const sleeper = platform.spawn("sleep", ["100"], { line: () => {}, exit: (code) => resolve(code ?? "signal") });
      platform.clock.after(20, () => sleeper.stop());
    });
    return [await run("sh", "-c", "printf 'a\\n\\nb'; exit 3"), await run("/no/such/program"), await stopped];
  },
  async timers() {
    const order: string[] = [];
    const note = (name: string) => () => order.push(name);
    platform.clock.after(20, note("late"));
    platform.clock.after(0, note("soon"));
    platform.clock.after(5, note("early"));
    platform.clock.after(5, note("second"));
    platform.clock.after(6, note("cancelled"))();
    platform.clock.after(Number.NaN, note("nan"));
    await after(60);
    return order;
  },
  async resolve() {
    const none = new Promise<string[]>((done) => host.resolve("no.such.name.invalid", done));
    const local = new Promise<string[]>((done) => host.resolve("localhost", done));
    return [(await none).length, (await local).includes("127.0.0.1")];
  },
};

void main();

async function main(): Promise<void> {
  const only = host.arguments[0];
  const results: Record<string, unknown> = {};
  for (const [name, play] of Object.entries(SCENES)) if (!only || only === name) results[name] = await play();
  host.say(1, host.encode(JSON.stringify(results)));
  host.exit(0);
}
