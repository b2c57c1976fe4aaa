import { hex } from "../../base/bytes.ts";
import { RoamwallError } from "../../base/errors.ts";
import type { Platform } from "../../platform/platform.ts";
import { fingerprintOf, KEY_BYTES, KEY_SLOTS, type MeshKey } from "../../replication/keyring.ts";
import { askAgent } from "../api.ts";
import { readKey, SEED_BYTES } from "../key.ts";
import type { KeysStatus } from "../status.ts";
import { SOCKET_DEFAULT, SOCKET_OPTION } from "./ask.ts";
import { columns, printable, styleOf } from "./text.ts";
import { type Call, EXIT, exists, JSON_OPTION, say, usage, type Verb } from "./verb.ts";

const KEY_DEFAULT = "/etc/roamwall/key";
const OWNER_ONLY = 0o600;

const ACTIONS: Readonly<Record<string, (call: Call, path: string, slot: number | undefined) => Promise<object>>> = {
  generate,
  show,
  rotate,
  switch: switchKey,
  drop,
};

export const keyVerb: Verb = {
  name: "key",
  summary: `The key file, which all APs of a mesh share.

  roamwall key generate     writes a new one; never over another
  roamwall key show         its keys by fingerprint, and which of them the neighbours have
  roamwall key rotate       adds a new mesh key beside the old one, and says what to do next
  roamwall key switch       seals with the new one at once, whoever has it or not
  roamwall key drop [SLOT]  removes a mesh key; default: the older of two`,
  arguments: ["ACTION", "[SLOT]"],
  options: [
    { name: "key", value: "FILE", text: `the key file; default ${KEY_DEFAULT}` },
    { name: "force", text: "drop: also the key that the agent seals with" },
    SOCKET_OPTION,
    JSON_OPTION,
  ],
  async run(call) {
    const [name, word] = call.arguments as [string, string?];
    const action = ACTIONS[name];
    if (!action) throw usage(`unknown action "${name}"`, `roamwall key ${Object.keys(ACTIONS).join("|")}`);
    if (word !== undefined && name !== "drop") throw usage(`"${word}"`, `roamwall key ${name}`);
    if (word !== undefined && !/^[01]$/.test(word)) throw usage(`slot "${word}"`, "0 or 1");
    const slot = word === undefined ? undefined : Number(word);
    const result = await action(call, call.options.get("key") ?? KEY_DEFAULT, slot);
    if (call.options.has("json")) call.terminal.out(`${JSON.stringify(result, null, 2)}\n`);
    return EXIT.ok;
  },
};

async function generate(call: Call, path: string): Promise<object> {
  const { platform } = call;
  if (exists(platform, path)) {
    throw new RoamwallError("ROAMWALL_ERR_FILE", `${path}: is there already, and is not overwritten`);
  }
  const secret = platform.entropy(KEY_BYTES);
  platform.files.writeText(path, `mesh 0 ${hex(secret)}\nseed ${hex(platform.entropy(SEED_BYTES))}\n`, OWNER_ONLY);
  const fingerprint = shown(fingerprintOf(platform.crypto, secret));
  say(call, `${path}: a mesh key (${fingerprint}) and a seed. Copy it to every AP of the mesh, mode 0600.\n`);
  return { file: path, keys: [{ slot: 0, fingerprint }] };
}

async function show(call: Call, path: string): Promise<object> {
  const { platform, terminal } = call;
  const file = readKey(platform.files, path);
  const live = await liveKeys(call);
  const keys = file.keys.map((key) => describe(platform, key, live));
  const neighbours = (live?.neighbours ?? []).map((neighbour) => ({
    ...neighbour,
    keys: neighbour.keys.map((print) => (print === 0 ? null : shown(print))),
  }));
  if (!call.options.has("json")) {
    const style = styleOf(terminal);
    const rows = keys.map(({ slot, fingerprint, state }) => [slot, fingerprint, state]);
    terminal.out(columns([["slot", "fingerprint", "state"], ...rows], style));
    const slots = Array.from({ length: KEY_SLOTS }, (_, slot) => slot);
    const others = neighbours.map(({ id, name, keys }) => [id, printable(name), ...slots.map((at) => keys[at] ?? "-")]);
    const heading = ["ap", "name", ...slots.map((slot) => `slot ${slot}`)];
    if (others.length > 0) terminal.out(`\n${columns([heading, ...others], style)}`);
    if (!live) terminal.out("\nno agent answers: what it seals with, and what neighbours have, is not known\n");
    if (live?.problem !== undefined) terminal.out(`\n${style.bad(`not in force: ${printable(live.problem)}`)}\n`);
  }
  return { file: path, keys, neighbours, ...(live?.problem !== undefined && { problem: live.problem }) };
}

async function rotate(call: Call, path: string): Promise<object> {
  const { platform } = call;
  const { keys } = readKey(platform.files, path);
  const [old] = keys as [MeshKey, ...MeshKey[]];
  if (keys.length === KEY_SLOTS) {
    throw new RoamwallError(
      "ROAMWALL_ERR_KEY",
      `${path}: two keys already; accepted: roamwall key drop ${old.slot}, when roamwall key show says that it is retired`,
    );
  }
  const slot = 1 - old.slot;
  const secret = platform.entropy(KEY_BYTES);
  const lines = platform.files.readText(path).split("\n");
  // What stands last is the newer one.
  const after = lines.map((line) => /^\s*mesh\s/.test(line)).lastIndexOf(true) + 1;
  lines.splice(after, 0, `mesh ${slot} ${hex(secret)}`);
  platform.files.writeText(path, lines.join("\n"), OWNER_ONLY);
  const fingerprint = shown(fingerprintOf(platform.crypto, secret));
  say(
    call,
    `${path}: a new key (${fingerprint}) in slot ${slot}; the one in slot ${old.slot} stays in force.

Next:
  1. Copy ${path} to every other AP, mode 0600. The agents read it by themselves.
  2. Each AP seals with the new key as soon as all of its neighbours show it; after 24 hours, or at
     roamwall key switch, without waiting. No flow notices.
  3. roamwall key show: when slot ${old.slot} is "retired" on every AP, roamwall key drop ${old.slot} there.
`,
  );
  return { file: path, slot, fingerprint, old: old.slot };
}

async function switchKey(call: Call): Promise<object> {
  const status = await askAgent<KeysStatus>(call.platform, call.options.get("socket") ?? SOCKET_DEFAULT, "switch-key");
  const newest = status.keys.at(-1)!;
  say(call, `sealing with the key in slot ${newest.slot} (${shown(newest.fingerprint)}) within a second\n`);
  return { slot: newest.slot, fingerprint: shown(newest.fingerprint) };
}

async function drop(call: Call, path: string, slot: number | undefined): Promise<object> {
  const { platform } = call;
  const { keys } = readKey(platform.files, path);
  const gone = slot === undefined ? keys[0]! : keys.find((key) => key.slot === slot);
  if (!gone) throw new RoamwallError("ROAMWALL_ERR_KEY", `${path}: no key in slot ${slot}`);
  if (keys.length === 1)
    throw new RoamwallError("ROAMWALL_ERR_KEY", `${path}: the only key; roamwall key rotate first`);
  const state = describe(platform, gone, await liveKeys(call)).state;
  if (state === "sending" && !call.options.has("force")) {
    throw new RoamwallError(
      "ROAMWALL_ERR_KEY",
      `${path}: the agent seals with the key in slot ${gone.slot}, as some neighbour has no other; accepted: --force`,
    );
  }
  const isGone = (line: string) =>
    new RegExp(`^\\s*mesh\\s+${gone.slot === 0 ? "(0\\s+)?" : "1\\s+"}[0-9a-fA-F]{64}\\b`).test(line);
  const left = platform.files
    .readText(path)
    .split("\n")
    .filter((line) => !isGone(line));
  platform.files.writeText(path, left.join("\n"), OWNER_ONLY);
  const fingerprint = shown(fingerprintOf(platform.crypto, gone.secret));
  say(
    call,
    `${path}: the key in slot ${gone.slot} (${fingerprint}) is gone; who has no other is no neighbour any more\n`,
  );
  return { file: path, slot: gone.slot, fingerprint };
}

function describe({ crypto }: Platform, { slot, secret }: MeshKey, live: KeysStatus | undefined) {
  const print = fingerprintOf(crypto, secret);
  const state = live?.keys.find((key) => key.fingerprint === print)?.state ?? (live ? "not read yet" : "unknown");
  return { slot, fingerprint: shown(print), state };
}

async function liveKeys(call: Call): Promise<KeysStatus | undefined> {
  try {
    return await askAgent<KeysStatus>(call.platform, call.options.get("socket") ?? SOCKET_DEFAULT, "keys");
  } catch {
    return undefined;
  }
}

function shown(fingerprint: number): string {
  return fingerprint.toString(16).padStart(8, "0");
}
