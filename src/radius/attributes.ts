/**
 * The attributes that roamwall reads or writes: number and form, as RFC 2865, 2866, 2869, 3162, 3579, 4372, 4849 and 5176
 * define them, then those of `dictionary.roamwall`. What is not listed passes through the relay unread.
 */

/** How many octets a value has, and what they mean. */
const FORMS = {
  text: [1, 253],
  octets: [0, 253],
  integer: [4, 4],
  /** Seconds since 1970. */
  time: [4, 4],
  digest: [16, 16],
  ipv4: [4, 4],
  ipv6: [16, 16],
  vendor: [6, 253],
} as const;
export type Form = keyof typeof FORMS;

const STANDARD = {
  "User-Name": [1, "text"],
  "NAS-IP-Address": [4, "ipv4"],
  "NAS-Port": [5, "integer"],
  "Service-Type": [6, "integer"],
  "Filter-Id": [11, "text"],
  State: [24, "octets"],
  Class: [25, "octets"],
  "Vendor-Specific": [26, "vendor"],
  "Session-Timeout": [27, "integer"],
  "Called-Station-Id": [30, "text"],
  "Calling-Station-Id": [31, "text"],
  "NAS-Identifier": [32, "text"],
  "Proxy-State": [33, "octets"],
  "Acct-Status-Type": [40, "integer"],
  "Acct-Session-Id": [44, "text"],
  "Acct-Multi-Session-Id": [50, "text"],
  "Event-Timestamp": [55, "time"],
  "EAP-Message": [79, "octets"],
  "Message-Authenticator": [80, "digest"],
  "NAS-Port-Type": [61, "integer"],
  "NAS-Port-Id": [87, "text"],
  "Chargeable-User-Identity": [89, "octets"],
  "NAS-Filter-Rule": [92, "octets"],
  "NAS-IPv6-Address": [95, "ipv6"],
  "Error-Cause": [101, "integer"],
} as const satisfies Record<string, readonly [number, Form]>;

/** The number that RFC 5612 sets aside for documentation; docs/examples/freeradius/dictionary.roamwall has the same table. */
export const VENDOR = 32473;

export const ROAMWALL = {
  "Roamwall-Role": [1, "text"],
  "Roamwall-Rule": [2, "text"],
  "Roamwall-Add-Rule": [3, "text"],
  "Roamwall-Remove-Rule": [4, "text"],
  "Roamwall-Filter": [5, "octets"],
  "Roamwall-Filter-Delta": [6, "octets"],
  "Roamwall-Open-Out": [7, "integer"],
  "Roamwall-Open-In": [8, "integer"],
  "Roamwall-Zone": [9, "integer"],
  "Roamwall-Half-Open": [10, "integer"],
} as const satisfies Record<string, readonly [number, Form]>;

export type AttributeName = keyof typeof STANDARD;
export type RoamwallName = keyof typeof ROAMWALL;
export const NAMES = Object.keys(STANDARD) as AttributeName[];
export const ROAMWALL_NAMES = Object.keys(ROAMWALL) as RoamwallName[];

export function typeOf(name: AttributeName): number {
  return STANDARD[name][0];
}

const BY_TYPE = new Map<number, AttributeName>(NAMES.map((name) => [STANDARD[name][0], name]));
const ROAMWALL_BY_TYPE = new Map<number, RoamwallName>(ROAMWALL_NAMES.map((name) => [ROAMWALL[name][0], name]));

/** Undefined: an attribute that roamwall does not know. */
export function nameOf(type: number): AttributeName | undefined {
  return BY_TYPE.get(type);
}

export function roamwallNameOf(type: number): RoamwallName | undefined {
  return ROAMWALL_BY_TYPE.get(type);
}

export function isWellFormed(name: AttributeName | RoamwallName, value: Uint8Array): boolean {
  const [, form] = name in STANDARD ? STANDARD[name as AttributeName] : ROAMWALL[name as RoamwallName];
  const [least, most] = FORMS[form];
  return value.length >= least && value.length <= most;
}
