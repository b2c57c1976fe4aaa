import { beforeEach, describe, expect, it } from "vitest";
import { RoamwallError } from "../base/errors.ts";
import type { Mac } from "../base/mac.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import { Modes, readScope } from "./modes.ts";
import { Trial } from "./trial.ts";

const MAC = "02:00:00:00:0a:01" as Mac;
const { CLIENT_MONITOR, CLIENT_TRACE } = CONSTANTS;

/** A clock that moves when told, and files in memory. */
class World {
  nowMs = 0;
  wall: number | undefined = 1_800_000_000;
  readonly kept = new Map<string, string>();
  readonly timers = new Set<{ atMs: number; run: () => void }>();
  changes = 0;

  readonly platform = {
    clock: {
      nowMs: () => this.nowMs,
      after: (ms: number, run: () => void) => {
        const timer = { atMs: this.nowMs + ms, run };
        this.timers.add(timer);
        return () => this.timers.delete(timer);
      },
    },
    wallSeconds: () => this.wall,
    log: { debug() {}, info() {}, warn() {}, error() {} },
    files: {
      readText: (path: string) => {
        const text = this.kept.get(path);
        if (text === undefined) throw new RoamwallError("ROAMWALL_ERR_FILE", `${path}: no such file`);
        return text;
      },
      writeText: (path: string, text: string) => void this.kept.set(path, text),
    },
  } as never;

  modes(): Modes {
    return new Modes({ platform: this.platform, path: "/run/modes.json", changed: () => this.changes++ });
  }

  pass(ms: number): void {
    this.nowMs += ms;
    if (this.wall !== undefined) this.wall += ms / 1000;
    for (const timer of [...this.timers].filter(({ atMs }) => atMs <= this.nowMs)) {
      this.timers.delete(timer);
      timer.run();
    }
  }
}

let world: World;
beforeEach(() => {
  world = new World();
});

describe("modes", () => {
  it("lets the narrowest word count: client, role, then what the rights say", () => {
    const modes = world.modes();
    modes.set("role", "guest", "monitor", undefined);
    expect([modes.flagsOf(MAC, "guest", 0), modes.flagsOf(MAC, "staff", 0)]).toEqual([CLIENT_MONITOR, 0]);
    modes.set("client", MAC, "enforce", undefined);
    expect([modes.flagsOf(MAC, "guest", 0), modes.flagsOf(MAC, "staff", CLIENT_MONITOR)]).toEqual([0, 0]);
    modes.set("client", MAC, undefined, undefined);
    expect(modes.flagsOf(MAC, "staff", CLIENT_MONITOR)).toBe(CLIENT_MONITOR);
  });

  it("ends by itself, and says so", () => {
    const modes = world.modes();
    modes.set("ap", "", "monitor", 60);
    expect([modes.ofAp("enforce"), modes.list()[0]!.leftSeconds]).toEqual(["monitor", 60]);
    world.pass(59_000);
    expect(modes.ofAp("enforce")).toBe("monitor");
    world.pass(1_000);
    expect([modes.ofAp("enforce"), modes.list(), world.changes]).toEqual(["enforce", [], 2]);
  });

  it("survives a restart of the agent, less the time that went by", () => {
    world.modes().set("role", "guest", "monitor", 100);
    world.timers.clear();
    world.wall! += 40;
    const after = world.modes();
    expect(after.list()).toEqual([{ scope: "role", name: "guest", mode: "monitor", leftSeconds: 60 }]);
    world.timers.clear();
    world.wall! += 70;
    expect(world.modes().list()).toEqual([]);
  });

  it("does not outlive a restart where nobody knows the time, and takes no foreign file for its own", () => {
    world.wall = undefined;
    world.modes().set("ap", "", "monitor", 100);
    expect(world.modes().ofAp("enforce")).toBe("enforce");
    for (const text of ["", "{}", "[1]", '[{"scope":"all","name":"","mode":"monitor","endsAt":null}]']) {
      world.kept.set("/run/modes.json", text);
      expect(world.modes().list()).toEqual([]);
    }
  });

  it("traces until it is over, whatever the mode", () => {
    const modes = world.modes();
    modes.trace(MAC, 60);
    expect(modes.flagsOf(MAC, "staff", CLIENT_MONITOR)).toBe(CLIENT_MONITOR | CLIENT_TRACE);
    world.pass(60_000);
    expect(modes.flagsOf(MAC, "staff", 0)).toBe(0);
    modes.trace(MAC, 60);
    modes.endTrace(MAC);
    expect(modes.flagsOf(MAC, "staff", 0)).toBe(0);
  });

  it.each([
    ["all", "", "ap, role NAME or client MAC"],
    ["role", "boss", "guest"],
    ["client", "bob", "MAC address"],
  ])("refuses %s %s", (scope, name, accepted) => {
    expect(() => readScope(scope, name, ["guest"])).toThrow(accepted);
  });
});

describe("a policy on trial", () => {
  const policy = "/etc/policy.yaml";
  let adopted: (string | undefined)[];
  let refusal: string | undefined;
  let trial: Trial;

  beforeEach(() => {
    world.kept.set(policy, "old").set("/new.yaml", "new");
    adopted = [];
    refusal = undefined;
    const adopt = async () => {
      adopted.push(trial.text?.text);
      return refusal;
    };
    trial = new Trial({ platform: world.platform, policy, adopt });
  });

  it("is in memory alone, and goes back when nobody confirms it", async () => {
    await trial.begin("/new.yaml", 60);
    expect([trial.text?.text, trial.status?.leftSeconds, world.kept.get(policy)]).toEqual(["new", 60, "old"]);
    world.pass(60_000);
    expect([trial.status, adopted, world.kept.get(policy)]).toEqual([undefined, ["new", undefined], "old"]);
  });

  it("becomes the file when it is confirmed, and then does not go back", async () => {
    await trial.begin("/new.yaml", 60);
    trial.confirm();
    expect([world.kept.get(policy), trial.status]).toEqual(["new", undefined]);
    world.pass(120_000);
    expect(adopted).toEqual(["new"]);
  });

  it("changes nothing when it is refused, and leaves the trial before it", async () => {
    refusal = "line 3";
    await expect(trial.begin("/new.yaml", 60)).rejects.toThrow("line 3");
    expect([trial.status, world.timers.size]).toEqual([undefined, 0]);
  });

  it("does not overwrite a file that was changed meanwhile", async () => {
    await trial.begin("/new.yaml", 60);
    world.kept.set(policy, "newer");
    expect(() => trial.confirm()).toThrow("changed meanwhile");
    expect(world.kept.get(policy)).toBe("newer");
  });

  it("can be ended by hand; without one there is nothing to confirm or end", async () => {
    await trial.begin("/new.yaml", 60);
    await trial.goBack("said so");
    expect(trial.text).toBe(undefined);
    expect(() => trial.confirm()).toThrow("no policy is on trial");
    await expect(trial.goBack("said so")).rejects.toThrow("no policy is on trial");
  });
});
