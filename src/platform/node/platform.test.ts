import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildSync } from "esbuild";
import { afterAll, describe, expect, it } from "vitest";
import { lineLog } from "../log.ts";
import type { Stream } from "../platform.ts";
import { nodePlatform } from "./platform.ts";

const directory = mkdtempSync(join(tmpdir(), "roamwall-platform-"));
const lines: string[] = [];
const platform = nodePlatform({ write: (line) => lines.push(line) });
afterAll(() => rmSync(directory, { recursive: true }));

describe("log", () => {
  it("writes one line with level, room and fields, and lets no control character through", () => {
    const out: string[] = [];
    const log = lineLog("info", (line) => out.push(line));
    log.debug("a", "dropped");
    log.info("agent", "connected", { path: "/run/x", none: undefined, count: 3 });
    log.warn("policy", "refused", { text: "two words", evil: "\x1b[31m\n" });
    // A neighbour's name is what it says.
    log.info("mesh", "neighbour 3 (\x1b[2Jx\nerror radius: forged) is there\x9b");
    expect(out.pop()).toBe("info  mesh: neighbour 3 (?[2Jx?error radius: forged) is there?\n");
    expect(out).toEqual([
      "info  agent: connected path=/run/x count=3\n",
      'warn  policy: refused text="two words" evil="\\u001b[31m\\n"\n',
    ]);
  });
});

describe("spawn", () => {
  const run = (command: string, ...args: string[]) =>
    new Promise<{ lines: string[]; code: number | undefined }>((resolve) => {
      const lines: string[] = [];
      platform.spawn(command, args, { line: (text) => lines.push(text), exit: (code) => resolve({ lines, code }) });
    });

  it("gives the lines of a program, the unfinished last one too, and its code", async () => {
    expect(await run("sh", "-c", "printf 'a\\n\\nb'; exit 3")).toEqual({ lines: ["a", "", "b"], code: 3 });
  });

  it("ends with no code when there is no such program", async () => {
    expect(await run("roamwall-no-such-program")).toEqual({ lines: [], code: undefined });
  });

  it("is stopped before it is known that there is no such program, and nobody else is hurt", async () => {
    const contents = `import { spawnProgram } from "./spawn.ts";
      const log: any = { debug() {} };
      spawnProgram("roamwall-no-such-program", [], { line() {}, exit: (code) => console.log("ended", code) }, log).stop();`;
    const stdin = { contents, resolveDir: import.meta.dirname, loader: "ts" as const };
    const { outputFiles } = buildSync({ stdin, bundle: true, platform: "node", format: "cjs", write: false });
    // In a group of its own: without the precaution this is who would be ended.
    const child = spawn(process.execPath, ["-e", outputFiles[0]!.text], {
      detached: true,
      stdio: ["ignore", "pipe", "ignore"],
    });
    let stdout = "";
    child.stdout.on("data", (bytes) => {
      stdout += bytes;
    });
    const status = await new Promise((resolve) => child.on("close", resolve));
    expect([status, stdout]).toEqual([0, "ended undefined\n"]);
  });

  it("hands arguments over as they are: there is no shell", async () => {
    expect((await run("echo", "$(id); `id` ; *")).lines).toEqual(["$(id); `id` ; *"]);
  });

  it("ends a program that never ends its line", async () => {
    const { code, lines } = await run("sh", "-c", "exec yes | tr -d '\\n'");
    expect(code).not.toBe(0);
    expect(lines).toHaveLength(0);
  });

  it("stops a program", async () => {
    const code = await new Promise((resolve) => {
      const child = platform.spawn("sleep", ["60"], { line: () => {}, exit: resolve });
      child.stop();
    });
    expect(code).toBe(undefined);
  });
});

describe("files", () => {
  it("names path and reason of what cannot be read", () => {
    const path = join(directory, "absent");
    expect(() => platform.files.readText(path)).toThrow(`${path}: no such file`);
    expect(() => platform.files.readText(directory)).toThrow("is a directory");
  });

  it("tells the permission bits", () => {
    const path = join(directory, "key");
    writeFileSync(path, "x", { mode: 0o600 });
    expect(platform.files.mode(path)).toBe(0o600);
  });

  it("calls back after the content changed, by writing or by renaming, and not when it was written anew", async () => {
    const path = join(directory, "watched");
    writeFileSync(path, "one");
    const seen: string[] = [];
    let heard = () => {};
    const stop = platform.files.watch(path, () => {
      seen.push(platform.files.readText(path));
      heard();
    });
    const change = (run: () => void) =>
      new Promise<void>((resolve) => {
        heard = resolve;
        run();
      });
    writeFileSync(path, "one");
    await change(() => writeFileSync(path, "two"));
    await change(() => {
      writeFileSync(`${path}.new`, "three");
      renameSync(`${path}.new`, path);
    });
    stop();
    expect(seen).toEqual(["two", "three"]);
  });
});

describe("streams", () => {
  it("carries bytes both ways, takes copies, and tells of the end", async () => {
    const path = join(directory, "deep", "socket");
    const server = await platform.serve(path, (stream) => stream.onBytes((bytes) => stream.write(bytes)));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const stream = await platform.connect(path);
    const reused = Uint8Array.of(1, 2, 3);
    const echoed = new Promise<Uint8Array>((resolve) => stream.onBytes(resolve));
    stream.write(reused);
    reused.fill(0);
    expect([...(await echoed)]).toEqual([1, 2, 3]);
    const closed = new Promise<void>((resolve) => stream.onClose(resolve));
    server.close();
    await closed;
    stream.write(reused);
  });

  it("replaces a dead socket, and refuses to take a live one", async () => {
    const path = join(directory, "contested");
    const live = createServer();
    await new Promise<void>((resolve) => live.listen(path, resolve));
    await expect(platform.serve(path, () => {})).rejects.toMatchObject({ code: "ROAMWALL_ERR_BUSY" });
    await new Promise((resolve) => live.close(resolve));
    writeFileSync(path, "dead");
    (await platform.serve(path, () => {})).close();
  });

  it("serves TCP, tells the port that it found, and names the address that is not ours", async () => {
    const listener = await platform.listen({ address: "127.0.0.1", port: 0 }, (stream) => {
      stream.onBytes((bytes) => stream.write(bytes));
    });
    const socket = connect(listener.local.port, "127.0.0.1");
    socket.write("hello");
    const [bytes] = (await once(socket, "data")) as [Uint8Array];
    expect(String(bytes)).toBe("hello");
    const closed = once(socket, "close");
    listener.close();
    await closed;
    const taken = platform.listen({ address: "192.0.2.1", port: 80 }, () => {});
    await expect(taken).rejects.toThrow("192.0.2.1 port 80: EADDRNOTAVAIL");
  });

  it("names the path where nobody listens", async () => {
    const path = join(directory, "nobody");
    await expect(platform.connect(path)).rejects.toThrow(`${path}: nobody listens there`);
  });

  it("delivers what came before somebody listened", async () => {
    const path = join(directory, "early");
    const served = new Promise<Stream>((resolve) => void platform.serve(path, resolve));
    let client: Stream | undefined;
    for (let i = 0; i < 50 && !client; i++) client = await platform.connect(path).catch(() => undefined);
    client!.write(Uint8Array.of(9));
    const stream = await served;
    const bytes = await new Promise<Uint8Array>((resolve) => stream.onBytes(resolve));
    expect([...bytes]).toEqual([9]);
  });

  it("delivers to who connected what came before it listened, and more than its buffer holds, in order", async () => {
    const path = join(directory, "early-too");
    const said = Uint8Array.from({ length: 300_000 }, (_, i) => i % 251);
    const server = await platform.serve(path, (stream) => {
      stream.write(said);
      stream.close();
    });
    const client = await platform.connect(path);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const heard: number[] = [];
    client.onBytes((bytes) => heard.push(...bytes));
    await new Promise<void>((resolve) => client.onClose(resolve));
    expect(heard).toEqual([...said]);
    server.close();
  });
});

describe("udp", () => {
  it("delivers unicast and multicast, each with its sender", async () => {
    const heard: string[] = [];
    let wake = () => {};
    const open = (port: number, name: string) =>
      platform.udp({
        bind: "127.0.0.1",
        port,
        group: "239.255.77.78",
        onDatagram(bytes, from) {
          heard.push(`${name} ${bytes[0]} ${from.address}`);
          wake();
        },
      });
    const a = await open(0, "a");
    const until = (count: number) =>
      new Promise<void>((resolve) => {
        wake = () => (heard.length >= count ? resolve() : undefined);
        wake();
      });
    a.send(Uint8Array.of(1), a.local);
    await until(1);
    a.send(Uint8Array.of(2), { address: "239.255.77.78", port: a.local.port });
    await until(2);
    a.close();
    expect(heard).toEqual(["a 1 127.0.0.1", "a 2 127.0.0.1"]);
  });

  it("rejects an address that is not ours, and names it", async () => {
    const wrong = platform.udp({ bind: "192.0.2.1", port: 4755, onDatagram: () => {} });
    await expect(wrong).rejects.toThrow("192.0.2.1 port 4755: EADDRNOTAVAIL");
  });
});
