import { isWellFormed, type RoamwallName, roamwallNameOf, VENDOR } from "./attributes.ts";
import { type Packet, readInteger, valuesOf } from "./packet.ts";

export interface RoamwallAttribute {
  readonly name: RoamwallName;
  readonly value: Uint8Array;
}

/** What the Vendor-Specific attributes say to us, in order. */
export interface VendorReading {
  readonly own: readonly RoamwallAttribute[];
  /** Numbers of other vendors, and of our attributes that this version does not know. */
  readonly unknown: readonly string[];
  /** Why one of ours cannot be read. */
  readonly malformed?: string;
}

export function readVendor(packet: Packet): VendorReading {
  const own: RoamwallAttribute[] = [];
  const unknown: string[] = [];
  for (const value of valuesOf(packet, "Vendor-Specific")) {
    const vendor = readInteger(value);
    if (vendor !== VENDOR) {
      unknown.push(`vendor ${vendor}`);
      continue;
    }
    for (let at = 4; at < value.length; at += value[at + 1]!) {
      const size = at + 1 < value.length ? value[at + 1]! : 0;
      if (size < 2 || at + size > value.length) return { own, unknown, malformed: "a Vendor-Specific cut short" };
      const name = roamwallNameOf(value[at]!);
      const content = value.subarray(at + 2, at + size);
      if (name === undefined) unknown.push(`vendor ${vendor} attribute ${value[at]}`);
      else if (isWellFormed(name, content)) own.push({ name, value: content });
      else return { own, unknown, malformed: `${name} of ${content.length} octets` };
    }
  }
  return { own, unknown };
}
