import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { nodePlatform } from "../platform/node/platform.ts";
import type { Platform, ProcessHandlers } from "../platform/platform.ts";
import { HostapdEvents, readStation, type Station } from "./hostapd-events.ts";

/** As `ubus subscribe` prints it, recorded from the field names of hostapd's ubus.c. */
const RECORDED =
  `{ "probe": {"address":"02:00:00:00:0a:01","ifname":"phy0-ap0","target":"02:00:00:00:01:00","signal":-47,"freq":2412} }
{ "auth": {"address":"02:00:00:00:0a:01","ifname":"phy0-ap0","target":"02:00:00:00:01:00","signal":-47,"freq":2412} }
{ "assoc": {"address":"02:00:00:00:0a:01","ifname":"phy0-ap0","target":"02:00:00:00:01:00","signal":-47,"freq":2412} }
{ "sta-authorized": {"address":"02:00:00:00:0a:01","ifname":"phy0-ap0","auth-alg":"ft"} }
{ "sta-authorized": {"address":"02:00:00:00:0a:02","vlan":7,"ifname":"phy0-ap0","auth-alg":"open","rate-limit":[0,0]} }
{ "disassoc": {"address":"02:00:00:00:0a:01","ifname":"phy0-ap0"} }`.split("\n");

it.each([
  [RECORDED[3]!, { mac: "02:00:00:00:0a:01", netdev: "phy0-ap0", isFast: true }],
  [RECORDED[4]!, { mac: "02:00:00:00:0a:02", netdev: "phy0-ap0", isFast: false }],
  [RECORDED[0]!, undefined],
  ['{ "sta-authorized": {"address":"nonsense","ifname":"x"} }', undefined],
  ['{ "sta-authorized": {"address":"02:00:00:00:0a:01"} }', undefined],
  ['{ "sta-authorized": null }', undefined],
  ["Command failed: Not found", undefined],
])("reads %s", (line, station) => {
  expect(readStation(line)).toEqual(station);
});

/** A ubus whose daemon and objects come and go. */
class World {
  nowMs = 0;
  objects: string[] = ["hostapd.phy0-ap0"];
  isUp = true;
  readonly timers = new Set<{ atMs: number; run: () => void }>();
  readonly running: { words: string[]; on: ProcessHandlers; isStopped: boolean }[] = [];
  readonly stations: Station[] = [];
  readonly lines: string[] = [];
  readonly events: HostapdEvents;

  constructor() {
    const log = (_room: string, text: string) => void this.lines.push(text);
    const platform: Pick<Platform, "spawn" | "clock" | "log"> = {
      log: { debug: log, info: log, warn: log, error: log },
      clock: {
        nowMs: () => this.nowMs,
        after: (ms, run) => {
          const timer = { atMs: this.nowMs + ms, run };
          this.timers.add(timer);
          return () => this.timers.delete(timer);
        },
      },
      spawn: (command, args, on) => {
        const process = { words: [command, ...args], on, isStopped: false };
        if (!this.isUp) queueMicrotask(() => on.exit(undefined));
        else if (args[0] === "list") {
          for (const name of this.objects) on.line(name);
          queueMicrotask(() => on.exit(this.objects.length ? 0 : 4));
        } else this.running.push(process);
        return { stop: () => this.end(process) };
      },
    };
    this.events = new HostapdEvents(platform, (station) => this.stations.push(station));
  }

  end(process: { on: ProcessHandlers; isStopped: boolean }): void {
    const at = this.running.indexOf(process as World["running"][number]);
    if (at < 0) return;
    this.running.splice(at, 1);
    process.on.exit(undefined);
  }

  subscriptions(): string[][] {
    return this.running.filter(({ words }) => words[0] === "sh").map(({ words }) => words.slice(4));
  }

  hear(line: string): void {
    for (const { words, on } of this.running) if (words[0] === "sh") on.line(line);
  }

  /** hostapd put an object there or took one away. */
  tell(event: string, path: string): void {
    for (const { words, on } of this.running)
      if (words[1] === "listen") on.line(`{ "ubus.object.${event}": {"id":1,"path":"${path}"} }`);
  }

  async pass(ms: number): Promise<void> {
    const endMs = this.nowMs + ms;
    for (;;) {
      for (let i = 0; i < 30; i++) await Promise.resolve();
      const [next] = [...this.timers].filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs);
      if (!next) break;
      this.nowMs = next.atMs;
      this.timers.delete(next);
      next.run();
    }
    this.nowMs = endMs;
  }
}

describe("HostapdEvents", () => {
  let world: World;
  beforeEach(() => {
    world = new World();
  });

  it("takes stations from a recorded stream, and nothing else", async () => {
    world.events.start();
    await world.pass(0);
    expect(world.subscriptions()).toEqual([["hostapd.phy0-ap0"]]);
    for (const line of RECORDED) world.hear(line);
    expect(world.stations.map(({ mac }) => mac)).toEqual(["02:00:00:00:0a:01", "02:00:00:00:0a:02"]);
    expect(world.events.isDeaf).toBe(false);
  });

  it("waits for a hostapd that comes later, and says once that there is none", async () => {
    world.objects = [];
    world.events.start();
    await world.pass(600_000);
    expect(world.events.isDeaf).toBe(true);
    expect(world.lines).toHaveLength(1);
    world.objects = ["hostapd.phy0-ap0", "hostapd.phy1-ap0"];
    world.tell("add", "hostapd.phy0-ap0");
    world.tell("add", "hostapd.phy1-ap0");
    await world.pass(300);
    expect(world.subscriptions()).toEqual([["hostapd.phy0-ap0", "hostapd.phy1-ap0"]]);
    expect(world.events.isDeaf).toBe(false);
  });

  it("listens anew when a reload puts other objects there, and leaves no old listener behind", async () => {
    world.events.start();
    await world.pass(0);
    for (let i = 0; i < 5; i++) {
      world.objects = [`hostapd.phy0-ap${i}`];
      world.tell("remove", "hostapd.phy0-ap0");
      world.tell("add", world.objects[0]!);
      world.tell("add", "network.interface.lan");
      await world.pass(10_000);
    }
    expect(world.subscriptions()).toEqual([["hostapd.phy0-ap4"]]);
  });

  it("recovers without ubus, asking less and less often", async () => {
    world.isUp = false;
    world.events.start();
    await world.pass(600_000);
    const attempts = world.timers.size;
    expect(attempts).toBe(1);
    world.isUp = true;
    await world.pass(60_000);
    expect(world.subscriptions()).toHaveLength(1);
    // ubusd dies under it.
    for (const process of [...world.running]) world.end(process);
    expect(world.events.isDeaf).toBe(true);
    await world.pass(120_000);
    expect(world.subscriptions()).toHaveLength(1);
    expect(world.events.isDeaf).toBe(false);
  });

  it("ends all it started", async () => {
    world.events.start();
    await world.pass(0);
    world.events.stop();
    await world.pass(600_000);
    expect(world.running).toEqual([]);
    expect(world.timers.size).toBe(0);
  });

  it("never puts a name on a command line that could be anything but an object's", async () => {
    world.objects = ["hostapd.phy0-ap0", "hostapd.$(reboot)", "hostapd", "hostapd-auth"];
    world.events.start();
    await world.pass(0);
    expect(world.subscriptions()).toEqual([["hostapd.phy0-ap0"]]);
  });
});

describe("with a real shell", () => {
  const directory = mkdtempSync(join(tmpdir(), "roamwall-ubus-"));
  afterAll(() => rmSync(directory, { recursive: true }));
  const lines = join(directory, "lines");
  writeFileSync(lines, `${RECORDED.join("\n")}\n`);
  const ubus = join(directory, "ubus");
  const pids = join(directory, "pids");
  writeFileSync(
    ubus,
    `#!/bin/sh\necho $$ >>${pids}\ncase $1 in\nlist) echo hostapd.phy0-ap0 ;;\nsubscribe) cat ${lines}; exec sleep 60 ;;\n*) exec sleep 60 ;;\nesac\n`,
  );
  chmodSync(ubus, 0o755);
  const isAlive = (pid: string) =>
    existsSync(`/proc/${pid}`) && !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");

  it("hears the stations at once, and leaves no process behind", async () => {
    process.env["PATH"] = `${directory}:${process.env["PATH"]}`;
    const stations: Station[] = [];
    const two = new Promise<void>((resolve) => {
      const events = new HostapdEvents(nodePlatform({ write: () => {} }), (station) => {
        if (stations.push(station) < 2) return;
        events.stop();
        resolve();
      });
      events.start();
    });
    await two;
    expect(stations.map(({ isFast }) => isFast)).toEqual([true, false]);
    for (let i = 0; i < 100 && readFileSync(pids, "utf8").trim().split("\n").some(isAlive); i++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(readFileSync(pids, "utf8").trim().split("\n").filter(isAlive)).toEqual([]);
  });
});
