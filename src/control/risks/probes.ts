/** What can bypass or blind the filter: a row each, what is looked at and what to do. */
import { accessPointInterfaces } from "../uci/surroundings.ts";
import { isOn, type Machine, optionOf } from "./machine.ts";
import type { Severity } from "./risk.ts";

export interface Probe {
  readonly id: string;
  readonly severity: Severity;
  readonly remedy: string;
  /** What was found; undefined: nothing. Never rejects. */
  look(machine: Machine): Promise<string | undefined>;
}

export const PROBES: readonly Probe[] = [
  {
    id: "port-unfiltered",
    severity: "high",
    remedy:
      "see the log of roamwalld (logread -e roamwalld) for the reason; below kernel 6.6 install kmod-sched-core and kmod-sched-bpf",
    look: async ({ ports }) => {
      const open = ports.filter(({ present, attached }) => present && !attached);
      return some(open, ({ name, unfilteredMs }) => `${name}: not filtered for ${seconds(unfilteredMs)}`);
    },
  },
  {
    id: "port-was-open",
    severity: "low",
    remedy: "a netdev that is named in the configuration before it appears is filtered within milliseconds",
    look: async ({ ports }) => {
      const late = ports.filter(({ attached, openMs }) => attached && openMs >= OPEN_MS_WORTH_TELLING);
      return some(late, ({ name, openMs }) => `${name}: was up for ${seconds(openMs)} before it was filtered`);
    },
  },
  {
    id: "ap-not-a-port",
    severity: "high",
    remedy:
      "daemon.wireless '1', or a section `port` with this device, in /etc/config/roamwall; elsewhere --port of roamwalld",
    look: async (machine) => {
      const known = machine.ports.map(({ name }) => name);
      const interfaces = await accessPointInterfaces(machine.run);
      return some(
        interfaces.filter((name) => !known.includes(name)),
        (name) => `${name}: an AP interface that is no client port`,
      );
    },
  },
  {
    id: "flow-offload-hardware",
    severity: "high",
    remedy:
      "uci set firewall.@defaults[0].flow_offloading_hw=0; uci commit firewall; /etc/init.d/firewall restart (offload in software is no risk)",
    look: async (machine) => {
      const isSet = machine
        .uci("firewall")
        .some((section) => section.type === "defaults" && isOn(section, "flow_offloading_hw"));
      return isSet
        ? "the firewall's flow_offloading_hw is on: packets of bound flows are forwarded by the switch chip and seen by no filter"
        : undefined;
    },
  },
  {
    id: "flow-offload-behind-queue",
    severity: "high",
    remedy:
      "uci set firewall.@defaults[0].flow_offloading=0; uci commit firewall; /etc/init.d/firewall restart; elsewhere delete the flowtable",
    look: async (machine) => {
      if (!isBehindQueue(machine)) return undefined;
      const isSet = machine
        .uci("firewall")
        .some((section) => section.type === "defaults" && isOn(section, "flow_offloading"));
      const tables = (await machine.run("nft", "list", "flowtables"))?.filter((line) => /\bflowtable \S/.test(line));
      return isSet || tables?.length
        ? "netfilter's flowtable forwards established flows before they come to the queue: what is revoked goes on"
        : undefined;
    },
  },
  {
    id: "tagged-unseen",
    severity: "high",
    remedy:
      "sysctl -w net.bridge.bridge-nf-filter-vlan-tagged=1 net.bridge.bridge-nf-filter-pppoe-tagged=1 (and in /etc/sysctl.d), or kmod-nft-queue and kmod-nft-bridge, then restart roamwalld",
    look: async ({ datapath, ports, read }) => {
      if (!datapath.endsWith("rules in iptables")) return undefined;
      const unseen = ["vlan", "pppoe"].filter(
        (kind) => read(`/proc/sys/net/bridge/bridge-nf-filter-${kind}-tagged`)?.trim() !== "1",
      );
      const bridged = ports.filter(({ name }) => read(`/sys/class/net/${name}/brport/state`) !== undefined);
      if (unseen.length === 0) return undefined;
      return some(
        bridged,
        ({ name }) => `${name}: IP in ${unseen.join("- and ")}-tagged frames passes the bridge unseen`,
      );
    },
  },
  {
    id: "flows-in-hardware",
    severity: "high",
    remedy: "take off what binds them: hardware flow offload, WED, bridger",
    look: async ({ read }) => {
      const bound = [0, 1, 2]
        .map((i) => [i, lines(read(`/sys/kernel/debug/ppe${i}/bind`))] as const)
        .filter(([, count]) => count > 0);
      return some(bound, ([i, count]) => `ppe${i}: ${count} flows are forwarded by hardware`);
    },
  },
  {
    id: "wed",
    severity: "high",
    remedy: "remove wed_enable=Y from /etc/modules.d or the kernel's command line, and reboot",
    look: async ({ read }) => {
      const on = ["mt7915e", "mt7996e"].filter((module) =>
        /^[Y1]/.test(read(`/sys/module/${module}/parameters/wed_enable`) ?? ""),
      );
      return some(on, (module) => `${module}: WED is on: switch chip and radio exchange packets that no filter sees`);
    },
  },
  {
    id: "tc-offload",
    severity: "low",
    remedy: "ethtool -K NETDEV hw-tc-offload off, unless something else needs it",
    look: async ({ ports, run }) => {
      const found: string[] = [];
      for (const { name } of ports.filter(({ present }) => present)) {
        if ((await run("ethtool", "-k", name))?.some((line) => /^hw-tc-offload: on/.test(line))) found.push(name);
      }
      return some(
        found,
        (name) => `${name}: hw-tc-offload is on: another program's rules may move packets into hardware`,
      );
    },
  },
  {
    id: "bridger",
    severity: "high",
    remedy: "list blacklist NETDEV for each client port in /etc/config/bridger, or remove bridger",
    look: async (machine) => {
      if (!(await machine.run("pidof", "bridger"))?.length) return undefined;
      const exempt = machine
        .uci("bridger")
        .flatMap(({ options }) =>
          options.filter(({ name }) => name === "blacklist").flatMap(({ values }) => values.map(({ text }) => text)),
        );
      const open = machine.ports.filter(({ name }) => !exempt.includes(name));
      return some(open, ({ name }) => `${name}: bridger moves its flows into hardware`);
    },
  },
  {
    id: "same-bss",
    severity: "medium",
    remedy:
      "option isolate '1' in the wifi-iface: then stations reach each other only through the bridge (hairpin on its port), where both their rules are asked",
    look: async (machine) => {
      const open = machine
        .uci("wireless")
        .filter(
          (section) =>
            section.type === "wifi-iface" &&
            optionOf(section, "mode") === "ap" &&
            !isOn(section, "disabled") &&
            !isOn(section, "isolate"),
        );
      return some(
        open,
        (section) =>
          `${optionOf(section, "ssid") ?? section.name ?? "an SSID"}: what a station sends to another of the same radio passes without the sender's rules`,
      );
    },
  },
  {
    id: "tc-module",
    severity: "high",
    remedy: "install kmod-sched-core and kmod-sched-bpf of this very kernel, or a release with kernel 6.6 or newer",
    look: async ({ read, datapath }) => {
      if (isBehindQueue({ datapath })) return undefined;
      const release = read("/proc/sys/kernel/osrelease")?.trim();
      const [, major, minor] = /^(\d+)\.(\d+)/.exec(release ?? "") ?? [];
      if (!major || Number(major) > 6 || (Number(major) === 6 && Number(minor) >= 6)) return undefined;
      const there = `${read("/proc/modules") ?? ""}\n${read(`/lib/modules/${release}/modules.builtin`) ?? ""}`;
      const missing = ["cls_bpf", "sch_ingress"].filter((module) => !new RegExp(`\\b${module}\\b`).test(there));
      return some(missing, (module) => `kernel ${release}: ${module} is missing`);
    },
  },
  {
    id: "wpad-basic",
    severity: "medium",
    remedy:
      "replace it with the full package: apk del wpad-basic-mbedtls; apk add wpad-mbedtls (24.10 and older: opkg)",
    look: async ({ relay, read }) => {
      if (relay === undefined) return undefined;
      const basic = ["mbedtls", "openssl", "wolfssl"].map((library) => `wpad-basic-${library}`);
      const installed = ["wpad-basic", ...basic].filter(
        (name) => read(`/lib/apk/packages/${name}.list`) ?? read(`/usr/lib/opkg/info/${name}.list`),
      );
      return some(installed, (name) => `${name} knows no RADIUS: the relay hears of nobody`);
    },
  },
  {
    id: "relay-not-used",
    severity: "medium",
    remedy: "roamwall radius adopt WIFI-IFACE, then wifi reload",
    look: async (machine) => {
      const { relay } = machine;
      if (relay === undefined) return undefined;
      const others = machine
        .uci("wireless")
        .filter(
          (section) =>
            section.type === "wifi-iface" &&
            /^(wpa|eap)/.test(optionOf(section, "encryption") ?? "") &&
            optionOf(section, "auth_server") !== relay,
        );
      return some(
        others,
        (section) =>
          `${section.name ?? optionOf(section, "ssid")}: logs in past the relay at ${relay}: the rights that a RADIUS server grants are not heard`,
      );
    },
  },
  {
    id: "hostapd-silent",
    severity: "medium",
    remedy: "is hostapd running (ubus list 'hostapd.*')? Until then the first frame of a station says that it came",
    look: async ({ isDeafToHostapd }) => {
      return isDeafToHostapd ? "arrivals are to come from hostapd, which cannot be heard on ubus" : undefined;
    },
  },
  {
    id: "other-filter-first",
    severity: "medium",
    remedy: "give the other program's filter a higher priority number (preference) than 1",
    look: async ({ ports, run }) => {
      const found: string[] = [];
      for (const { name } of ports.filter(({ attached }) => attached)) {
        for (const side of ["ingress", "egress"]) {
          const first = firstForeign((await run("tc", "filter", "show", "dev", name, side)) ?? []);
          if (first !== undefined) found.push(`${name} ${side}: ${first} is asked before or beside us`);
        }
      }
      return some(found, (text) => text);
    },
  },
];

function isBehindQueue({ datapath }: Pick<Machine, "datapath">): boolean {
  return datapath.startsWith("NFQUEUE");
}

/** Less is the time that attaching takes. */
const OPEN_MS_WORTH_TELLING = 1_000;
const FOUND_MAX = 8;

function some<T>(found: readonly T[], tell: (one: T) => string): string | undefined {
  if (found.length === 0) return undefined;
  const more = found.length > FOUND_MAX ? [`and ${found.length - FOUND_MAX} more`] : [];
  return [...found.slice(0, FOUND_MAX).map(tell), ...more].join("; ");
}

function lines(text: string | undefined): number {
  return text?.split("\n").filter((line) => line !== "").length ?? 0;
}

function seconds(ms: number): string {
  return ms < 10_000 ? `${ms} ms` : `${Math.round(ms / 1000)} s`;
}

/**
 * `filter protocol all pref 1 bpf chain 0 handle 0x1 rw_from_client direct-action ...`: the first line of another program with
 * our preference or a smaller one. Below tcx all of clsact comes after us; then nothing is listed under our name.
 */
function firstForeign(lines: readonly string[]): string | undefined {
  const ours = lines.findIndex((line) => /\brw_(from|to)_client\b/.test(line));
  if (ours < 0) return undefined;
  const before = lines.slice(0, ours).find((line) => /\bpref \d+ \S+ .*handle\b/.test(line));
  const match = before && /\bpref (\d+) (\S+)(?:.*handle \S+ (\S+))?/.exec(before);
  return match ? `${match[3] ?? match[2]} (pref ${match[1]})` : undefined;
}
