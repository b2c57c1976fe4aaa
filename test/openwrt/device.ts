/**
 * A root file system with busybox and the platform's habits, in namespaces of its own: an access point without hardware.
 *
 *     world (10.77.0.1) --- up0 [br-lan 10.77.0.2] lan1 --- client (10.77.0.9)
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Namespaces } from "../lab/support/namespaces.ts";
import { Opkg, snapshot } from "./platform/opkg.ts";

const PREFIX = "rwpkg";
const PLATFORM = "test/openwrt/platform";
const APPLETS =
  "sh ash awk basename cat chmod cut date dirname echo env false find grep head kill ln ls md5sum mkdir mv printf ps pwd readlink rm rmdir sed setsid sleep sort tail test touch tr true uniq wc xargs";
/** Beside what packages bring: mounts, and what lives in memory. */
const VOLATILE = [
  "proc",
  "sys",
  "dev",
  "tmp",
  "run",
  "var",
  "usr/bin/node",
  "lib64",
  "lib/x86_64-linux-gnu",
  "lib/aarch64-linux-gnu",
  "usr/lib/opkg",
];

export class Device {
  readonly root = mkdtempSync(join(tmpdir(), "roamwall-device-"));
  readonly opkg: Opkg;
  private readonly net = new Namespaces(PREFIX);
  private readonly holder: ChildProcess;
  private readonly pid: number;

  constructor() {
    Namespaces.removeOrphans(PREFIX);
    this.makeRoot();
    this.makeNetwork();
    const mounts = [
      `mount -t proc proc ${this.root}/proc`,
      `mount -t sysfs sysfs ${this.root}/sys`,
      `mount -t bpf bpf ${this.root}/sys/fs/bpf`,
      `mount -t tmpfs tmpfs ${this.root}/tmp`,
      `mount --bind ${process.execPath} ${this.root}/usr/bin/node`,
      `mkdir -p ${this.root}/tmp/run ${this.root}/tmp/lock`,
    ].join(" && ");
    // The mounts end with this process.
    const words = [
      "unshare",
      "--mount",
      "--propagation=private",
      "sh",
      "-c",
      `${mounts} && echo ready && exec sleep 100000`,
    ];
    this.holder = spawn("nsenter", [`--net=${this.net.path("ap")}`, ...words], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.pid = this.holder.pid!;
    this.waitUntil(
      () => spawnSync("nsenter", ["-t", `${this.pid}`, "-m", "test", "-d", `${this.root}/tmp/lock`]).status === 0,
    );
    this.sh("syslogd -O /tmp/syslog");
    this.opkg = new Opkg(this.root, (script, variables) => {
      const assigned = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
      return this.sh(`${assigned.join(" ")} /bin/sh ${script} 2>&1`);
    });
  }

  /** Runs a line of shell on the device; answers what it printed. */
  sh(line: string): string {
    const { status, stdout, stderr } = this.try(line);
    if (status !== 0) throw new Error(`${line}: ${status}\n${stdout}${stderr}\n${this.log()}`);
    return stdout;
  }

  try(line: string): { status: number | null; stdout: string; stderr: string } {
    const words = ["-t", `${this.pid}`, "-m", "-n", "chroot", this.root, "/bin/sh", "-c", line];
    const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root" };
    return spawnSync("nsenter", words, { encoding: "utf8", env, timeout: 30_000 });
  }

  log(): string {
    return this.try("cat /tmp/log /tmp/syslog 2>/dev/null").stdout;
  }

  /** Of the host's programs, in the device's network. */
  host(...words: string[]): string {
    return execFileSync("nsenter", ["-t", `${this.pid}`, "-n", ...words], { encoding: "utf8" });
  }

  /** Whether the client answers somebody who speaks to it first: what no default policy allows. */
  isClientOpen(): boolean {
    return (
      this.net
        .exec("world", "sh", "-c", "busybox ping -c 1 -W 1 10.77.0.9 >/dev/null && echo open || echo shut")
        .trim() === "open"
    );
  }

  /** The other way round: what the default policy allows. */
  canClientAsk(): boolean {
    return (
      this.net
        .exec("client", "sh", "-c", "busybox ping -c 1 -W 1 10.77.0.1 >/dev/null && echo yes || echo no")
        .trim() === "yes"
    );
  }

  /** Counts pings that get through to the client while something else is done. */
  async openWhile(run: () => void): Promise<{ sent: number; open: number }> {
    const ping = spawn("nsenter", [
      `--net=${this.net.path("world")}`,
      "busybox",
      "ping",
      "-i",
      "0.02",
      "-W",
      "1",
      "10.77.0.9",
    ]);
    let text = "";
    ping.stdout.on("data", (bytes) => {
      text += bytes;
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    run();
    await new Promise((resolve) => setTimeout(resolve, 200));
    const ended = new Promise((resolve) => ping.on("close", resolve));
    ping.kill("SIGINT");
    await ended;
    const [, sent, open] = /(\d+) packets transmitted, (\d+) packets received/.exec(text) ?? [];
    return { sent: Number(sent), open: Number(open) };
  }

  /** Files, filters of the client port, and pins. */
  state(): { files: string[]; filters: string; pins: string } {
    return {
      files: snapshot(this.root, VOLATILE),
      filters:
        this.host("tc", "filter", "show", "dev", "lan1", "ingress") +
        this.host("tc", "filter", "show", "dev", "lan1", "egress"),
      pins: this.sh("ls /sys/fs/bpf"),
    };
  }

  write(path: string, text: string, mode = 0o644): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true });
    writeFileSync(join(this.root, path), text, { mode });
  }

  read(path: string): string {
    return readFileSync(join(this.root, path), "utf8");
  }

  has(path: string): boolean {
    return existsSync(join(this.root, path));
  }

  waitUntil(holds: () => boolean, withinMs = 60_000): void {
    const endMs = Date.now() + withinMs;
    while (!holds()) {
      if (Date.now() > endMs) throw new Error(`not within ${withinMs} ms: ${holds}\n${this.pid ? this.log() : ""}`);
      spawnSync("sleep", ["0.05"]);
    }
  }

  close(): void {
    this.try("kill $(cat /tmp/procd/*.pid /tmp/run/syslogd.pid)");
    this.holder.kill("SIGKILL");
    this.net.remove();
    spawnSync("sleep", ["0.1"]);
    rmSync(this.root, { recursive: true, force: true });
  }

  private makeRoot(): void {
    const at = (path: string) => join(this.root, path);
    for (const path of [
      "bin",
      "sbin",
      "usr/bin",
      "usr/sbin",
      "lib/functions",
      "etc/config",
      "etc/init.d",
      "etc/rc.d",
      "proc",
      "sys",
      "dev",
      "tmp",
      "root",
    ]) {
      mkdirSync(at(path), { recursive: true });
    }
    symlinkSync("tmp", at("var"));
    symlinkSync("tmp/run", at("run"));
    copyFileSync("/usr/bin/busybox", at("bin/busybox"));
    for (const applet of APPLETS.split(" ")) symlinkSync("/bin/busybox", at(`bin/${applet}`));
    execFileSync("mknod", [at("dev/null"), "c", "1", "3"]);
    execFileSync("mknod", [at("dev/urandom"), "c", "1", "9"]);
    this.write("/usr/bin/node", "");
    for (const library of librariesOf(process.execPath)) {
      mkdirSync(dirname(at(library)), { recursive: true });
      copyFileSync(library, at(library));
    }
    const program = (path: string, text: string) => this.write(path, text, 0o755);
    this.write("/lib/functions.sh", readFileSync(`${PLATFORM}/functions.sh`, "utf8"));
    this.write("/lib/functions/procd.sh", readFileSync(`${PLATFORM}/procd.sh`, "utf8"));
    program("/etc/rc.common", readFileSync(`${PLATFORM}/rc.common`, "utf8"));
    program("/etc/init.d/boot", "#!/bin/sh\n");
    // Says what of ours it would find.
    program("/etc/init.d/rpcd", '#!/bin/sh\necho "$1: $(ls /usr/libexec/rpcd 2>/dev/null)" >>/tmp/rpcd\n');
    program("/sbin/fw4", '#!/bin/sh\n[ "$*" = "-q network meshlink" ] && echo backhaul\n');
    program("/sbin/uci", readFileSync(`${PLATFORM}/uci.cjs`, "utf8"));
    program("/sbin/wifi", '#!/bin/sh\necho "wifi $*" >>/tmp/log\n');
    program("/usr/sbin/iw", "#!/bin/sh\ncat /tmp/iw 2>/dev/null\n");
    program("/bin/ubus", '#!/bin/sh\ncat "/tmp/ubus-$2" 2>/dev/null\n');
    this.write(
      "/etc/config/wireless",
      "\nconfig wifi-iface 'corp'\n\toption ssid 'Corp'\n\toption auth_server '192.0.2.10'\n\toption auth_secret 'shared'\n",
    );
  }

  private makeNetwork(): void {
    const { net } = this;
    net.add("ap", "world", "client");
    const peer = (name: string) => `netns ${net.full(name)}`;
    net.ip("ap", "link add br-lan type bridge", "link set br-lan up", "address add 10.77.0.2/24 dev br-lan");
    net.ip("ap", `link add up0 type veth peer name eth0 ${peer("world")}`, "link set up0 master br-lan up");
    net.ip("ap", `link add lan1 type veth peer name eth0 ${peer("client")}`, "link set lan1 master br-lan up");
    net.ip("world", "link set eth0 up", "address add 10.77.0.1/24 dev eth0");
    net.ip("client", "link set eth0 up", "address add 10.77.0.9/24 dev eth0");
  }
}

function librariesOf(program: string): string[] {
  const lines = execFileSync("ldd", [program], { encoding: "utf8" }).split("\n");
  return lines.flatMap((line) => /(\/\S+) \(0x/.exec(line)?.[1] ?? []);
}
