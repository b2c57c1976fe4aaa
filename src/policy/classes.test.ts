import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Address, mappedBytes, type Prefix, parseAddress, parsePrefix } from "../base/ip.ts";
import { serviceClasses, serviceMember, type ZoneClasses, zoneClasses } from "./classes.ts";

function zones(of: Record<string, string[]>): Map<string, Prefix[]> {
  return new Map(Object.entries(of).map(([name, list]) => [name, list.map((p) => parsePrefix(p, name))]));
}

/** What the kernel's trie answers. */
function lookup(classes: ZoneClasses, address: Address): number {
  const bytes = mappedBytes(address);
  let best = { bits: -1, zone: 0 };
  for (const entry of classes.entries) {
    if (entry.prefixBits > best.bits && within(bytes, entry.address, entry.prefixBits)) {
      best = { bits: entry.prefixBits, zone: entry.zone };
    }
  }
  return best.zone;
}

function within(bytes: readonly number[], outer: readonly number[], bits: number): boolean {
  return [...Array(bits).keys()].every((i) => ((bytes[i >> 3]! ^ outer[i >> 3]!) & (0x80 >> (i & 7))) === 0);
}

/** Names of the zones whose rules an address obeys, by the classes. */
function namesOf(classes: ZoneClasses, text: string): string[] {
  const zone = lookup(classes, parseAddress(text, "test"));
  return [...classes.classes]
    .filter(([, numbers]) => numbers.includes(zone))
    .map(([name]) => name)
    .sort();
}

describe("zoneClasses", () => {
  const nested = zones({
    internet: ["0.0.0.0/0"],
    servers: ["10.1.0.0/24"],
    printers: ["10.1.0.200/32", "10.2.0.0/16"],
    everything6: ["::/0"],
  });
  const rows: [address: string, names: string[]][] = [
    ["192.0.2.1", ["internet"]],
    ["10.1.0.7", ["internet", "servers"]],
    ["10.1.0.200", ["internet", "printers", "servers"]],
    ["10.2.9.9", ["internet", "printers"]],
    ["2001:db8::1", ["everything6"]],
  ];
  it.each(rows)("puts %s into %j", (address, names) => {
    expect(namesOf(zoneClasses(nested), address)).toEqual(names);
  });

  it("keeps ::/0 away from IPv4", () => {
    expect(namesOf(zoneClasses(zones({ six: ["::/0"] })), "192.0.2.1")).toEqual([]);
    expect(namesOf(zoneClasses(zones({ six: ["::/0"] })), "2001:db8::1")).toEqual(["six"]);
  });

  it("names the zones of any address as a look at all prefixes does", () => {
    const address = fc.integer({ min: 0, max: 255 }).map((n) => `10.0.0.${n}`);
    const prefix = fc.tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 24, max: 32 })).map(([n, bits]) => {
      return `10.0.0.${bits === 24 ? 0 : (n >> (32 - bits)) << (32 - bits)}/${bits}`;
    });
    const some = fc.dictionary(fc.constantFrom("a", "b", "c", "d"), fc.array(prefix, { maxLength: 4 }));
    fc.assert(
      fc.property(some, address, (of, text) => {
        const bytes = mappedBytes(parseAddress(text, "test"));
        const expected = Object.entries(of)
          .filter(([, list]) =>
            list.some((p) => {
              const { address: outer, bits } = parsePrefix(p, "test");
              return within(bytes, mappedBytes(outer), bits + 96);
            }),
          )
          .map(([name]) => name);
        expect(namesOf(zoneClasses(zones(of)), text)).toEqual(expected.sort());
      }),
    );
  });

  it("keeps a class number while the same zones overlap, whatever else changes", () => {
    const before = zoneClasses(zones({ a: ["10.0.0.0/8"], b: ["192.168.0.0/16"] }));
    const after = zoneClasses(zones({ a: ["172.16.0.0/12"], b: ["192.168.0.0/24"], c: ["10.0.0.0/8"] }));
    expect(after.classes.get("a")).toEqual(before.classes.get("a"));
    expect(after.classes.get("b")).toEqual(before.classes.get("b"));
  });
});

describe("serviceClasses", () => {
  const ports = (proto: number, first: number, last = first) => ({ kind: "ports", proto, first, last }) as const;

  it("gives ports of the same services one class, and tells tcp from udp", () => {
    const { entries, classes } = serviceClasses(
      new Map([
        ["web", [ports(6, 80), ports(6, 443)]],
        ["quic", [ports(17, 443)]],
        ["low", [ports(6, 1, 1023)]],
      ]),
    );
    const of = (port: number) => entries.find((e) => e.port === port)?.service ?? 0;
    expect(of(1)).toBe(of(1023));
    expect(of(80)).not.toBe(of(443));
    expect(of(1024)).toBe(0);
    expect([...classes.get(serviceMember(6, "web"))!].sort()).toEqual([of(80), of(443)].sort());
    expect(classes.get(serviceMember(17, "quic"))).toEqual([of(443)]);
    expect(classes.get(serviceMember(17, "web"))).toBeUndefined();
    expect(entries.length).toBe(1023);
  });
});
