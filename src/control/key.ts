import { badInput, RoamwallError } from "../base/errors.ts";
import { xxh32Words } from "../base/hash.ts";
import type { Files } from "../platform/platform.ts";
import type { Seeds } from "../policy/filter.ts";
import { REPLAY_SEEDS } from "./replay.ts";

export interface MeshKey {
  /** Of the seal between APs. */
  readonly mesh: Uint8Array;
  /** Of all fingerprints and filters. */
  readonly seeds: Seeds;
  /** Tells neighbours whether they hash alike; says nothing about the seeds. */
  readonly seedId: number;
}

const FORM = "a line `mesh` with 64 hex digits and a line `seed` with 32; `#` begins a comment";

/** Throws ROAMWALL_ERR_INPUT; never repeats a secret in its text. */
export function parseKey(text: string, place: string): MeshKey {
  let mesh: Uint8Array | undefined;
  let seeds: Seeds | undefined;
  for (const [i, raw] of text.split("\n").entries()) {
    const line = raw.replace(/#.*/, "").trim();
    if (line === "") continue;
    const [name, value = "", ...more] = line.split(/\s+/);
    const bytes = more.length ? undefined : hexBytes(value);
    if (name === "mesh" && bytes?.length === 32) mesh = bytes;
    else if (name === "seed" && bytes?.length === 16) seeds = wordsOf(bytes);
    else
      throw badInput(
        `${place}:${i + 1}`,
        name === "mesh" || name === "seed" ? `a wrong ${name}` : "an unknown line",
        FORM,
      );
  }
  if (!mesh || !seeds) throw badInput(place, `no ${mesh ? "seed" : "mesh"} line`, FORM);
  return { mesh, seeds, seedId: seedIdOf(seeds) };
}

export function seedIdOf(seeds: Seeds): number {
  return xxh32Words(seeds, 0x5eed1d);
}

/** Reads the key file; refuses one that others may read. */
export function readKey(files: Files, path: string): MeshKey {
  const mode = files.mode(path);
  if ((mode & 0o077) !== 0) {
    const shown = mode.toString(8).padStart(4, "0");
    throw new RoamwallError(
      "ROAMWALL_ERR_KEY",
      `${path}: mode ${shown} lets others read the mesh's secrets; accepted: 0600`,
    );
  }
  return parseKey(files.readText(path), path);
}

export function seedsOrDefault(files: Files, path: string | undefined): Seeds {
  return path === undefined ? REPLAY_SEEDS : readKey(files, path).seeds;
}

function hexBytes(text: string): Uint8Array | undefined {
  if (!/^([0-9a-f]{2})+$/i.test(text)) return undefined;
  return Uint8Array.from(text.match(/../g)!, (pair) => Number.parseInt(pair, 16));
}

function wordsOf(bytes: Uint8Array): Seeds {
  const view = new DataView(bytes.buffer);
  return [view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12)];
}
