/**
 * The agent's settings file as it is read: its top and `mqtt` here, each other section in a file of its own. What people read of
 * it is in `settings-table.ts`.
 */
import { badInput } from "../base/errors.ts";
import { type Field, readDocument } from "../policy/document.ts";
import { readDuration } from "./settings-forms.ts";
import { type IdentitySettings, readIdentitySettings, readSigners } from "./settings-identities.ts";
import { type PageSettings, readPageSettings } from "./settings-page.ts";
import { type RadiusSettings, readRadius } from "./settings-radius.ts";
import { type ReplicationSettings, readReplication } from "./settings-replication.ts";

export type { IdentitySettings } from "./settings-identities.ts";
export type { PageSettings } from "./settings-page.ts";
export type { RadiusSettings } from "./settings-radius.ts";
export type { ReplicationSettings } from "./settings-replication.ts";

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

const DEFAULTS = {
  daemon: "/run/roamwall/daemon.sock",
  control: "/run/roamwall/agent.sock",
  key: "/etc/roamwall/key",
  policy: "/etc/roamwall/policy.yaml",
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
