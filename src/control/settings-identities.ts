/** What the settings say of identities: absent, whoever has the mesh key is a member. */
import { badInput } from "../base/errors.ts";
import type { Field } from "../policy/document.ts";
import { MESH_NAME, parseKeyHex } from "../policy/signed.ts";
import type { SettingText } from "./settings.ts";

export interface IdentitySettings {
  readonly mesh: string;
  /** Public keys of those whose lists count. */
  readonly keys: readonly Uint8Array[];
  /** This AP's own secret. */
  readonly key: string;
  readonly members: string;
}

export const IDENTITY_DEFAULTS = { key: "/etc/roamwall/identity", members: "/etc/roamwall/members" } as const;

export const IDENTITY_SETTINGS: readonly SettingText[] = [
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
];

export function readIdentitySettings(field: Field): IdentitySettings {
  const f = field.fields(["mesh", "keys", "key", "members"]);
  if (!f.mesh || !f.keys) throw badInput(field.place, "mesh or keys are missing", "both of them");
  return {
    ...readSigners(f.mesh, f.keys),
    key: f.key?.text("a path") ?? IDENTITY_DEFAULTS.key,
    members: f.members?.text("a path") ?? IDENTITY_DEFAULTS.members,
  };
}

/** For which mesh, and by whom, what counts must be signed. */
export function readSigners(meshField: Field, keysField: Field): Pick<IdentitySettings, "mesh" | "keys"> {
  const mesh = meshField.text("a name");
  if (!MESH_NAME.test(mesh)) throw badInput(meshField.place, `"${mesh}"`, "letters, digits, _ . and -, up to 63");
  const keys = keysField.list("a list of public keys").map((key) => parseKeyHex(key.text("64 hex digits"), key.place));
  if (keys.length === 0) throw badInput(keysField.place, "no key", "at least one");
  return { mesh, keys };
}
