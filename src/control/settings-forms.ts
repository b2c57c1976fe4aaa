/** What stands in more than one setting: addresses, durations, rates, sizes. Each throws ROAMWALL_ERR_INPUT with its line. */
import { badInput } from "../base/errors.ts";
import { parseAddress } from "../base/ip.ts";
import type { Endpoint } from "../platform/platform.ts";
import type { Field } from "../policy/document.ts";

/** An IPv6 link-local address may carry its interface: fe80::1%mesh0. */
export function readAddress(field: Field): string {
  const text = field.text("an address");
  parseAddress(text.replace(/%[\w.-]+$/, ""), field.place);
  return text;
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

const UNIT_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000 };

/** 200ms, 4s, 5min, 1h, or 0. */
export function readDuration(field: Field | undefined, fallbackMs: number, leastMs: number, mostMs: number): number {
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
export function readRate(field: Field | undefined, fallback: number): number {
  if (!field) return fallback;
  const accepted = "a rate of 10kB/s to 1GB/s, as 2MB/s";
  const text = field.text(accepted);
  const match = /^(\d+(?:\.\d+)?)\s*(B|kB|KB|MB|GB)\/s$/.exec(text);
  const rate = match ? Number(match[1]) * UNIT_BYTES[match[2]!]! : Number.NaN;
  if (!(rate >= 1e4 && rate <= 1e9)) throw badInput(field.place, `"${text}"`, accepted);
  return rate;
}

/** 64MB, 500kB */
export function readSize(field: Field): number {
  const accepted = "a size of 100kB to 1000GB, as 64MB";
  const text = field.text(accepted);
  const match = /^(\d+(?:\.\d+)?)\s*(kB|KB|MB|GB)$/.exec(text);
  const size = match ? Number(match[1]) * UNIT_BYTES[match[2]!]! : Number.NaN;
  if (!(size >= 1e5 && size <= 1e12)) throw badInput(field.place, `"${text}"`, accepted);
  return size;
}
