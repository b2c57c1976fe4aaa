/**
 * What the documentation, OpenWrt's configuration and LuCI's form say of each setting. A file that the agent does not load:
 * it only reads (`settings.ts`); a test compares the names.
 */
import { IDENTITY_DEFAULTS } from "./settings-identities.ts";

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
  {
    name: "identities.mesh",
    form: "name",
    default: "-",
    effect:
      "Each AP speaks by a key of its own, and only for itself ([keys.md](keys.md)): all APs of the mesh must have this section, or none. A member list counts only if it was signed for this name. Without the section identities are off.",
  },
  {
    name: "identities.keys",
    form: "list of 64 hex digits",
    default: "-",
    effect:
      "Public keys whose signature makes a member list count: what `roamwall policy keygen` prints. Two while one replaces the other.",
  },
  {
    name: "identities.key",
    form: "path",
    default: IDENTITY_DEFAULTS.key,
    effect: "This AP's own key, as `roamwall identity new` writes it; mode 0600. It never leaves the AP.",
  },
  {
    name: "identities.members",
    form: "path",
    default: IDENTITY_DEFAULTS.members,
    effect:
      "The signed list of members (`roamwall members`). Read again when it changes, and at SIGHUP; one with a lower revision is refused. With a broker a newer one also comes from there, and is kept here.",
  },
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
  {
    name: "radius.servers",
    form: "list of address or address:port",
    default: "-",
    effect:
      "RADIUS servers in the order in which they are asked ([freeradius.md](freeradius.md)); default port 1812. Accounting goes to the next higher port.",
  },
  {
    name: "radius.secret-file",
    form: "path",
    default: "-",
    effect: "File (mode 0600) whose first line is the secret that hostapd and the servers share.",
  },
  {
    name: "radius.listen",
    form: "address or address:port",
    default: "127.0.0.1:1812",
    effect: "Where hostapd sends logins to; accounting to the next higher port.",
  },
  {
    name: "radius.message-authenticator",
    form: "eap, always",
    default: "eap",
    effect:
      "Which answers must bear a Message-Authenticator. `always` also protects MAC authentication from forged answers (CVE-2024-3596); it needs servers that were mended in 2024.",
  },
  {
    name: "radius.das",
    form: "address or address:port",
    default: "none",
    effect: "Where CoA and Disconnect are taken; default port 3799. Absent: they are not.",
  },
  {
    name: "radius.das-clients",
    form: "list of addresses",
    default: "the servers",
    effect: "Who may send them.",
  },
  {
    name: "radius.event-timestamp",
    form: "optional, required",
    default: "optional",
    effect:
      "Whether a CoA or Disconnect must bear its time. Without one, a replay is known only while it is among the last 4,096 requests.",
  },
  {
    name: "radius.hostapd",
    form: "list of address or address:port",
    default: "none",
    effect:
      "hostapd's own ports for Disconnect (`radius_das_port`), which then also sends the station away; default port 3798.",
  },
  {
    name: "radius.store",
    form: "path",
    default: "/run/roamwall/sessions.json",
    effect: "Who is logged in, for an agent that starts again. In memory is enough: a reboot logs everybody out.",
  },
  {
    name: "radius.fallback",
    form: "name of a role",
    default: "none",
    effect:
      "While no server answers, clients without rights of their own (never logged in, or their time is over) have this role instead of the policy's `unknown`.",
  },
  {
    name: "page.listen",
    form: "address or address:port",
    default: "none",
    effect:
      "Where the status page and `/metrics` are served ([page.md](page.md)); default port 9477. Absent: nowhere. An address that others can reach needs `page.token-file`.",
  },
  {
    name: "page.token-file",
    form: "path",
    default: "none",
    effect:
      "File (mode 0600) whose first line is the token that readers must show: 16 characters or more. HTTP carries it in the clear.",
  },
  {
    name: "page.names",
    form: "list of names",
    default: "none",
    effect:
      "Names under which browsers may ask for the page, beside addresses and localhost: all others are refused (DNS rebinding).",
  },
];

/** The body of docs/settings.md. */
export function settingsTable(): string {
  const rows = SETTINGS.map((s) => `| \`${s.name}\` | ${s.form} | ${s.default} | ${s.effect} |`);
  return ["| setting | form | default | effect |", "|---|---|---|---|", ...rows, ""].join("\n");
}
