import { nameOf } from "./attributes.ts";
import type { Packet } from "./packet.ts";

/**
 * Rules of the NAS-Filter-Rule attributes (RFC 4849): one text cut at 253 octets wherever that falls, its rules parted by
 * NUL. Undefined: the packet has no such attribute; a text: why they cannot be read. Cuts leave empty attributes at the end
 * and NULs at the beginning of the next, so empty rules are no rules: an attribute with a lone NUL takes all rules away.
 *
 * RFC 4849 demands that the attributes stand side by side. Where another one parts them, a server has made two texts with
 * no NUL between, and what joins there is no rule that anybody wrote: refused.
 */
export function readFilterRules(packet: Packet): string[] | string | undefined {
  const own = packet.attributes.map(({ type }) => nameOf(type) === "NAS-Filter-Rule");
  const first = own.indexOf(true);
  if (first < 0) return undefined;
  const last = own.lastIndexOf(true);
  if (own.slice(first, last).includes(false)) {
    return "NAS-Filter-Rule attributes with another attribute between them: the server must send them side by side";
  }
  const text = packet.attributes
    .slice(first, last + 1)
    .map(({ value }) => Array.from(value, (octet) => String.fromCharCode(octet)).join(""))
    .join("");
  const rules = text.split("\0").filter((rule) => rule !== "");
  const strange = rules.find((rule) => /[^\x20-\x7e]/.test(rule));
  return strange === undefined ? rules : `NAS-Filter-Rule ${JSON.stringify(strange)} is no ASCII text`;
}
