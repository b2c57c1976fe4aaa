import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { nodePlatform } from "../../platform/node/platform.ts";
import { serveApi } from "../api.ts";
import { NEIGHBOUR, STATUS } from "../metrics/testing/figures.ts";
import "./verbs.ts";
import { paperTerminal } from "../../platform/testing/paper-terminal.ts";
import { runCli } from "./cli.ts";
import { styleFor } from "./text.ts";
import { screenOf } from "./top.ts";

const ON = "\x1b[?1049h\x1b[?25l";
const OFF = "\x1b[?25h\x1b[?1049l";
const ANSWERS: Record<string, unknown> = { status: STATUS, neighbours: [NEIGHBOUR], clients: [], denied: [] };

/** A person before a terminal, an agent behind a socket, and a clock that moves when told. */
class Scene {
  readonly directory = mkdtempSync(join(tmpdir(), "roamwall-top-"));
  readonly socket = join(this.directory, "agent.sock");
  readonly node = nodePlatform();
  readonly due = new Set<() => void>();
  readonly signals = new Map<string, () => void>();
  readonly written = { out: "", err: "" };
  keysEnded = 0;
  press = (_: string) => {};
  server: { close(): void } | undefined;

  async open(): Promise<void> {
    this.server = await this.node.serve(this.socket, (stream) => serveApi(stream, async ({ verb }) => ANSWERS[verb]));
  }

  run(isTerminal = true): Promise<number> {
    const terminal = paperTerminal(["top", "--socket", this.socket], this.written, {
      isTerminal,
      onSignal: (signal, run) => void this.signals.set(signal, run),
      onKey: (run) => {
        this.press = run;
        return () => this.keysEnded++;
      },
    });
    const after = (_ms: number, run: () => void) => {
      this.due.add(run);
      return () => this.due.delete(run);
    };
    return runCli(terminal, { ...this.node, clock: { nowMs: () => 0, after } });
  }

  async until(done: () => boolean): Promise<void> {
    for (let i = 0; i < 500_000 && !done(); i++) await new Promise((resolve) => setImmediate(resolve));
    expect(done(), this.written.err + this.written.out).toBe(true);
  }
}

let scene: Scene;
beforeEach(async () => {
  scene = new Scene();
  await scene.open();
});
afterEach(() => {
  scene.server?.close();
  rmSync(scene.directory, { recursive: true });
});

describe("roamwall top", () => {
  it.each([
    ["q", () => scene.press("q")],
    ["Ctrl-C, which is a key in raw mode", () => scene.press("\x03")],
    ["SIGTERM", () => scene.signals.get("SIGTERM")!()],
    ["a terminal that goes away", () => scene.signals.get("SIGHUP")!()],
  ])("gives the terminal back after %s", async (_, quit) => {
    const over = scene.run();
    await scene.until(() => scene.written.out.includes("ap1"));
    quit();
    expect(await over).toBe(0);
    expect([scene.written.out.startsWith(ON), scene.written.out.endsWith(OFF), scene.keysEnded]).toEqual([
      true,
      true,
      1,
    ]);
  });

  it("gives it back when the agent dies, and says so", async () => {
    const over = scene.run();
    await scene.until(() => scene.written.out.includes("ap1"));
    scene.server!.close();
    scene.server = undefined;
    for (const run of [...scene.due]) run();
    expect(await over).toBe(1);
    expect([scene.written.out.endsWith(OFF), scene.keysEnded]).toEqual([true, 1]);
    expect(scene.written.err).toContain("ROAMWALL_ERR_CONNECT");
  });

  it("never touches the screen where there is none, or no agent", async () => {
    expect([await scene.run(false), scene.written.out]).toEqual([2, ""]);
    scene.server!.close();
    scene.server = undefined;
    expect([await scene.run(), scene.written.out]).toEqual([1, ""]);
  });

  it("shows rates between two looks, and no line wider than the screen", () => {
    const look = (atMs: number, passed: number) => ({
      atMs,
      status: { ...STATUS, datapath: { ...STATUS.datapath!, passed } },
      neighbours: [NEIGHBOUR],
      clients: [],
      denied: [],
    });
    const screen = screenOf(look(3_000, 2_500), look(1_000, 500), styleFor(true, false), 40, 24);
    expect(screen).toContain("neighbours");
    const wide = screenOf(look(3_000, 2_500), look(1_000, 500), styleFor(true, false), 200, 24);
    expect(wide).toContain("passed 1,000 packets/s");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the terminal's codes take no room
    const widths = screen.split("\r\n").map((line) => line.replace(/\x1b\[[?\d;]*[A-Za-z]/g, "").length);
    expect(Math.max(...widths)).toBeLessThanOrEqual(40);
  });
});
