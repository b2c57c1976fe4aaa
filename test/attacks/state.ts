import { createHash } from "node:crypto";

/**
 * What an attacker may move, and no more: how much was refused, the limits that bound what refusing costs, and scratch
 * memory of a fixed size. Everything else that an access point knows is compared.
 */
const NOT_STATE: ReadonlySet<string> = new Set([
  "Attempts",
  "Strangers",
  "Unheard",
  "SipHash",
  "Filter",
  "SealedChannel",
  "Paired",
  "PairedChannel",
]);
/** `shared`: what we have in common with each member of the list, made when first asked for. */
const NOT_FIELDS: ReadonlySet<string> = new Set(["datagramsDropped", "shared"]);
/** What one answer to a hello moves; only looked away from where answers are allowed. */
const OF_ANSWERS: ReadonlySet<string> = new Set(["pn", "datagramsSent", "bytesSent", "at", "body", "writer"]);

/** A digest per path of the object graph: two that differ tell where. */
export function stateOf(root: object, mayAnswer: boolean): Map<string, string> {
  const seen = new Set<object>();
  const found = new Map<string, string>();
  const visit = (value: unknown, path: string): void => {
    if (typeof value === "function") return;
    if (typeof value !== "object" || value === null) {
      found.set(path, String(value));
      return;
    }
    if (seen.has(value) || NOT_STATE.has(value.constructor?.name)) return;
    seen.add(value);
    if (ArrayBuffer.isView(value)) {
      const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
      found.set(path, createHash("sha1").update(bytes).digest("hex"));
    } else if (value instanceof Map) {
      found.set(`${path}.size`, String(value.size));
      for (const [key, entry] of value) visit(entry, `${path}[${String(key)}]`);
    } else if (value instanceof Set) {
      found.set(path, [...value].map(String).join());
    } else {
      for (const [name, entry] of Object.entries(value)) {
        if (NOT_FIELDS.has(name) || (mayAnswer && OF_ANSWERS.has(name))) continue;
        visit(entry, `${path}.${name}`);
      }
    }
  };
  visit(root, "");
  return found;
}

/** Paths whose values differ, at most ten. */
export function differences(before: Map<string, string>, after: Map<string, string>): string[] {
  const paths = new Set([...before.keys(), ...after.keys()]);
  return [...paths].filter((path) => before.get(path) !== after.get(path)).slice(0, 10);
}
