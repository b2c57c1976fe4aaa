/** What the settings say of identities: absent, whoever has the mesh key is a member. */
import { badInput } from "../base/errors.ts";
import type { Field } from "../policy/document.ts";
import { MESH_NAME, parseKeyHex } from "../policy/signed.ts";

export interface IdentitySettings {
  readonly mesh: string;
  /** Public keys of those whose lists count. */
  readonly keys: readonly Uint8Array[];
  /** This AP's own secret. */
  readonly key: string;
  readonly members: string;
}

export const IDENTITY_DEFAULTS = { key: "/etc/roamwall/identity", members: "/etc/roamwall/members" } as const;

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
