import { type ChildProcess, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { AccessPoint, writeMeshFiles } from "./access-point.ts";
import { buildLab } from "./build.ts";
import { FreeRadius, RADIUS_SECRET } from "./free-radius.ts";
import { Namespaces } from "./namespaces.ts";
import { Prober } from "./prober.ts";
import { Processes, tail, until } from "./processes.ts";
import { CLIENT_PORT } from "./topology.ts";

const EXAMPLES = "docs/examples/freeradius";
export const STATION = { mac: "02:00:00:00:0a:01", v4: "10.1.0.10" } as const;
export const AAA = "10.2.0.2";
export const NAS = "10.2.0.1";
/** Behind the AP, what the station wants. */
export const SERVICE = "10.1.1.1";
const LOGIN_PATIENCE_MS = 8_000;
const SESSIONS = "sessions.json";
const LOGIN_TRIES = 5;
const START_PATIENCE_MS = 40_000;
/** Of radclient, for an answer; what must not be answered costs less. */
const ANSWER_PATIENCE_S = 10;
const SILENCE_S = 2;

/**
 * A wired 802.1X login with real parts, under the files of docs/examples/freeradius:
 *
 *      sta                ap                          aaa
 *    +----------+  EAPOL +-----------------------+   +----------------------+
 *    | wpa_     |========| phy0-ap0  hostapd     |   | FreeRADIUS, radclient|
 *    | supplic. |  direct|  |  roamwalld, agent  |===| echo on 10.1.1.1     |
 *    +----------+  veth  +--v--- relay ----------+   +----------------------+
 */
export class WiredLab {
  readonly directory: string;
  readonly namespaces: Namespaces;
  readonly processes: Processes;
  readonly server: FreeRadius;
  readonly ap: AccessPoint;
  readonly station: Prober;
  readonly service: Prober;
  private supplicant: ChildProcess | undefined;

  private constructor(prefix: string) {
    this.directory = mkdtempSync(join(tmpdir(), `${prefix}-`));
    mkdirSync(join(this.directory, "logs"));
    this.processes = new Processes(join(this.directory, "logs"));
    this.namespaces = new Namespaces(prefix);
    try {
      this.buildNetwork();
      this.writeFiles();
      const settings = this.agentSettings();
      this.ap = new AccessPoint(1, this.namespaces, this.processes, this.directory, { replication: false, settings });
      const netns = this.namespaces.path("aaa");
      this.server = new FreeRadius(this.processes, join(this.directory, "server"), { port: 1812, netns });
      this.server.edit("clients.conf", [[/127\.0\.0\.0\/8/, "10.2.0.0/24"]]);
      this.station = new Prober(this.namespaces, this.processes, "sta");
      this.service = new Prober(this.namespaces, this.processes, "aaa");
    } catch (error) {
      this.processes.killAll();
      this.namespaces.remove();
      throw error;
    }
  }

  static async open(prefix: string): Promise<WiredLab> {
    Namespaces.removeOrphans(prefix);
    AccessPoint.removeOrphans(prefix);
    await buildLab();
    const lab = new WiredLab(prefix);
    try {
      await Promise.all([lab.server.start(), lab.ap.start(), lab.station.ready, lab.service.ready]);
      await lab.startHostapd();
    } catch (error) {
      await lab.close();
      throw error;
    }
    return lab;
  }

  /**
   * Resolves when the station's port is authorised, in its own eyes. hostapd may only now forget the station's last login,
   * after an order to, and this one with it: then the station begins anew.
   */
  async login(conf: "peap.conf" | "tls.conf", user = "alice"): Promise<void> {
    const path = join(this.directory, `${user}-${conf}`);
    const text = readFileSync(join(this.server.directory, conf), "utf8");
    const password = user === "alice" ? "wonderland" : "builder";
    const wired = text.replace("WPA-EAP IEEE8021X", "IEEE8021X").replace("wonderland", password);
    writeFileSync(path, `ap_scan=0\n${wired.replace('identity="alice"', `identity="${user}"`)}`);
    const log = join(this.processes.logs, `supplicant-${user}-${conf}.log`);
    for (let left = LOGIN_TRIES; !(await this.tryLogin(path, log)); left--) {
      if (left > 1) continue;
      const hostapd = tail(join(this.processes.logs, "hostapd.log"));
      throw new Error(`${user} tried to log in ${LOGIN_TRIES} times:\n${tail(log)}\n${hostapd}`);
    }
  }

  private async tryLogin(path: string, log: string): Promise<boolean> {
    if (this.supplicant) await this.processes.stop(this.supplicant);
    rmSync(log, { force: true });
    const args = ["-Dwired", "-iwlan0", `-c${path}`];
    const netns = this.namespaces.path("sta");
    this.supplicant = this.processes.start("/usr/sbin/wpa_supplicant", args, { netns, log });
    const done = () => tail(log, 50).includes("CTRL-EVENT-CONNECTED") || undefined;
    return until("a login", LOGIN_PATIENCE_MS, done, 2).catch(() => false);
  }

  /** What radclient prints. The time of now (or what is said of it) and a signature are added. */
  order(kind: "coa" | "disconnect", ...lines: string[]): string {
    const now = `Event-Timestamp = ${Math.floor(Date.now() / 1000)}`;
    const isLate = lines.some((line) => line.startsWith("Event-Timestamp"));
    const time = isLate ? [] : [now];
    const patience = isLate ? SILENCE_S : ANSWER_PATIENCE_S;
    const all = [...time, "Message-Authenticator = 0x00", ...lines];
    const call = `radclient -d ${this.server.directory} -x -r 1 -t ${patience} ${NAS}:3799 ${kind} ${RADIUS_SECRET} <<'EOF' || true`;
    return this.namespaces.exec("aaa", "sh", "-c", `${call}\n${all.join("\n")}\nEOF`);
  }

  hostapdLog(): string {
    return readFileSync(join(this.processes.logs, "hostapd.log"), "utf8");
  }

  /** What the agent would know of sessions if it started now. */
  sessionsKept(): string {
    const path = join(this.directory, SESSIONS);
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }

  async close(): Promise<void> {
    await this.processes.stopAll();
    this.ap.removePins();
    this.namespaces.remove();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private buildNetwork(): void {
    const ns = this.namespaces;
    ns.add("sta", "ap1", "aaa");
    for (const name of ["sta", "ap1", "aaa"]) ns.sysctl(name, "ipv6/conf/default/disable_ipv6", 1);
    ns.ip("sta", `link add wlan0 address ${STATION.mac} type veth peer name ${CLIENT_PORT} netns ${ns.full("ap1")}`);
    ns.ip("ap1", `link add mgmt0 type veth peer name eth0 netns ${ns.full("aaa")}`);
    ns.ip("sta", `address add ${STATION.v4}/24 dev wlan0`, "link set wlan0 up", "route add default via 10.1.0.1");
    const toStation = [`address add 10.1.0.1/24 dev ${CLIENT_PORT}`, `link set ${CLIENT_PORT} up`];
    ns.ip(
      "ap1",
      ...toStation,
      `address add ${NAS}/24 dev mgmt0`,
      "link set mgmt0 up",
      `route add ${SERVICE} via ${AAA}`,
    );
    ns.ip("aaa", `address add ${AAA}/24 dev eth0`, "link set eth0 up", `address add ${SERVICE}/32 dev lo`);
    ns.ip("aaa", `route add 10.1.0.0/24 via ${NAS}`);
    ns.sysctl("ap1", "ipv4/ip_forward", 1);
  }

  private writeFiles(): void {
    writeMeshFiles(this.directory);
    const rules = ["out tcp/8080 to any"];
    // Who is unknown gets a little, so that a login that was forgotten shows.
    const policy = {
      roles: { staff: { rules }, guest: { rules: ["out icmp to any"] }, lockdown: {} },
      unknown: "guest",
    };
    writeFileSync(join(this.directory, "policy.yaml"), JSON.stringify(policy));
    writeFileSync(join(this.directory, "radius-secret"), `${RADIUS_SECRET}\n`, { mode: 0o600 });
  }

  /** The example's, with files of the lab's own. */
  private agentSettings(): object {
    const { radius } = parse(readFileSync(join(EXAMPLES, "agent.yaml"), "utf8")) as { radius: object };
    const path = (name: string) => join(this.directory, name);
    return { radius: { ...radius, "secret-file": path("radius-secret"), store: path(SESSIONS) } };
  }

  private async startHostapd(): Promise<void> {
    const log = join(this.processes.logs, "hostapd.log");
    const options = { netns: this.namespaces.path("ap1"), log };
    this.processes.start("/usr/sbin/hostapd", ["-dd", join(EXAMPLES, "hostapd.conf")], options);
    await until("hostapd", START_PATIENCE_MS, () => tail(log, 5000).includes("AP-ENABLED") || undefined);
  }
}

export const hasWired = (() => {
  try {
    execFileSync("sh", ["-c", "command -v hostapd wpa_supplicant freeradius radclient"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();
