import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TrialStatus } from "../../src/control/trial.ts";
import type { Verdict } from "../../src/control/verdict.ts";
import { openCapture } from "../../src/pcap/reader.ts";
import { Lab } from "./support/lab.ts";
import { Operator } from "./support/operator.ts";
import { pause, until } from "./support/processes.ts";
import { hasFirmware, isRoot } from "./support/root.ts";
import { CLIENT, CLIENT_PORT, SERVER } from "./support/topology.ts";

const SIZE = { clientFlows: 2, serverFlows: 1, idleFlows: 0, download: false, connectPeriodMs: 1_000 };
/** What no rule allows at first. */
const NEW_PORT = 8081;
const AP_ADDRESS = "10.1.0.1";
const AP_SSH = 2222;
const PATIENCE_MS = 20_000;
const PROVOKE_EVERY_MS = 50;

/** The command line on a real access point: what it shows is so, what it changes holds, and goes back. */
describe.runIf(isRoot && hasFirmware)("an operator", () => {
  let lab: Lab;
  let ap: Operator;
  let policy: string;

  beforeAll(async () => {
    lab = await Lab.open({ prefix: "rwoper", kind: "bridged", size: SIZE, firewall: "replicating" });
    ap = new Operator(lab);
    policy = join(lab.directory, "policy.yaml");
    const text = readFileSync(policy, "utf8").replace('"rules": [', '"rules": [\n"out udp/67 to servers",');
    writeFileSync(policy, text);
    await ap.serve("server", NEW_PORT);
    // A router speaks for the AP itself; the client's frames to it end here.
    lab.namespaces.ip("ap1", `addr add ${AP_ADDRESS}/16 dev br-lan`);
    await ap.serve("ap1", AP_SSH);
    await ap.run("reload");
    await lab.traffic.start();
  });
  afterAll(() => lab?.close());

  const reaches = (port: number) => ap.connects("client", SERVER.v4, port);
  const isKeptFrom = (port: number) => ap.isKeptFrom("client", SERVER.v4, port);

  /** Again and again, until what was started has shown it: who looks may not look yet. */
  async function provoke<T>(shown: Promise<T>, act: () => unknown): Promise<T> {
    let isOver = false;
    const over = shown.finally(() => {
      isOver = true;
    });
    while (!isOver) {
      act();
      await pause(PROVOKE_EVERY_MS);
    }
    return over;
  }

  it("sees denials as they happen, sifted, with the rule that would allow them", async () => {
    const shown = ap.run("monitor", "--json", "--count", "2", "--reason", "acl", "--port", `${NEW_PORT}`);
    const provoked = await provoke(shown, () => expect([isKeptFrom(9), isKeptFrom(NEW_PORT)]).toEqual([true, true]));
    const verdicts = provoked.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Verdict);
    expect(verdicts).toHaveLength(2);
    expect(verdicts[0]).toMatchObject({
      verdict: "denied",
      reason: "acl",
      mac: CLIENT.mac,
      role: "staff",
      type: "syn",
      rule: `out tcp/${NEW_PORT} to ${SERVER.v4}`,
    });
  });

  it("asks why, and gets one answer with an exit code", async () => {
    const denied = await ap.run("why", CLIENT.mac, SERVER.v4, `${NEW_PORT}`);
    expect([denied.code, denied.out]).toEqual([1, expect.stringContaining(`no rule allows out tcp/${NEW_PORT}`)]);
    const allowed = await ap.run("why", CLIENT.mac, SERVER.v4, "80");
    expect([allowed.code, allowed.out]).toEqual([0, expect.stringContaining("out tcp/80 to servers")]);
  });

  it("traces a client while somebody looks, and no longer", async () => {
    const { out } = await ap.run("trace", CLIENT.mac, "--for", "1s", "--json");
    const verdicts = out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Verdict);
    expect(verdicts.filter(({ verdict }) => verdict === "passed").length).toBeGreaterThan(20);
    expect(new Set(verdicts.map(({ mac }) => mac))).toEqual(new Set([CLIENT.mac]));
    // The negative control: without the flag no more than openings are told.
    const quiet = await ap.json<{ monitored: boolean }[]>("clients");
    expect(quiet.some(({ monitored }) => monitored)).toBe(false);
  });

  it("takes denied packets home for Wireshark, bytes and all", async () => {
    const shown = ap.run("capture", "--count", "1", "--reason", "acl");
    const { bytes } = await provoke(shown, () => isKeptFrom(NEW_PORT));
    const capture = openCapture(Buffer.concat(bytes), "live");
    const packet = capture.next()!;
    const hex = Buffer.from(packet.bytes).toString("hex");
    // To the server's address, port 8081, SYN.
    expect(hex).toContain("0a010150");
    expect(Buffer.from(packet.bytes).readUInt16BE(36)).toBe(NEW_PORT);
    expect([packet.length, capture.next(), capture.problem]).toEqual([74, undefined, undefined]);
  });

  it("lets a client's denials pass and be reported, until it is over", async () => {
    expect(isKeptFrom(NEW_PORT)).toBe(true);
    await ap.run("mode", "monitor", "client", CLIENT.mac);
    expect(reaches(NEW_PORT)).toBe(true);
    expect((await ap.run("status")).out).toContain("1 set beside the policy");
    await ap.run("mode", "policy", "client", CLIENT.mac);
    expect(isKeptFrom(NEW_PORT)).toBe(true);
    await ap.run("mode", "monitor", "role", "staff", "--for", "3s");
    expect(reaches(NEW_PORT)).toBe(true);
    await until("the mode to end", PATIENCE_MS, () => isKeptFrom(NEW_PORT) || undefined);
  });

  it("learns a policy under which the same traffic passes, and a port scan does not", async () => {
    await ap.run("mode", "monitor", "ap");
    const learning = ap.run("learn", "--for", "4s");
    await pause(500);
    for (let i = 0; i < 3; i++) expect(reaches(NEW_PORT)).toBe(true);
    const ports = Array.from({ length: 6 }, (_, i) => 9_100 + i);
    for (const port of ports) expect(isKeptFrom(port)).toBe(true);
    const { out, err } = await learning;
    expect(err).toContain("1 rules learned");
    await ap.run("mode", "policy", "ap");
    expect(isKeptFrom(NEW_PORT)).toBe(true);
    const learned = join(lab.directory, "learned.yaml");
    writeFileSync(learned, out);
    expect((await ap.run("apply", learned, "--for", "60s")).code).toBe(0);
    expect(reaches(NEW_PORT)).toBe(true);
    const before = lab.aps[0]!.denied().acl;
    for (const port of ports) isKeptFrom(port);
    expect(lab.aps[0]!.denied().acl - before).toBeGreaterThanOrEqual(ports.length);
    await ap.run("revert");
    expect(isKeptFrom(NEW_PORT)).toBe(true);
  });

  it("tries a policy that goes back: by time, by word, and when the agent dies meanwhile", async () => {
    const trial = join(lab.directory, "trial.yaml");
    writeFileSync(trial, readFileSync(policy, "utf8").replace("out tcp/80 ", `out tcp/${NEW_PORT} `));
    const state = async () => (await ap.json<{ trial?: TrialStatus }>("status")).trial !== undefined;
    await ap.run("apply", trial, "--for", "4s");
    expect([reaches(NEW_PORT), isKeptFrom(80), await state()]).toEqual([true, true, true]);
    await until("the trial to end", PATIENCE_MS, async () => !(await state()) || undefined);
    expect([isKeptFrom(NEW_PORT), reaches(80), await state()]).toEqual([true, true, false]);
    await ap.run("apply", trial, "--for", "60s");
    expect(reaches(NEW_PORT)).toBe(true);
    await lab.aps[0]!.killAgent();
    // The kernel goes on by what was in force; the next agent knows of no trial.
    expect(reaches(NEW_PORT)).toBe(true);
    await lab.aps[0]!.startAgent();
    await until("the file's policy", PATIENCE_MS, () => isKeptFrom(NEW_PORT) || undefined);
    expect((await ap.run("confirm")).code).toBe(1);
    await ap.run("apply", trial, "--for", "60s");
    expect((await ap.run("confirm")).code).toBe(0);
    expect(readFileSync(policy, "utf8")).toBe(readFileSync(trial, "utf8"));
    writeFileSync(policy, readFileSync(trial, "utf8").replace(`out tcp/${NEW_PORT} `, "out tcp/80 "));
    await ap.run("reload");
  });

  it("is never locked out of the AP itself, whatever the policy says", async () => {
    const nothing = join(lab.directory, "nothing.yaml");
    writeFileSync(nothing, `roles: { none: {} }\nclients: { "${CLIENT.mac}": none }\ngroup: {}\n`);
    const toAp = () => ap.connects("client", AP_ADDRESS, AP_SSH);
    const fromAp = () => ap.connects("ap1", CLIENT.v4, 22);
    expect([toAp(), fromAp()]).toEqual([true, true]);
    await ap.run("apply", nothing, "--for", "60s");
    // The control: all else is denied.
    expect([isKeptFrom(80), toAp(), fromAp()]).toEqual([true, true, true]);
    await ap.run("revert");
    expect(reaches(80)).toBe(true);
  });

  it("is told by the doctor what was broken on purpose, and nothing when all is well", async () => {
    // The agent died a moment ago: what it cannot know yet is no finding.
    expect(await ap.findings()).toEqual([]);
    const found: Record<string, string[]> = {};
    /** Breaks, looks, mends. */
    const plant = async (name: string, breaks: () => unknown, mends: () => unknown) => {
      await breaks();
      found[name] = await ap.findings();
      await mends();
    };
    const edit = (name: string, from: string | RegExp, to: string) => {
      let undo = () => {};
      return [() => (undo = ap.change(name, (text) => text.replace(from, to))), () => undo()] as const;
    };
    const key = join(lab.directory, "key");
    const secrets = readFileSync(key, "utf8");
    const settle = () => pause(300);
    const sees = (id: string) =>
      until(`the doctor to see ${id}`, PATIENCE_MS, async () => (await ap.findings()).join().includes(id) || undefined);
    await plant("settings", ...edit("agent.yaml", '"id": 1', '"id": 0'));
    await plant(
      "key",
      () => chmodSync(key, 0o644),
      () => chmodSync(key, 0o600),
    );
    await plant(
      "key without a seed",
      () => writeFileSync(key, "mesh 12\n"),
      () => writeFileSync(key, secrets),
    );
    const secret = '"radius": { "servers": ["10.9.0.99"], "secret-file": "/nowhere" }, "id"';
    await plant("radius-secret", ...edit("agent.yaml", '"id"', secret));
    await plant("mesh-address", ...edit("agent.yaml", "10.9.0.1", "10.9.0.7"));
    const mtu = (bytes: number) => lab.namespaces.ip("ap1", `link set back0 mtu ${bytes}`);
    await plant(
      "mesh-mtu",
      () => mtu(1280),
      () => mtu(1500),
    );
    const port = (state: string) => lab.namespaces.ip("ap1", `link set ${CLIENT_PORT} ${state}`);
    await plant(
      "port",
      () => port("down"),
      () => port("up"),
    );
    const good = readFileSync(policy, "utf8");
    const bad = async () => {
      writeFileSync(policy, good.replace("out tcp/80", "out web"));
      await ap.run("reload");
    };
    const mend = async () => {
      writeFileSync(policy, good);
      await ap.run("reload");
    };
    await plant("policy-refused", bad, mend);
    const noDns = async () => {
      writeFileSync(policy, good.replace("out udp/53", "out udp/54"));
      await ap.run("reload");
    };
    await plant("policy-advice", noDns, mend);
    await plant(
      "monitor",
      () => ap.run("mode", "monitor", "ap"),
      () => ap.run("mode", "policy", "ap"),
    );
    await plant(
      "trial",
      () => ap.run("apply", policy, "--for", "60s"),
      () => ap.run("revert"),
    );
    await plant(
      "silent",
      async () => {
        await lab.aps[1]!.killAgent();
        await sees("silent");
      },
      () => {},
    );
    // Its agent comes back with another key.
    const other = new Operator(lab, 2);
    const strange = join(lab.directory, "strange-key");
    writeFileSync(strange, secrets.replace(/mesh [0-9a-f]{8}/, "mesh 00000000"), { mode: 0o600 });
    const undo = other.change("agent.yaml", (text) => text.replace(`"${key}"`, `"${strange}"`));
    await plant(
      "unheard",
      async () => {
        await lab.aps[1]!.startAgent();
        await sees("unheard");
      },
      async () => {
        undo();
        await lab.aps[1]!.killAgent();
        await lab.aps[1]!.startAgent();
        await settle();
      },
    );
    await plant(
      "agent",
      () => lab.aps[0]!.killAgent(),
      () => {},
    );
    await plant(
      "policy",
      () => writeFileSync(policy, "roles: ["),
      () => writeFileSync(policy, good),
    );
    const radius = ap.change("agent.yaml", (text) =>
      text.replace(
        '"id"',
        '"mqtt": { "url": "mqtt://127.0.0.1:9", "mesh": "m", "keys": ["'.concat(
          "ab".repeat(32),
          '"], "store": "',
          ap.path("kept"),
          '" }, "id"',
        ),
      ),
    );
    await plant(
      "broker",
      async () => {
        await lab.aps[0]!.startAgent();
        await settle();
      },
      async () => {
        radius();
        await lab.aps[0]!.killAgent();
      },
    );
    await plant(
      "daemon",
      async () => {
        await lab.aps[0]!.startAgent();
        await lab.aps[0]!.killDaemon();
        await settle();
      },
      () => {},
    );
    expect(
      Object.fromEntries(Object.entries(found).map(([name, ids]) => [name, ids.map((one) => one.split(" ")[1])])),
    ).toEqual({
      settings: ["settings"],
      key: ["key"],
      "key without a seed": ["key"],
      "radius-secret": ["radius-secret"],
      "mesh-address": ["mesh-address"],
      "mesh-mtu": ["mesh-mtu"],
      port: ["port"],
      "policy-refused": ["policy-refused"],
      "policy-advice": ["policy-advice"],
      monitor: ["monitor"],
      trial: ["trial"],
      silent: ["silent"],
      unheard: expect.arrayContaining(["unheard"]),
      agent: ["agent"],
      policy: ["policy"],
      broker: expect.arrayContaining(["broker"]),
      daemon: ["daemon"],
    });
    expect(existsSync(key)).toBe(true);
  });
});
