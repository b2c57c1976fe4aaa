import { badInput, RoamwallError } from "../base/errors.ts";
import { xxh32Words } from "../base/hash.ts";
import type { Files } from "../platform/platform.ts";
import type { Seeds } from "../policy/filter.ts";
import { KEY_BYTES, type MeshKey } from "../replication/keyring.ts";
import { REPLAY_SEEDS } from "./replay-policy.ts";

/** The file that all APs of a mesh share. */
export interface KeyFile {
  /** Of the seal between APs: one, or two while one replaces the other; the older one first. */
  readonly keys: readonly MeshKey[];
  /** Of all fingerprints and filters. Never replaced: every cell would mean something else. */
  readonly seeds: Seeds;
  /** Tells neighbours whether they hash alike; says nothing about the seeds. */
  readonly seedId: number;
}

export const SEED_BYTES = 16;
const FORM =
  "one or two lines `mesh 0` or `mesh 1` with 64 hex digits, the older key first, and a line `seed` with 32; `#` begins a comment";

/** Throws ROAMWALL_ERR_INPUT; never repeats a secret in its text. */
export function parseKey(text: string, place: string): KeyFile {
  const keys: MeshKey[] = [];
  let seeds: Seeds | undefined;
  for (const [i, raw] of text.split("\n").entries()) {
    const words = raw.replace(/#.*/, "").trim().split(/\s+/);
    if (words[0] === "") continue;
    const wrong = (found: string) => badInput(`${place}:${i + 1}`, found, FORM);
    const key = meshKeyOf(words);
    const seed = words[0] === "seed" && words.length === 2 ? hexBytes(words[1]!, SEED_BYTES) : undefined;
    if (key && keys.some(({ slot }) => slot === key.slot)) throw wrong(`slot ${key.slot} once more`);
    if (seed && seeds) throw wrong("a second seed");
    if (key) keys.push(key);
    else if (seed) seeds = wordsOf(seed);
    else throw wrong(words[0] === "mesh" || words[0] === "seed" ? `a wrong ${words[0]}` : "an unknown line");
  }
  if (keys.length === 0 || !seeds) throw badInput(place, `no ${keys.length ? "seed" : "mesh"} line`, FORM);
  return { keys, seeds, seedId: seedIdOf(seeds) };
}

export function seedIdOf(seeds: Seeds): number {
  return xxh32Words(seeds, 0x5eed1d);
}

/** `mesh SLOT HEX`; without the slot it is 0. */
function meshKeyOf([name, ...words]: readonly string[]): MeshKey | undefined {
  const [slot, hex] = words.length === 1 ? ["0", words[0]!] : words;
  if (name !== "mesh" || words.length > 2 || !/^[01]$/.test(slot ?? "")) return undefined;
  const secret = hexBytes(hex ?? "", KEY_BYTES);
  return secret && { slot: Number(slot), secret };
}

/** Reads the key file; refuses one that others may read. */
export function readKey(files: Files, path: string): KeyFile {
  const exposure = files.exposure(path);
  if (exposure !== undefined) {
    throw new RoamwallError(
      "ROAMWALL_ERR_KEY",
      `${path}: ${exposure} lets others read the mesh's secrets; accepted: 0600, owned by this user or root`,
    );
  }
  return parseKey(files.readText(path), path);
}

export function seedsOrDefault(files: Files, path: string | undefined): Seeds {
  return path === undefined ? REPLAY_SEEDS : readKey(files, path).seeds;
}

function hexBytes(text: string, bytes: number): Uint8Array | undefined {
  if (text.length !== bytes * 2 || !/^[0-9a-f]+$/i.test(text)) return undefined;
  return Uint8Array.from(text.match(/../g)!, (pair) => Number.parseInt(pair, 16));
}

function wordsOf(bytes: Uint8Array): Seeds {
  const view = new DataView(bytes.buffer);
  return [view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12)];
}
