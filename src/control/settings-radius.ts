/** What the settings say of RADIUS. */
import { badInput } from "../base/errors.ts";
import { formatAddress, parseAddress } from "../base/ip.ts";
import type { Endpoint } from "../platform/platform.ts";
import type { Field } from "../policy/document.ts";
import { NAME, NAME_ACCEPTED } from "../policy/names.ts";
import { readEndpoint } from "./settings-forms.ts";

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
