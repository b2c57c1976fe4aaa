/** The agent's settings file. The table below is what is read, what `docs/settings.md` shows, and what errors offer. */
import { badInput } from "../base/errors.ts";
import { parseAddress } from "../base/ip.ts";
import type { Endpoint } from "../platform/platform.ts";
import { type Field, readDocument } from "../policy/document.ts";
import { MODE_NAMES, type ModeName } from "../replication/modes.ts";
import { IDENTITY_SETTINGS, type IdentitySettings, readIdentitySettings, readSigners } from "./settings-identities.ts";
import { PAGE_SETTINGS, type PageSettings, readPageSettings } from "./settings-page.ts";
import { RADIUS_SETTINGS, type RadiusSettings, readEndpoint, readRadius } from "./settings-radius.ts";

export type { IdentitySettings } from "./settings-identities.ts";
export type { PageSettings } from "./settings-page.ts";
export type { RadiusSettings } from "./settings-radius.ts";

export interface Settings {
  readonly id: number;
  readonly name: string;
  readonly daemon: string;
  readonly control: string;
  readonly key: string;
  readonly mode: "enforce" | "monitor";
  readonly policy: string;
  readonly arrival: "first-frame" | "hostapd";
  readonly salt: number;
  readonly pickupS: number;
  readonly replication: ReplicationSettings;
  /** Absent: one mesh key makes the member. */
  readonly identities?: IdentitySettings;
  /** Absent: no broker. */
  readonly mqtt?: MqttSettings;
  readonly radius?: RadiusSettings;
  /** Absent: no status page, no metrics to be asked for. */
  readonly page?: PageSettings;
}

export interface MqttSettings {
  readonly url: string;
  readonly mesh: string;
  /** Public keys of those whose policies count. */
  readonly keys: readonly Uint8Array[];
  readonly user: string | undefined;
  readonly passwordFile: string | undefined;
  readonly ca: string | undefined;
  readonly certificate: string | undefined;
  readonly privateKey: string | undefined;
  readonly store: string;
  readonly everyMs: number;
}

export interface ReplicationSettings {
  readonly enabled: boolean;
  readonly bind: string;
  readonly port: number;
  readonly group: string | undefined;
  readonly iface: string | undefined;
  readonly peers: readonly Endpoint[];
  readonly holdMs: number;
  readonly flushMs: number;
  readonly path: "symmetric" | "asymmetric";
  readonly bytesPerSecond: number;
  readonly handoverS: number;
  readonly mode: ModeName;
  readonly alarmMs: number;
  /** Undefined: a sixteenth of the RAM. */
  readonly memoryBytes: number | undefined;
}

export interface SettingText {
  readonly name: string;
  readonly form: string;
  /** `-`: must be given. */
  readonly default: string;
  readonly effect: string;
}

export const SETTINGS: readonly SettingText[] = [
  { name: "id", form: "1 to 65534", default: "-", effect: "This AP's number in the mesh. No two APs may share one." },
  {
    name: "name",
    form: "text",
    default: "`ap` and the id",
    effect: "What people call this AP: shown to neighbours and in `status`.",
  },
  { name: "daemon", form: "path", default: "/run/roamwall/daemon.sock", effect: "Where roamwalld listens." },
  {
    name: "control",
    form: "path",
    default: "/run/roamwall/agent.sock",
    effect: "Where `roamwall status` and the other commands find this agent.",
  },
  {
    name: "key",
    form: "path",
    default: "/etc/roamwall/key",
    effect: "The mesh's secrets, the same file as roamwalld's; mode 0600.",
  },
  {
    name: "mode",
    form: "enforce, monitor",
    default: "enforce",
    effect: "`monitor` counts and reports what would be denied, and lets it pass.",
  },
  {
    name: "policy",
    form: "path",
    default: "/etc/roamwall/policy.yaml",
    effect:
      "Rules and clients ([policy.md](policy.md)). Read again when it changes, and at SIGHUP; whole or not at all.",
  },
  {
    name: "arrival",
    form: "first-frame, hostapd",
    default: "first-frame",
    effect:
      "What says that a client is here. `hostapd`: also its station events on OpenWrt's ubus, which come before the first frame; the client's state is fetched that much earlier. Without hostapd or ubus the first frame is enough.",
  },
  {
    name: "salt",
    form: "0 to 65535",
    default: "0",
    effect:
      "APs with different salts place the same rules at different bits of their filters, so that what one lets through by chance, the next AP of the path stops (ICC'07's several filters). It costs nothing.",
  },
  {
    name: "pickup",
    form: "duration, 0 to 1 h",
    default: "300s",
    effect:
      "For so long after an empty table, connections that are under way are believed. Longer: fewer broken connections after a reboot; shorter: less time in which anybody may claim to have one.",
  },
  {
    name: "replication.enabled",
    form: "true, false",
    default: "true",
    effect: "Whether expectations go to and come from neighbour APs.",
  },
  {
    name: "replication.bind",
    form: "address",
    default: "-",
    effect: "This AP's address on the mesh link. Not needed when replication is off.",
  },
  { name: "replication.port", form: "1 to 65535", default: "4755", effect: "UDP port, the same on all APs." },
  {
    name: "replication.group",
    form: "multicast address",
    default: "none",
    effect: "Deltas go there once for all neighbours of the link.",
  },
  {
    name: "replication.iface",
    form: "address, or %name for IPv6",
    default: "that of `bind`",
    effect: "Interface on which the group is joined and sent to.",
  },
  {
    name: "replication.peers",
    form: "list of address or address:port",
    default: "none",
    effect: "Neighbours that are written to one by one: for links without multicast, or beside it.",
  },
  {
    name: "replication.hold",
    form: "duration, 0 to 10 s",
    default: "200ms",
    effect:
      "Half-open states wait so long before they are sent, and are not sent when superseded. Longer: less traffic for short connections; shorter: an opening that roams in mid-handshake is known to the neighbour earlier. 0 sends all at once.",
  },
  {
    name: "replication.flush",
    form: "duration, 1 ms to 1 s",
    default: "half of hold, at least 4ms",
    effect:
      "Least time between two publications. The first change after a quiet time goes out at once; on a busy AP later ones gather. Longer: fewer, fuller datagrams and less CPU; shorter: neighbours know earlier.",
  },
  {
    name: "replication.path",
    form: "symmetric, asymmetric",
    default: "symmetric",
    effect:
      "`asymmetric`: a flow's request may pass one AP and its reply another (write through): every AP asks all mirrors for every client, and changes leave at once (`hold` and `flush` are 0, `handover` too). Costs more traffic and looser filtering; the same on all APs.",
  },
  {
    name: "replication.rate",
    form: "rate, 10 kB/s to 1 GB/s",
    default: "2MB/s",
    effect:
      "Ceiling of snapshots and repairs together; repairs for one neighbour: a quarter of it; mere refreshes: an eighth. Changes are never delayed by it.",
  },
  {
    name: "replication.mode",
    form: "ftfw, notrack, alarm",
    default: "ftfw",
    effect:
      "What is done about lost changes. `ftfw`: they are found and repaired. `notrack`: nothing; a newcomer gets a snapshot. `alarm`: everything is sent again every `replication.alarm`. For comparison; APs of a mesh may differ.",
  },
  {
    name: "replication.alarm",
    form: "duration, 1 s to 1 h",
    default: "15s",
    effect: "Mode `alarm` only. Shorter: what is lost is known earlier; longer: less traffic.",
  },
  {
    name: "replication.memory",
    form: "size, 100 kB to 1 TB",
    default: "1/16 of the RAM",
    effect:
      "For mirrors of neighbours, here and in the kernel: as many as fit, for those that clients roam to and from most. The clients of the others are handed over when they come, which needs the old AP to be there.",
  },
  {
    name: "replication.handover",
    form: "duration, 0 to 2 h",
    default: "240s",
    effect:
      "What the AP that a client left keeps of its expectations. Shorter frees the table earlier; 0 lets them age normally.",
  },
  ...IDENTITY_SETTINGS,
  {
    name: "mqtt.url",
    form: "mqtt://host:port, mqtts://host:port",
    default: "-",
    effect: "The broker that brings the policy of the whole mesh, and hears of this AP ([mqtt.md](mqtt.md)).",
  },
  {
    name: "mqtt.mesh",
    form: "name",
    default: "-",
    effect: "Names the mesh in topics; a policy counts only if it was signed for this name.",
  },
  {
    name: "mqtt.keys",
    form: "list of 64 hex digits",
    default: "-",
    effect:
      "Public keys whose signature makes a policy count: what `roamwall policy keygen` prints. Two while one replaces the other.",
  },
  { name: "mqtt.user", form: "text", default: "none", effect: "Name for the broker." },
  { name: "mqtt.password-file", form: "path", default: "none", effect: "File with the password for the broker." },
  {
    name: "mqtt.ca",
    form: "path",
    default: "the system's",
    effect: "Certificates (PEM) that vouch for the broker, with mqtts.",
  },
  {
    name: "mqtt.certificate",
    form: "path",
    default: "none",
    effect: "This AP's own certificate (PEM), where the broker asks for one.",
  },
  { name: "mqtt.private-key", form: "path", default: "none", effect: "The key of that certificate (PEM)." },
  {
    name: "mqtt.store",
    form: "path",
    default: "/etc/roamwall/policy.signed",
    effect: "Keeps the policy in force, for a start without broker. Written only when a new one comes.",
  },
  {
    name: "mqtt.every",
    form: "duration, 1 s to 1 h",
    default: "30s",
    effect: "How often counters are told. Changes of status are told with it.",
  },
  ...RADIUS_SETTINGS,
  ...PAGE_SETTINGS,
];

const DEFAULTS = {
  daemon: "/run/roamwall/daemon.sock",
  control: "/run/roamwall/agent.sock",
  key: "/etc/roamwall/key",
  policy: "/etc/roamwall/policy.yaml",
  port: 4755,
} as const;

/** Throws ROAMWALL_ERR_INPUT with the line. */
export function parseSettings(text: string, place: string): Settings {
  return readSettings(readDocument(text, place), place);
}

/** The same of a document that was read from another form. */
export function readSettings(top: Field, place: string): Settings {
  const f = top.fields([
    "id",
    "name",
    "daemon",
    "control",
    "key",
    "mode",
    "policy",
    "salt",
    "pickup",
    "arrival",
    "replication",
    "identities",
    "mqtt",
    "radius",
    "page",
  ]);
  if (!f.id) throw badInput(place, "no id", "id: a number of 1 to 65534 that no other AP of the mesh has");
  const id = f.id.integer(1, 65534);
  return {
    id,
    name: f.name?.text("a name") ?? `ap${id}`,
    daemon: f.daemon?.text("a path") ?? DEFAULTS.daemon,
    control: f.control?.text("a path") ?? DEFAULTS.control,
    key: f.key?.text("a path") ?? DEFAULTS.key,
    mode: f.mode?.oneOf(["enforce", "monitor"]) ?? "enforce",
    policy: f.policy?.text("a path") ?? DEFAULTS.policy,
    arrival: f.arrival?.oneOf(["first-frame", "hostapd"]) ?? "first-frame",
    salt: f.salt?.integer(0, 0xffff) ?? 0,
    pickupS: Math.ceil(readDuration(f.pickup, 300_000, 0, 3_600_000) / 1000),
    replication: readReplication(f.replication, place),
    ...(f.identities && { identities: readIdentitySettings(f.identities) }),
    ...(f.mqtt && { mqtt: readMqtt(f.mqtt) }),
    ...(f.radius && { radius: readRadius(f.radius) }),
    ...(f.page && { page: readPageSettings(f.page) }),
  };
}

function readMqtt(field: Field): MqttSettings {
  const f = field.fields([
    "url",
    "mesh",
    "keys",
    "user",
    "password-file",
    "ca",
    "certificate",
    "private-key",
    "store",
    "every",
  ]);
  if (!f.url || !f.mesh || !f.keys) throw badInput(field.place, "url, mesh or keys are missing", "all three of them");
  return {
    url: f.url.text("mqtt://host:port"),
    ...readSigners(f.mesh, f.keys),
    user: f.user?.text("a name"),
    passwordFile: f["password-file"]?.text("a path"),
    ca: f.ca?.text("a path"),
    certificate: f.certificate?.text("a path"),
    privateKey: f["private-key"]?.text("a path"),
    store: f.store?.text("a path") ?? "/etc/roamwall/policy.signed",
    everyMs: readDuration(f.every, 30_000, 1_000, 3_600_000),
  };
}

const FLUSH_MAX_MS = 1_000;

function readReplication(field: Field | undefined, place: string): ReplicationSettings {
  const names = [
    "enabled",
    "bind",
    "port",
    "group",
    "iface",
    "peers",
    "hold",
    "flush",
    "path",
    "rate",
    "handover",
    "mode",
    "alarm",
    "memory",
  ] as const;
  const f = field?.fields(names) ?? {};
  const enabled = f.enabled?.boolean() ?? field !== undefined;
  if (enabled && !f.bind) throw badInput(field?.place ?? place, "no bind", "bind: this AP's address on the mesh link");
  const bind = f.bind ? readAddress(f.bind) : "";
  const port = f.port?.integer(1, 65535) ?? DEFAULTS.port;
  const group = f.group && readGroup(f.group, bind);
  const peers = f.peers?.list("a list of addresses").map((peer) => readEndpoint(peer, port)) ?? [];
  if (enabled && !group && peers.length === 0) {
    throw badInput(
      field!.place,
      "neither group nor peers",
      "group: a multicast address, or peers: [address], or enabled: false",
    );
  }
  const path = f.path?.oneOf(["symmetric", "asymmetric"]) ?? "symmetric";
  const atOnce = path === "asymmetric";
  if (atOnce && (f.hold || f.flush || f.handover)) {
    const { place } = (f.hold ?? f.flush ?? f.handover)!;
    throw badInput(place, "a wait beside `path: asymmetric`", "neither hold, flush nor handover: they are 0 then");
  }
  const holdMs = readDuration(f.hold, atOnce ? 0 : 200, 0, 10_000);
  return {
    enabled,
    bind,
    port,
    group,
    path,
    iface: f.iface?.text("an address or %name"),
    peers,
    holdMs,
    flushMs: readDuration(f.flush, atOnce ? 0 : defaultFlushMs(holdMs), 1, FLUSH_MAX_MS),
    bytesPerSecond: readRate(f.rate, 2_000_000),
    handoverS: Math.ceil(readDuration(f.handover, atOnce ? 0 : 240_000, 0, 7_200_000) / 1000),
    mode: f.mode?.oneOf(MODE_NAMES) ?? "ftfw",
    alarmMs: readDuration(f.alarm, 15_000, 1_000, 3_600_000),
    memoryBytes: f.memory && readSize(f.memory),
  };
}

/**
 * A wake-up of agent and roamwalld costs as much as some fifty cells, and a datagram's headers as much as ten: who may learn
 * of an opening `holdMs` late need not learn of the rest of a busy table at once.
 */
function defaultFlushMs(holdMs: number): number {
  return Math.min(FLUSH_MAX_MS, Math.max(4, holdMs / 2));
}

/** An IPv6 link-local address may carry its interface: fe80::1%mesh0. */
function readAddress(field: Field): string {
  const text = field.text("an address");
  parseAddress(text.replace(/%[\w.-]+$/, ""), field.place);
  return text;
}

function readGroup(field: Field, bind: string): string {
  const text = field.text("a multicast address");
  const { family, words } = parseAddress(text, field.place);
  const isGroup = family === 4 ? words[0]! >>> 28 === 14 : words[0]! >>> 24 === 0xff;
  if (!isGroup) throw badInput(field.place, `"${text}"`, "a multicast address, as 239.255.77.77 or ff02::4755");
  if (bind !== "" && bind.includes(":") !== (family === 6)) {
    throw badInput(field.place, `"${text}" beside bind ${bind}`, "a group of the same family as bind");
  }
  return text;
}

const UNIT_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000 };

/** 200ms, 4s, 5min, 1h, or 0. */
function readDuration(field: Field | undefined, fallbackMs: number, leastMs: number, mostMs: number): number {
  if (!field) return fallbackMs;
  const accepted = `a duration of ${leastMs} ms to ${mostMs} ms, as 200ms, 4s, 5min or 1h`;
  const text = field.text(accepted);
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|min|m|h)$/.exec(text);
  const ms = text === "0" ? 0 : match ? Number(match[1]) * UNIT_MS[match[2]!]! : Number.NaN;
  if (!(ms >= leastMs && ms <= mostMs)) throw badInput(field.place, `"${text}"`, accepted);
  return ms;
}

const UNIT_BYTES: Record<string, number> = { B: 1, kB: 1e3, KB: 1e3, MB: 1e6, GB: 1e9 };

/** 2MB/s, 500kB/s */
function readRate(field: Field | undefined, fallback: number): number {
  if (!field) return fallback;
  const accepted = "a rate of 10kB/s to 1GB/s, as 2MB/s";
  const text = field.text(accepted);
  const match = /^(\d+(?:\.\d+)?)\s*(B|kB|KB|MB|GB)\/s$/.exec(text);
  const rate = match ? Number(match[1]) * UNIT_BYTES[match[2]!]! : Number.NaN;
  if (!(rate >= 1e4 && rate <= 1e9)) throw badInput(field.place, `"${text}"`, accepted);
  return rate;
}

/** 64MB, 500kB */
function readSize(field: Field): number {
  const accepted = "a size of 100kB to 1000GB, as 64MB";
  const text = field.text(accepted);
  const match = /^(\d+(?:\.\d+)?)\s*(kB|KB|MB|GB)$/.exec(text);
  const size = match ? Number(match[1]) * UNIT_BYTES[match[2]!]! : Number.NaN;
  if (!(size >= 1e5 && size <= 1e12)) throw badInput(field.place, `"${text}"`, accepted);
  return size;
}

/** The body of docs/settings.md. */
export function settingsTable(): string {
  const rows = SETTINGS.map((s) => `| \`${s.name}\` | ${s.form} | ${s.default} | ${s.effect} |`);
  return ["| setting | form | default | effect |", "|---|---|---|---|", ...rows, ""].join("\n");
}
