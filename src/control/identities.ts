/** Each access point has a key of its own: what the agent loads beside it where the settings say so. */
import { hex, sameBytes } from "../base/bytes.ts";
import { badInput, RoamwallError } from "../base/errors.ts";
import type { Files, Platform } from "../platform/platform.ts";
import { type MemberEntry, parseMembers } from "../policy/members.ts";
import { openSigned, parseKeyHex } from "../policy/signed.ts";
import { type Identities, Members } from "../replication/members.ts";
import { Paired } from "../replication/paired.ts";
import type { IdentitySettings } from "./settings.ts";

const ROOM = "agent";
const BROKER = "the broker's member list";
const FILE_MODE = 0o644;
/** As many members as there may be, and the head. */
const DOCUMENT_BYTES_MAX = 200_000;
const IDENTITY_FORM = "a file of `roamwall identity new`: a line `secret` with 64 hex digits";

/** For `roamwall status` and `roamwall members check`. */
export interface MembersStatus {
  readonly mesh: string;
  readonly file: string;
  /** Of the list in force; 0: none. */
  readonly revision: number;
  /** Names the list in force. */
  readonly id: string;
  readonly members: readonly { readonly id: number; readonly name: string; readonly key: string }[];
  /** Public keys whose signature counts here. */
  readonly signers: readonly string[];
  /** This AP stands in it, with the key that it has. */
  readonly isListed: boolean;
  /** Why the file as it now is was refused; the list before it is in force. */
  readonly problem?: string;
}

export interface MemberAccessParts {
  readonly platform: Platform;
  readonly settings: IdentitySettings;
  /** This AP's number. */
  readonly id: number;
}

/** Reads an AP's own secret; refuses a file that others may read. */
export function readIdentity(files: Files, path: string): Uint8Array {
  const exposure = files.exposure(path);
  if (exposure !== undefined) {
    throw new RoamwallError(
      "ROAMWALL_ERR_KEY",
      `${path}: ${exposure} lets others speak as this access point; accepted: 0600, owned by this user or root`,
    );
  }
  const secret = /^secret\s+(\S+)\s*$/m.exec(files.readText(path))?.[1];
  if (secret === undefined) throw badInput(path, "no secret", IDENTITY_FORM);
  return parseKeyHex(secret, path);
}

/** This AP's own key, and the list of members: the newest that was signed. */
export class MemberAccess {
  private readonly secret: Uint8Array;
  private readonly publicKey: Uint8Array;
  private inForce: { readonly revision: number; readonly id: string; readonly members: readonly MemberEntry[] };
  private problem: string | undefined;

  /** Throws where this AP's key cannot be read. A missing list is no reason not to filter: it has no neighbours till it comes. */
  constructor(private readonly parts: MemberAccessParts) {
    const { platform, settings } = parts;
    this.secret = readIdentity(platform.files, settings.key);
    this.publicKey = platform.x25519.publicKey(this.secret);
    this.inForce = { revision: 0, id: "", members: [] };
    this.read();
  }

  /** The file again. Answers why it was refused: all is then as before. */
  read(): string | undefined {
    const { platform, settings } = this.parts;
    try {
      this.take(platform.files.readText(settings.members), settings.members);
      this.problem = undefined;
    } catch (error) {
      this.problem = (error as Error).message;
      platform.log.error(ROOM, "member list refused, the one before stays", { reason: this.problem });
    }
    return this.problem;
  }

  /** What a broker brought: as the file, which it replaces for the next start. True: it is in force from now on. */
  offer(payload: Uint8Array): boolean {
    const { platform, settings } = this.parts;
    const before = this.inForce;
    try {
      if (payload.length > DOCUMENT_BYTES_MAX)
        throw badInput(BROKER, `${payload.length} bytes`, `up to ${DOCUMENT_BYTES_MAX}`);
      const document = new TextDecoder().decode(payload);
      this.take(document, BROKER);
      if (this.inForce === before) return false;
      platform.files.writeText(settings.members, document, FILE_MODE);
      this.problem = undefined;
    } catch (error) {
      platform.log.warn(ROOM, "member list of the broker", { reason: (error as Error).message });
    }
    return this.inForce !== before;
  }

  /** Of the list in force; 0: none. */
  get revision(): number {
    return this.inForce.revision;
  }

  get members(): readonly MemberEntry[] {
    return this.inForce.members;
  }

  get identities(): Identities {
    const { x25519 } = this.parts.platform;
    const members = new Members({ x25519, secret: this.secret, members: this.members });
    return { members, seal: (parts) => new Paired(parts) };
  }

  status(): MembersStatus {
    const { settings } = this.parts;
    const { revision, id, members } = this.inForce;
    return {
      mesh: settings.mesh,
      file: settings.members,
      revision,
      id,
      members: members.map((member) => ({ id: member.id, name: member.name, key: hex(member.publicKey) })),
      signers: settings.keys.map(hex),
      isListed: this.isListed,
      ...(this.problem !== undefined && { problem: this.problem }),
    };
  }

  private get isListed(): boolean {
    return this.members.some(({ id, publicKey }) => id === this.parts.id && sameBytes(publicKey, this.publicKey));
  }

  private take(document: string, place: string): void {
    const { platform, settings, id } = this.parts;
    const signed = openSigned(platform.ed25519, settings.keys, settings.mesh, document, place, "members");
    const { revision } = this.inForce;
    if (signed.revision < revision || (signed.revision === revision && signed.id !== this.inForce.id)) {
      throw badInput(place, `revision ${signed.revision}`, `one above ${revision}, which is in force`);
    }
    if (signed.id === this.inForce.id) return;
    this.inForce = { revision: signed.revision, id: signed.id, members: parseMembers(signed.text, place) };
    platform.log.info(ROOM, "member list loaded", { revision: signed.revision, members: this.members.length });
    if (!this.isListed) {
      platform.log.warn(ROOM, `this access point is not in the list with its key: nobody listens to ${id}`);
    }
  }
}
