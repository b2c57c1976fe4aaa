/** What the settings say of RADIUS. */
import { badInput } from "../base/errors.ts";
import { formatAddress, parseAddress } from "../base/ip.ts";
import type { Endpoint } from "../platform/platform.ts";
import type { Field } from "../policy/document.ts";
import { NAME, NAME_ACCEPTED } from "../policy/names.ts";
import type { SettingText } from "./settings.ts";

export interface RadiusSettings {
  readonly servers: readonly Endpoint[];
  readonly secretFile: string;
  readonly listen: Endpoint;
  readonly demandMessageAuthenticator: boolean;
  readonly das: Endpoint | undefined;
  readonly dasClients: readonly string[];
  readonly demandTimestamp: boolean;
  readonly hostapd: readonly Endpoint[];
  readonly store: string;
  /** Role of clients without rights of their own while no server answers; undefined: the policy's `unknown`. */
  readonly fallback: string | undefined;
}

const AUTHENTICATION_PORT = 1812;
const DAS_PORT = 3799;
const HOSTAPD_DAS_PORT = 3798;
const LOOPBACK = "127.0.0.1";

export const RADIUS_SETTINGS: readonly SettingText[] = [
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
];

export function readRadius(field: Field): RadiusSettings {
  const f = field.fields([
    "servers",
    "secret-file",
    "listen",
    "message-authenticator",
    "das",
    "das-clients",
    "event-timestamp",
    "hostapd",
    "store",
    "fallback",
  ]);
  const secretFile = f["secret-file"]?.text("a path");
  if (!f.servers || secretFile === undefined)
    throw badInput(field.place, "servers or secret-file is missing", "both of them");
  const servers = f.servers.list("a list of addresses").map((one) => canonical(readEndpoint(one, AUTHENTICATION_PORT)));
  if (servers.length === 0) throw badInput(f.servers.place, "no server", "at least one");
  const clients = f["das-clients"]?.list("a list of addresses").map((one) => canonical(readEndpoint(one, 1)).address);
  return {
    servers,
    secretFile,
    listen: f.listen ? readEndpoint(f.listen, AUTHENTICATION_PORT) : { address: LOOPBACK, port: AUTHENTICATION_PORT },
    demandMessageAuthenticator: f["message-authenticator"]?.oneOf(["eap", "always"]) === "always",
    das: f.das && readEndpoint(f.das, DAS_PORT),
    dasClients: clients ?? servers.map(({ address }) => address),
    demandTimestamp: f["event-timestamp"]?.oneOf(["optional", "required"]) === "required",
    hostapd: f.hostapd?.list("a list of addresses").map((one) => readEndpoint(one, HOSTAPD_DAS_PORT)) ?? [],
    store: f.store?.text("a path") ?? "/run/roamwall/sessions.json",
    fallback: f.fallback && readRole(f.fallback),
  };
}

function readRole(field: Field): string {
  const role = field.text("the name of a role");
  if (!NAME.test(role)) throw badInput(field.place, `role "${role}"`, NAME_ACCEPTED);
  return role;
}

/** As the kernel spells where a datagram came from: answers are known by it. */
function canonical({ address, port }: Endpoint): Endpoint {
  const [plain, scope] = address.split("%");
  return { address: `${formatAddress(parseAddress(plain!, address))}${scope ? `%${scope}` : ""}`, port };
}

/** `address` or `address:port`. */
export function readEndpoint(field: Field, port: number): Endpoint {
  const text = field.text("an address or address:port");
  const match = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(text) ?? /^([\d.]+)(?::(\d{1,5}))?$/.exec(text);
  const address = match ? match[1]! : text;
  parseAddress(address.replace(/%[\w.-]+$/, ""), field.place);
  const own = match?.[2] === undefined ? port : Number(match[2]);
  if (own < 1 || own > 65535) throw badInput(field.place, `port ${own}`, "a port of 1 to 65535");
  return { address, port: own };
}
