/**
 * The access points of a mesh that may speak to each other, each with its public key (X25519): what stands in a signed list.
 *
 *     member 1 5f2c... lobby        `member`, id, 64 hex digits, and a name if one likes; `#` begins a comment
 */
import { hex } from "../base/bytes.ts";
import { badInput } from "../base/errors.ts";

export interface MemberEntry {
  readonly id: number;
  /** 32 bytes */
  readonly publicKey: Uint8Array;
  /** For people; may be empty. */
  readonly name: string;
}

export const MEMBERS_MAX = 1_024;
export const MEMBER_ID_MAX = 65_534;
const NAME_MAX = 32;
const LINE = /^member\s+(\d{1,5})\s+([0-9a-fA-F]{64})(?:\s+(\S.*))?$/;
const FORM = `\`member ID KEY [NAME]\`: an id of 1 to ${MEMBER_ID_MAX}, 64 hex digits of \`roamwall identity show\`, a name of up to ${NAME_MAX} characters`;

/** Throws ROAMWALL_ERR_INPUT with the line. */
export function parseMembers(text: string, place: string): MemberEntry[] {
  const members: MemberEntry[] = [];
  for (const [i, raw] of text.split("\n").entries()) {
    const line = raw.replace(/#.*/, "").trim();
    if (line === "") continue;
    const at = `${place}:${i + 1}`;
    const member = parseMember(line, at);
    const twin = members.find(({ id, publicKey }) => id === member.id || hex(publicKey) === hex(member.publicKey));
    if (twin) throw badInput(at, `id or key of member ${twin.id} once more`, "an id and a key of its own for each");
    if (members.length === MEMBERS_MAX) throw badInput(at, "one more member", `up to ${MEMBERS_MAX}`);
    members.push(member);
  }
  return members;
}

export function membersText(members: readonly MemberEntry[]): string {
  const sorted = [...members].sort((a, b) => a.id - b.id);
  return sorted.map(({ id, publicKey, name }) => `${`member ${id} ${hex(publicKey)} ${name}`.trimEnd()}\n`).join("");
}

function parseMember(line: string, place: string): MemberEntry {
  const [, id, key, name = ""] = LINE.exec(line) ?? [];
  if (key === undefined || Number(id) < 1 || Number(id) > MEMBER_ID_MAX || name.length > NAME_MAX) {
    throw badInput(place, `"${line.slice(0, 40)}"`, FORM);
  }
  const publicKey = Uint8Array.from(key.match(/../g)!, (pair) => Number.parseInt(pair, 16));
  return { id: Number(id), publicKey, name };
}
