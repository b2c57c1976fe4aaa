import { describe, expect, it } from "vitest";
import type { PortStatus } from "../status.ts";
import { parseUci } from "../uci/parse.ts";
import type { Machine } from "./machine.ts";
import { PROBES } from "./probes.ts";
import { SEVERITIES } from "./risk.ts";
import { RiskWatch } from "./watch.ts";

const PORT: PortStatus = { name: "phy0-ap0", zone: 0, attached: true, present: true, openMs: 3, unfilteredMs: 0 };

interface Facts {
  readonly files?: Record<string, string>;
  readonly programs?: Record<string, string>;
  readonly ports?: readonly PortStatus[];
  readonly datapath?: string;
  readonly relay?: string;
  readonly isDeafToHostapd?: boolean;
}

function machine(facts: Facts): Machine {
  const { files = {}, programs = {}, ports = [PORT], datapath = "eBPF", relay, isDeafToHostapd = false } = facts;
  return {
    ports,
    datapath,
    relay,
    isDeafToHostapd,
    read: (path) => files[path],
    run: async (...words) => programs[words.join(" ")]?.split("\n"),
    uci: (name) => parseUci(files[`/etc/config/${name}`] ?? "", name),
  };
}

async function found(facts: Facts): Promise<Record<string, string>> {
  const rows = await Promise.all(PROBES.map(async ({ id, look }) => [id, await look(machine(facts))] as const));
  return Object.fromEntries(rows.filter((row): row is [string, string] => row[1] !== undefined));
}

const AP =
  "config wifi-iface 'corp'\n\toption mode 'ap'\n\toption ssid 'Corp'\n\toption isolate '1'\n\toption encryption 'wpa2'\n";
const BRIDGED = { "/sys/class/net/phy0-ap0/brport/state": "3\n" };
const TAGGED = (kind: string, value: string) => ({ [`/proc/sys/net/bridge/bridge-nf-filter-${kind}-tagged`]: value });
const IPTABLES = "NFQUEUE (no eBPF: no bpf()), fail-open, rules in iptables";
const OUR_FILTER =
  "filter protocol all pref 1 bpf chain 0\nfilter protocol all pref 1 bpf chain 0 handle 0x1 rw_from_client direct-action not_in_hw id 12 tag 00";

/** What is found, and that the same machine without it is clean: the second column is one line away from the third. */
const CASES: [id: string, phrase: string, facts: Facts, finding: string, clean: Facts][] = [
  [
    "port-unfiltered",
    "a port without its filter, and for how long",
    { ports: [{ ...PORT, attached: false, unfilteredMs: 62_000 }] },
    "phy0-ap0: not filtered for 62 s",
    { ports: [{ ...PORT, attached: false, present: false }] },
  ],
  [
    "port-was-open",
    "a port that was open for long",
    { ports: [{ ...PORT, openMs: 3652 }] },
    "phy0-ap0: was up for 3652 ms",
    { ports: [PORT] },
  ],
  [
    "ap-not-a-port",
    "an AP interface that nobody named",
    { programs: { "iw dev": "phy#0\n\tInterface phy0-ap0\n\t\ttype AP\n\tInterface phy0-ap1\n\t\ttype AP" } },
    "phy0-ap1: an AP interface that is no client port",
    { programs: { "iw dev": "phy#0\n\tInterface phy0-ap0\n\t\ttype AP\n\tInterface phy0-mesh0\n\t\ttype mesh point" } },
  ],
  [
    "flow-offload-hardware",
    "hardware offload",
    {
      files: {
        "/etc/config/firewall": "config defaults\n\toption flow_offloading '1'\n\toption flow_offloading_hw '1'\n",
      },
    },
    "flow_offloading_hw is on",
    {
      files: {
        "/etc/config/firewall": "config defaults\n\toption flow_offloading '1'\n\toption flow_offloading_hw '0'\n",
      },
    },
  ],
  [
    "flow-offload-behind-queue",
    "software offload before the queue, by the configuration",
    { datapath: IPTABLES, files: { "/etc/config/firewall": "config defaults\n\toption flow_offloading '1'\n" } },
    "before they come to the queue",
    { files: { "/etc/config/firewall": "config defaults\n\toption flow_offloading '1'\n" } },
  ],
  [
    "flow-offload-behind-queue",
    "software offload before the queue, as the kernel has it",
    {
      datapath: IPTABLES,
      programs: { "nft list flowtables": "table inet fw4 {\n\tflowtable ft {\n\t\thook ingress priority filter" },
    },
    "before they come to the queue",
    { datapath: IPTABLES, programs: { "nft list flowtables": "table inet fw4 {\n}" } },
  ],
  [
    "tagged-unseen",
    "frames with tags that a bridge hides from iptables",
    { datapath: IPTABLES, files: { ...BRIDGED, ...TAGGED("vlan", "0\n"), ...TAGGED("pppoe", "1\n") } },
    "phy0-ap0: IP in vlan-tagged frames passes the bridge unseen",
    { datapath: IPTABLES, files: { ...BRIDGED, ...TAGGED("vlan", "1\n"), ...TAGGED("pppoe", "1\n") } },
  ],
  [
    "tagged-unseen",
    "both tags; a port that is routed has no bridge to hide them",
    { datapath: IPTABLES, files: { ...BRIDGED, ...TAGGED("vlan", "0\n"), ...TAGGED("pppoe", "0\n") } },
    "phy0-ap0: IP in vlan- and pppoe-tagged frames passes",
    { datapath: IPTABLES, files: { ...TAGGED("vlan", "0\n"), ...TAGGED("pppoe", "0\n") } },
  ],
  [
    "tagged-unseen",
    "nft's bridge family sees whole frames",
    { datapath: IPTABLES, files: { ...BRIDGED } },
    "passes the bridge unseen",
    { datapath: "NFQUEUE (no eBPF: no bpf()), fail-open, rules in nf_tables", files: { ...BRIDGED } },
  ],
  [
    "flows-in-hardware",
    "bound flows",
    { files: { "/sys/kernel/debug/ppe0/bind": "00001 BND\n00002 BND\n" } },
    "ppe0: 2 flows",
    { files: { "/sys/kernel/debug/ppe0/bind": "" } },
  ],
  [
    "wed",
    "WED",
    { files: { "/sys/module/mt7915e/parameters/wed_enable": "Y\n" } },
    "mt7915e: WED is on",
    { files: { "/sys/module/mt7915e/parameters/wed_enable": "N\n" } },
  ],
  [
    "tc-offload",
    "a netdev that offloads rules",
    { programs: { "ethtool -k phy0-ap0": "Features for phy0-ap0:\nhw-tc-offload: on" } },
    "phy0-ap0: hw-tc-offload is on",
    { programs: { "ethtool -k phy0-ap0": "hw-tc-offload: off [fixed]" } },
  ],
  [
    "bridger",
    "bridger on a client port",
    { programs: { "pidof bridger": "1234" } },
    "phy0-ap0: bridger",
    {
      programs: { "pidof bridger": "1234" },
      files: { "/etc/config/bridger": "config defaults\n\tlist blacklist 'phy0-ap0'\n" },
    },
  ],
  [
    "same-bss",
    "stations that are not isolated",
    { files: { "/etc/config/wireless": AP.replace("isolate '1'", "isolate '0'") } },
    "Corp: what a station sends",
    { files: { "/etc/config/wireless": AP } },
  ],
  [
    "tc-module",
    "a kernel without the classifier",
    { files: { "/proc/sys/kernel/osrelease": "5.15.150\n", "/proc/modules": "sch_ingress 16384 0\n" } },
    "cls_bpf is missing",
    { files: { "/proc/sys/kernel/osrelease": "5.15.150\n", "/proc/modules": "sch_ingress 1 0\ncls_bpf 1 0\n" } },
  ],
  [
    "wpad-basic",
    "a wpad without RADIUS",
    { relay: "127.0.0.1", files: { "/lib/apk/packages/wpad-basic-mbedtls.list": "/usr/sbin/wpad\n" } },
    "wpad-basic-mbedtls knows no RADIUS",
    { files: { "/lib/apk/packages/wpad-basic-mbedtls.list": "/usr/sbin/wpad\n" } },
  ],
  [
    "relay-not-used",
    "an SSID that logs in elsewhere",
    { relay: "127.0.0.1", files: { "/etc/config/wireless": `${AP}\toption auth_server '192.0.2.10'\n` } },
    "corp: logs in past the relay",
    { relay: "127.0.0.1", files: { "/etc/config/wireless": `${AP}\toption auth_server '127.0.0.1'\n` } },
  ],
  ["hostapd-silent", "no hostapd to hear", { isDeafToHostapd: true }, "cannot be heard", {}],
  [
    "other-filter-first",
    "another program before ours",
    {
      programs: {
        "tc filter show dev phy0-ap0 ingress": `filter protocol all pref 1 bpf chain 0 handle 0x7 shaper direct-action id 3\n${OUR_FILTER}`,
      },
    },
    "phy0-ap0 ingress: shaper (pref 1)",
    {
      programs: {
        "tc filter show dev phy0-ap0 ingress": `${OUR_FILTER}\nfilter protocol all pref 272 bpf chain 0 handle 0x1 qosify id 3`,
      },
    },
  ],
];

describe("what can bypass or blind the filter", () => {
  it("has a case for every row", () => {
    expect([...new Set(CASES.map(([id]) => id))]).toEqual(PROBES.map(({ id }) => id));
    for (const { severity, remedy } of PROBES) {
      expect(SEVERITIES).toContain(severity);
      expect(remedy).not.toBe("");
    }
  });

  it.each(CASES)("%s: finds %s, alone, and nothing where it is not", async (id, _phrase, facts, finding, clean) => {
    const risks = await found(facts);
    expect(risks[id]).toContain(finding);
    expect(Object.keys(risks)).toEqual([id]);
    expect(await found(clean)).toEqual({});
  });

  it("finds nothing on a machine that has none of it", async () => {
    expect(await found({})).toEqual({});
    expect(await found({ ports: [] })).toEqual({});
  });

  it("finds software offload harmless, and a kernel of 6.6 without modules", async () => {
    const files = {
      "/etc/config/firewall": "config defaults\n\toption flow_offloading '1'\n",
      "/proc/sys/kernel/osrelease": "6.6.30\n",
    };
    expect(await found({ files })).toEqual({});
  });

  it("misses no module of tc where packets go through the queue", async () => {
    const files = { "/proc/sys/kernel/osrelease": "5.15.150\n", "/proc/modules": "" };
    expect(await found({ files, datapath: IPTABLES })).toEqual({});
    expect(Object.keys(await found({ files }))).toEqual(["tc-module"]);
  });

  it("survives another package's broken configuration", async () => {
    const broken = machine({});
    expect(await PROBES.find(({ id }) => id === "same-bss")!.look({ ...broken, uci: () => [] })).toBe(undefined);
  });
});

describe("RiskWatch", () => {
  function world() {
    const timers: { atMs: number; run: () => void }[] = [];
    const lines: string[] = [];
    let nowMs = 0;
    let finding: string | undefined = "on";
    let looks = 0;
    const log = (_room: string, text: string) => void lines.push(text);
    const watch = new RiskWatch({
      clock: {
        nowMs: () => nowMs,
        after: (ms, run) => {
          const timer = { atMs: nowMs + ms, run };
          timers.push(timer);
          return () => void timers.splice(timers.indexOf(timer), timers.includes(timer) ? 1 : 0);
        },
      },
      log: { debug: log, info: log, warn: log, error: log },
      machine: () => machine({}),
      probes: [
        {
          id: "wed",
          severity: "high",
          remedy: "off",
          look: async () => {
            looks++;
            return finding;
          },
        },
      ],
    });
    return {
      watch,
      lines,
      looks: () => looks,
      find: (text: string | undefined) => {
        finding = text;
      },
      async pass(ms: number) {
        nowMs += ms;
        for (const timer of timers.filter(({ atMs }) => atMs <= nowMs)) {
          timers.splice(timers.indexOf(timer), 1);
          timer.run();
        }
        for (let i = 0; i < 20; i++) await Promise.resolve();
      },
    };
  }

  it("looks a while after the start, then now and then, and tells each finding once and its end once", async () => {
    const { watch, pass, lines, find, looks } = world();
    watch.start();
    await pass(4_999);
    expect(looks()).toBe(0);
    await pass(1);
    await pass(300_000);
    expect(looks()).toBe(2);
    expect(lines).toEqual(["wed"]);
    expect(watch.risks).toEqual([{ id: "wed", severity: "high", finding: "on", remedy: "off" }]);
    find(undefined);
    await pass(300_000);
    expect(lines).toEqual(["wed", "wed is over"]);
    expect(watch.risks).toEqual([]);
  });

  it("looks again soon after a port changed, once for several, and never when it was stopped", async () => {
    const { watch, pass, looks } = world();
    watch.start();
    for (let i = 0; i < 5; i++) watch.changed();
    await pass(5_000);
    expect(looks()).toBe(1);
    watch.stop();
    watch.changed();
    await pass(1_000_000);
    expect(looks()).toBe(1);
  });

  it("answers several who ask at once with one look", async () => {
    const { watch, looks } = world();
    const answers = await Promise.all([watch.look(), watch.look(), watch.look()]);
    expect(looks()).toBe(1);
    expect(answers[0]).toBe(answers[2]);
  });
});
