import { execFile, execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Engine, engineOf, roamwallAt } from "./support/engine.ts";
import { Processes, tail, until } from "./support/processes.ts";

/**
 * A real broker (mosquitto, passwords, and TLS where the engine has it), real agents, the real command line. No roamwalld: what is shown here is
 * which policy comes into force, and an agent says that without one.
 */
const hasMosquitto = existsSync("/usr/sbin/mosquitto");
const hasBundle = existsSync("dist/roamwall.cjs");
const PATIENCE_MS = 40_000;
const MESH = "village";

const policyText = (roles: readonly string[]) =>
  JSON.stringify({ roles: Object.fromEntries(roles.map((role) => [role, { rules: ["out tcp/443 to any"] }])) });

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

class World {
  readonly directory = mkdtempSync(join(tmpdir(), "roamwall-mqtt-"));
  readonly processes: Processes;
  port = 0;
  broker: ReturnType<Processes["start"]> | undefined;
  readonly agents = new Map<number, ReturnType<Processes["start"]>>();
  publicKey = "";

  constructor(private readonly engine: Engine) {
    mkdirSync(this.path("logs"));
    this.processes = new Processes(this.path("logs"));
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  write(name: string, text: string, mode = 0o600): string {
    writeFileSync(this.path(name), text, { mode });
    return this.path(name);
  }

  get url(): string {
    return `${this.hasTls ? "mqtts" : "mqtt"}://localhost:${this.port}`;
  }

  get hasTls(): boolean {
    return this.engine === "node";
  }

  async prepare(): Promise<void> {
    // mosquitto, started by root, becomes somebody else: who must be able to read its files.
    chmodSync(this.directory, 0o755);
    this.makeCertificates();
    execFileSync("mosquitto_passwd", ["-b", "-c", this.path("passwords"), "mesh", "s3cret"], { stdio: "ignore" });
    chmodSync(this.path("passwords"), 0o644);
    this.write("password", "s3cret\n");
    this.write("key", `mesh ${"5a".repeat(32)}\nseed ${"01".repeat(16)}\n`);
    this.write("policy.yaml", policyText(["from-file"]));
    this.port = await freePort();
    this.write(
      "mosquitto.conf",
      `listener ${this.port} 127.0.0.1
${this.hasTls ? `cafile ${this.path("ca.pem")}\ncertfile ${this.path("server.pem")}\nkeyfile ${this.path("server.key")}` : ""}
password_file ${this.path("passwords")}
allow_anonymous false
persistence false
`,
      0o644,
    );
    const { out } = await this.run(["policy", "keygen", this.path("policy.key"), "--json"]);
    this.publicKey = JSON.parse(out).public;
  }

  private makeCertificates(): void {
    const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: this.directory, stdio: "ignore" });
    openssl(
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-keyout",
      "ca.key",
      "-out",
      "ca.pem",
      "-subj",
      "/CN=test authority",
      "-days",
      "2",
    );
    openssl(
      "req",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-keyout",
      "server.key",
      "-out",
      "server.csr",
      "-subj",
      "/CN=localhost",
    );
    this.write("server.ext", "subjectAltName=DNS:localhost\n");
    openssl(
      "x509",
      "-req",
      "-in",
      "server.csr",
      "-CA",
      "ca.pem",
      "-CAkey",
      "ca.key",
      "-CAcreateserial",
      "-out",
      "server.pem",
      "-days",
      "2",
      "-extfile",
      "server.ext",
    );
    for (const name of ["server.key", "server.pem", "ca.pem"]) chmodSync(this.path(name), 0o644);
  }

  startBroker(): void {
    const log = this.path("logs/mosquitto.log");
    this.broker = this.processes.start("/usr/sbin/mosquitto", ["-c", this.path("mosquitto.conf")], { log });
  }

  async stopBroker(): Promise<void> {
    await this.processes.stop(this.broker!);
  }

  startAgent(id: number): void {
    const settings = {
      id,
      name: `ap${id}`,
      daemon: this.path("no-daemon.sock"),
      control: this.path(`${id}.sock`),
      key: this.path("key"),
      policy: this.path("policy.yaml"),
      mqtt: {
        url: this.url,
        mesh: MESH,
        keys: [this.publicKey],
        user: "mesh",
        "password-file": this.path("password"),
        ...(this.hasTls && { ca: this.path("ca.pem") }),
        store: this.path(`${id}.signed`),
        every: "1s",
      },
    };
    this.write(`${id}.yaml`, JSON.stringify(settings));
    const [program, first] = roamwallAt(id, this.engine);
    const args = [...first, "agent", "--config", this.path(`${id}.yaml`)];
    this.agents.set(id, this.processes.start(program, args, { log: this.path(`logs/${id}.log`) }));
  }

  async stopAgent(id: number): Promise<void> {
    await this.processes.stop(this.agents.get(id)!);
  }

  run(words: readonly string[]): Promise<Ran> {
    return new Promise((resolve) => {
      // At the AP of QuickJS's, where the engines are mixed.
      const [program, first] = roamwallAt(2, this.engine);
      execFile(program, [...first, ...words], (error, out, err) => {
        resolve({ code: error ? Number(error.code) : 0, out, err });
      });
    });
  }

  push(file: string, ...more: string[]): Promise<Ran> {
    const broker = [
      "--broker",
      this.url,
      "--user",
      "mesh",
      "--password-file",
      this.path("password"),
      ...(this.hasTls ? ["--ca", this.path("ca.pem")] : []),
    ];
    return this.run([
      "policy",
      "push",
      file,
      "--sign-key",
      this.path("policy.key"),
      "--mesh",
      MESH,
      ...broker,
      "--json",
      ...more,
    ]);
  }

  /** As anybody who has the broker's password could. */
  publishRetained(document: string): void {
    const login = [
      "-h",
      "localhost",
      "-p",
      `${this.port}`,
      ...(this.hasTls ? ["--cafile", this.path("ca.pem")] : []),
      "-u",
      "mesh",
      "-P",
      "s3cret",
    ];
    execFileSync("mosquitto_pub", [...login, "-t", `roamwall/${MESH}/policy`, "-r", "-q", "1", "-s"], {
      input: document,
    });
  }

  async status(
    id: number,
  ): Promise<{ policy: { revision?: number; roles: number }; mqtt: { connected: boolean } } | undefined> {
    const { out } = await this.run(["status", "--json", "--socket", this.path(`${id}.sock`)]);
    return out === "" ? undefined : JSON.parse(out);
  }

  async untilStatus(
    id: number,
    what: string,
    holds: (status: NonNullable<Awaited<ReturnType<World["status"]>>>) => boolean,
  ) {
    await until(`ap${id}: ${what}`, PATIENCE_MS, async () => {
      const status = await this.status(id);
      return status && holds(status) ? true : undefined;
    }).catch((error) => {
      throw new Error(`${error.message}\n${tail(this.path(`logs/${id}.log`))}`);
    });
  }

  log(id: number): string {
    return readFileSync(this.path(`logs/${id}.log`), "utf8");
  }

  async close(): Promise<void> {
    await this.processes.stopAll();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

const ENGINES = engineOf() === "node" ? (["node", "mixed"] as const) : [engineOf()];

describe.runIf(hasMosquitto && hasBundle).each(ENGINES)("the policy of a mesh, by a real broker (%s)", (engine) => {
  const world = new World(engine);
  const signed = async (revision: number, text: string, ...more: string[]) => {
    const file = world.write("signed.yaml", text);
    const key = ["--sign-key", world.path("policy.key"), "--mesh", MESH, "--revision", `${revision}`];
    return (await world.run(["policy", "sign", file, ...key, ...more])).out;
  };

  beforeAll(async () => {
    await world.prepare();
    world.startBroker();
    for (const id of [1, 2]) world.startAgent(id);
    for (const id of [1, 2]) await world.untilStatus(id, "connected", (s) => s.mqtt.connected);
  });
  afterAll(() => world.close());

  it("is pushed, comes into force on every AP, and each says so", async () => {
    const { code, out, err } = await world.push(world.write("one.yaml", policyText(["a", "b"])));
    expect(err).toBe("");
    expect(JSON.parse(out)).toEqual({
      revision: 1,
      aps: [1, 2].map((ap) => ({ ap, name: `ap${ap}`, online: true, applied: true, reason: "" })),
    });
    expect(code).toBe(0);
    for (const id of [1, 2]) expect((await world.status(id))!.policy).toMatchObject({ revision: 1, roles: 2 });
  });

  it("goes up by one with every push", async () => {
    const { out } = await world.push(world.write("two.yaml", policyText(["a", "b", "c"])));
    expect(JSON.parse(out).revision).toBe(2);
    expect((await world.status(1))!.policy).toMatchObject({ revision: 2, roles: 3 });
  });

  it("is not pushed when it does not compile: the error names the place", async () => {
    const { code, err } = await world.push(world.write("wrong.yaml", "roles: {a: {rules: [out web to any]}}"));
    expect(code).toBe(1);
    expect(err).toContain("roles.a.rules[0]");
  });

  it("is refused when tampered with, older, of another mesh or of another key; what is in force stays", async () => {
    const good = await signed(9, policyText(["evil"]));
    await world.run(["policy", "keygen", world.path("other.key")]);
    const file = world.write("evil.yaml", policyText(["evil"]));
    const sign = async (key: string, mesh: string) =>
      (await world.run(["policy", "sign", file, "--sign-key", world.path(key), "--mesh", mesh, "--revision", "9"])).out;
    const bad: [what: string, document: string, reason: string][] = [
      ["tampered", good.replace("443", "445"), "not signed by a key of ours"],
      ["older", await signed(1, policyText(["evil"])), "accepted: above 2"],
      ["of another key", await sign("other.key", MESH), "not signed by a key of ours"],
      ["of another mesh", await sign("policy.key", "town"), "of mesh town"],
      ["unsigned", policyText(["evil"]), "no signed policy"],
    ];
    for (const [what, document, reason] of bad) {
      expect(document.length, what).toBeGreaterThan(20);
      world.publishRetained(document);
      for (const id of [1, 2]) {
        await until(`ap${id} refuses what is ${what}`, PATIENCE_MS, () => world.log(id).includes(reason) || undefined);
        expect((await world.status(id))!.policy).toMatchObject({ revision: 2, roles: 3 });
      }
    }
    // The control: the same document untouched comes into force.
    world.publishRetained(good);
    await world.untilStatus(1, "revision 9", (s) => s.policy.revision === 9);
  });

  it("stays in force while the broker is gone, also over a restart of the AP; what came meanwhile is taken at once", async () => {
    await world.untilStatus(2, "revision 9", (s) => s.policy.revision === 9);
    await world.stopBroker();
    await world.untilStatus(1, "disconnected", (s) => !s.mqtt.connected);
    await world.stopAgent(2);
    world.startAgent(2);
    await world.untilStatus(2, "started without broker", (s) => s.policy.revision === 9 && !s.mqtt.connected);
    world.startBroker();
    for (const id of [1, 2]) await world.untilStatus(id, "connected again", (s) => s.mqtt.connected);
    // The broker forgot everything: the revision goes on from what the administrator names.
    const { out } = await world.push(world.write("ten.yaml", policyText(["d"])), "--revision", "10");
    expect(JSON.parse(out).aps.map((ap: { applied: boolean }) => ap.applied)).toEqual([true, true]);
  });

  it("an AP that vanishes is offline by its last will", async () => {
    const two = world.agents.get(2)!;
    two.kill("SIGKILL");
    const { out } = await until("the will", PATIENCE_MS, async () => {
      const ran = await world.push(world.path("ten.yaml"));
      return JSON.parse(ran.out).aps[1].online ? undefined : ran;
    });
    expect(JSON.parse(out).aps[1].reason).toContain("offline");
  });

  it("a wrong password, and a broker with another certificate, are told as what they are", async () => {
    const password = world.write("wrong-password", "guess\n");
    const words = [
      "policy",
      "push",
      world.path("ten.yaml"),
      "--sign-key",
      world.path("policy.key"),
      "--mesh",
      MESH,
      "--wait",
      "2",
    ];
    const login = ["--broker", world.url, "--user", "mesh"];
    const ca = world.hasTls ? ["--ca", world.path("ca.pem")] : [];
    const guessed = await world.run([...words, ...login, "--password-file", password, ...ca]);
    expect(guessed).toMatchObject({ code: 1 });
    expect(guessed.err).toMatch(/not authori[sz]ed/i);
    if (!world.hasTls) {
      const secret = ["--broker", world.url.replace("mqtt:", "mqtts:"), "--password-file", world.path("password")];
      expect((await world.run([...words, ...secret])).err).toContain("TLS needs Node");
      return;
    }
    const unknown = await world.run([...words, ...login, "--password-file", world.path("password")]);
    expect(unknown).toMatchObject({ code: 1 });
    expect(unknown.err).toMatch(/certificate/i);
  });
});
