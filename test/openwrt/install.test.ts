import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasFirmware, isRoot } from "../lab/support/root.ts";
import { Device } from "./device.ts";

const KEY = `mesh 0 ${"5a".repeat(32)}\nseed ${"0102030405060708090a0b0c0d0e0f10"}\n`;
const canRun = isRoot && hasFirmware && existsSync("/usr/bin/busybox") && process.arch === "x64";
const out = mkdtempSync(join(tmpdir(), "roamwall-packages-"));

function build(epoch: number, directory = "build"): string {
  const to = join(out, `${epoch}-${directory}`);
  const env = { ...process.env, SOURCE_DATE_EPOCH: `${epoch}` };
  execFileSync(
    process.execPath,
    ["scripts/ts.mjs", "scripts/package.ts", "--arch", "x86-64", "--out", to, "--build", join(out, directory)],
    { env },
  );
  return to;
}

describe.skipIf(!canRun)("packages on a device", () => {
  let device: Device;
  let packages: string;
  let before: ReturnType<Device["state"]>;
  const set = (line: string) => device.sh(`uci set roamwall.${line} && uci commit roamwall`);
  const status = () => JSON.parse(device.sh("roamwall status --json"));
  const isFiltered = () => {
    const { status: code, stdout } = device.try("roamwall status --json");
    return code === 0 && JSON.parse(stdout).datapath?.ports?.[0]?.attached === true;
  };

  beforeAll(() => {
    packages = build(1_000_000_000);
    device = new Device();
    before = device.state();
  });
  afterAll(() => {
    device?.close();
    rmSync(out, { recursive: true, force: true });
  });

  const install = (name: string, architecture: string, from = packages) =>
    device.opkg.install(join(from, `${name}_0.1.0-r1_${architecture}.ipk`));

  it("are the same to the byte wherever they are built", () => {
    const sums = (directory: string) => readFileSync(join(directory, "SHA256SUMS"), "utf8");
    expect(sums(build(1_000_000_000, "elsewhere"))).toBe(sums(packages));
    // The control: what differs is seen.
    expect(sums(build(1_000_000_001))).not.toBe(sums(packages));
  }, 300_000);

  it("installs, starts nothing before it is enabled, and enables the services", () => {
    expect(() => install("roamwall", "all")).toThrow("depends on roamwalld");
    install("roamwalld", "x86_64");
    install("roamwall", "all");
    expect(device.sh("ls /etc/rc.d")).toBe("K10roamwall\nS18roamwalld\nS95roamwall\n");
    expect(device.has("/etc/uci-defaults/60-roamwall")).toBe(false);
    expect(device.try("ls /tmp/procd/*.pid").status).not.toBe(0);
    expect(device.isClientOpen()).toBe(true);
  });

  it("says what is wrong with a configuration, and starts nothing from it", () => {
    set("agent.enabled=1");
    device.sh("/etc/init.d/roamwall reload");
    expect(device.log()).toContain("/etc/config/roamwall: no id; accepted: id: a number of 1 to 65534");
    expect(device.isClientOpen()).toBe(true);
  });

  it("filters once it is configured", () => {
    device.write("/etc/roamwall/key", KEY, 0o600);
    set("agent.id=7");
    device.sh("uci set roamwall.lan1=port; uci set roamwall.lan1.device=lan1; /etc/init.d/roamwall reload");
    device.waitUntil(isFiltered);
    expect(status()).toMatchObject({ id: 7, mode: "enforce" });
    expect(device.isClientOpen()).toBe(false);
    expect(device.canClientAsk()).toBe(true);
  });

  it("answers LuCI's questions", () => {
    const ask = (words: string) => JSON.parse(device.sh(`/usr/libexec/rpcd/roamwall ${words}`));
    expect(Object.keys(ask("list"))).toEqual(["status", "clients", "neighbours", "denied", "sessions"]);
    expect(ask("call status").value).toMatchObject({ id: 7 });
    for (const verb of ["clients", "neighbours", "denied", "sessions"])
      expect(ask(`call ${verb}`).value).toBeInstanceOf(Array);
    expect(device.try("/usr/libexec/rpcd/roamwall call reboot").status).not.toBe(0);
  });

  it("tells procd what to watch", () => {
    expect(device.sh("cat /tmp/procd/roamwall.triggers")).toContain("config roamwall wireless network");
    const parameters = device.sh("cat /tmp/procd/roamwalld.new/parameters /tmp/procd/roamwall.new/parameters");
    expect(parameters).toContain("respawn 3600 1 0");
    expect(parameters).toContain("file /usr/sbin/roamwalld");
    expect(parameters).not.toContain("jail");
  });

  it("is found by rpcd, which is told of it", () => {
    expect(device.sh("cat /tmp/rpcd")).toBe("reload: roamwall\n");
  });

  it("keeps the last good configuration in force beside a broken one, and says so", () => {
    const starts = device.sh("cat /tmp/procd/*.starts");
    set("agent.id=seven");
    device.sh("/etc/init.d/roamwall reload");
    expect(device.log()).toMatch(/\/etc\/config\/roamwall:\d+ agent\.id: "seven"; accepted: .* the accepted one stays/);
    expect(device.sh("cat /tmp/procd/*.starts")).toBe(starts);
    expect(status().id).toBe(7);
    set("agent.id=7");
  });

  it("restarts what a change is for, and nothing else", () => {
    const starts = () => device.sh("wc -l < /tmp/procd/roamwalld.starts; wc -l < /tmp/procd/roamwall.starts");
    expect(starts()).toBe("1\n1\n");
    set("agent.name=kitchen");
    device.sh("/etc/init.d/roamwall reload");
    device.waitUntil(() => device.try("roamwall status --json").stdout.includes("kitchen"));
    expect(starts()).toBe("1\n2\n");
  });

  it("takes an AP interface in that appears with a new name", () => {
    device.host("ip", "link", "add", "phy0-ap0", "type", "veth", "peer", "name", "station");
    device.sh("printf '\\tInterface phy0-ap0\\n\\t\\ttype AP\\n' >/tmp/iw");
    device.sh("/etc/init.d/roamwall reload");
    device.waitUntil(() => device.try("roamwall status --json").stdout.includes('"phy0-ap0"'));
    expect(device.isClientOpen()).toBe(false);
  });

  it("lets the neighbours' datagrams through the firewall's zone of their network, and no others", () => {
    const parameters = () => device.sh("cat /tmp/procd/roamwall.new/parameters");
    expect(parameters()).not.toContain("data ");
    set("replication.network=meshlink");
    device.sh("/etc/init.d/roamwall reload");
    const rule = "type rule,name Allow-Roamwall,src backhaul,proto udp,dest_port 4755,target ACCEPT".split(",");
    expect(parameters().match(/(?<=^data ).*/gm)).toEqual(["array firewall", ...rule]);
    expect(device.sh("cat /tmp/procd/changes")).toContain("changed firewall\n");
    device.sh("uci delete roamwall.replication.network && uci commit roamwall && /etc/init.d/roamwall reload");
    expect(parameters()).not.toContain("data ");
    device.waitUntil(isFiltered);
  });

  it("goes over to the small engine when that is installed, and nothing passes meanwhile", async () => {
    expect(status().engine.name).toContain("Node");
    const { open } = await device.openWhile(() => {
      install("roamwall-qjs", "x86_64");
      device.sh("/etc/init.d/roamwall reload");
    });
    device.waitUntil(isFiltered);
    expect(status().engine.name).toContain("QuickJS");
    expect(open).toBe(0);
    device.opkg.remove("roamwall-qjs");
    device.sh("/etc/init.d/roamwall reload");
    device.waitUntil(isFiltered);
    expect(status().engine.name).toContain("Node");
  });

  it("hears of a station from hostapd before its first frame", () => {
    const station = '{ "sta-authorized": {"address":"02:00:00:00:0a:42","ifname":"lan1","auth-alg":"ft"} }';
    device.sh(`printf '%s\\n' '${station}' >/tmp/ubus-hostapd.lan1; echo hostapd.lan1 >'/tmp/ubus-hostapd.*'`);
    const arrivals = () => /"arrivals": (\d+)/.exec(device.try("roamwall status --json").stdout)?.[1];
    expect(arrivals()).toBe("0");
    set("agent.arrival=hostapd");
    device.sh("/etc/init.d/roamwall reload");
    device.waitUntil(() => arrivals() === "1");
    expect(device.log()).toContain("listening to hostapd.lan1");
    set("agent.arrival=first-frame");
  });

  it("lets nothing pass while it is stopped, and while it is upgraded", async () => {
    const stopped = await device.openWhile(() => {
      device.sh("/etc/init.d/roamwall stop; /etc/init.d/roamwalld restart; /etc/init.d/roamwall start");
    });
    expect(stopped).toMatchObject({ open: 0 });
    const next = build(1_100_000_000);
    const upgraded = await device.openWhile(() => {
      install("roamwalld", "x86_64", next);
      install("roamwall", "all", next);
    });
    expect(upgraded.sent).toBeGreaterThan(20);
    expect(upgraded.open).toBe(0);
    device.waitUntil(isFiltered);
    expect(device.read("/etc/config/roamwall")).toContain("kitchen");
    expect(device.has("/etc/config/roamwall-opkg")).toBe(true);
    // The control: with the filter taken off, the same pings get through.
    expect((await device.openWhile(() => device.sh("/etc/init.d/roamwalld detach"))).open).toBeGreaterThan(0);
    device.sh("/etc/init.d/roamwalld start");
    device.waitUntil(() => !device.isClientOpen());
  });

  it("takes the filter off when it is disabled, and puts it on again", () => {
    set("agent.enabled=0");
    device.sh("/etc/init.d/roamwall reload");
    expect(device.isClientOpen()).toBe(true);
    set("agent.enabled=1");
    device.sh("/etc/init.d/roamwall reload");
    device.waitUntil(isFiltered);
    expect(device.isClientOpen()).toBe(false);
  });

  it("adopts a wifi-iface for the relay", () => {
    device.write("/etc/roamwall/radius.secret", "shared\n", 0o600);
    device.sh("uci add_list roamwall.radius.servers=192.0.2.10");
    set("radius.secret_file=/etc/roamwall/radius.secret");
    device.sh("/etc/init.d/roamwall reload && roamwall radius adopt corp --wifi");
    expect(device.read("/etc/config/wireless")).toContain("option auth_server '127.0.0.1'");
    expect(device.log()).toContain("wifi reload");
  });

  it("leaves the device as it was when it is removed", () => {
    const owners = [
      "etc/config/roamwall",
      "etc/config/roamwall-opkg",
      "etc/roamwall",
      "etc/roamwall/key",
      "etc/roamwall/radius.secret",
    ];
    device.opkg.remove("roamwall");
    device.opkg.remove("roamwalld");
    const after = device.state();
    const isOwners = (line: string) => owners.includes(line.split(" ")[0]!);
    // What its owner wrote or changed stays, as with every package.
    expect(after.files.filter(isOwners).map((line) => line.split(" ")[0])).toEqual(owners);
    expect({ ...after, files: after.files.filter((line) => !isOwners(line)) }).toEqual(before);
    expect(device.isClientOpen()).toBe(true);
    expect(device.sh("tail -n 1 /tmp/rpcd")).toBe("reload: \n");
  });
});

describe("packages on a device", () => {
  it.runIf(!canRun)("were not installed: root, busybox, the kernel's half and an x86-64 machine are needed", () => {});
});
