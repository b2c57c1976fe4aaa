/** The list of access points that may speak to each other: from the administrator's side, and on an access point. */
import { hex } from "../../base/bytes.ts";
import { badInput, RoamwallError } from "../../base/errors.ts";
import { MEMBER_ID_MAX, type MemberEntry, membersText, parseMembers } from "../../policy/members.ts";
import { openSigned, parseKeyHex, readHead, type SignedDocument, signDocument } from "../../policy/signed.ts";
import { IDENTITY_DEFAULTS } from "../settings-identities.ts";
import { SOCKET_OPTION } from "./ask.ts";
import { liveMembers } from "./identity.ts";
import { meshOf, readSecret } from "./policy-network.ts";
import { columns, printable, styleOf } from "./text.ts";
import { type Call, EXIT, exists, JSON_OPTION, say, usage, type Verb } from "./verb.ts";

const FILE_MODE = 0o644;

interface Action {
  readonly form: string;
  readonly least: number;
  readonly most: number;
  run(call: Call, file: string, words: readonly string[]): Promise<object>;
}

const ACTIONS: Readonly<Record<string, Action>> = {
  add: { form: "add FILE ID KEY [NAME] --sign-key KEYFILE [--mesh NAME]", least: 3, most: 4, run: add },
  remove: { form: "remove FILE ID --sign-key KEYFILE", least: 2, most: 2, run: remove },
  list: { form: "list [FILE]", least: 0, most: 1, run: list },
  check: { form: "check [FILE] [--public KEY]", least: 0, most: 1, run: check },
};

export const membersVerb: Verb = {
  name: "members",
  summary: `The signed list of access points that may speak, each with the key of its \`roamwall identity show\`.

  roamwall members add FILE ID KEY [NAME]  puts one on the list, or gives it another key, and signs; a new list needs --mesh
  roamwall members remove FILE ID          takes one off, and signs
  roamwall members list [FILE]             shows a list; its signature is not looked at
  roamwall members check [FILE]            whether this access point's agent would take it, and what would change; without
                                           an agent by --public`,
  arguments: ["ACTION", "[FILE]", "[ID]", "[KEY]", "[NAME]"],
  options: [
    { name: "sign-key", value: "KEYFILE", text: "add, remove: the key of `roamwall policy keygen`" },
    { name: "mesh", value: "NAME", text: "add: the mesh, as in the access points' settings" },
    { name: "public", value: "KEY", text: "check: the public key that must have signed, instead of the agent's" },
    SOCKET_OPTION,
    JSON_OPTION,
  ],
  async run(call) {
    const [name, ...words] = call.arguments as [string, ...string[]];
    const action = ACTIONS[name];
    if (!action) throw usage(`unknown action "${name}"`, `roamwall members ${Object.keys(ACTIONS).join("|")}`);
    if (words.length < action.least || words.length > action.most) {
      throw usage(`${words.length} arguments to members ${name}`, `roamwall members ${action.form}`);
    }
    const [file = IDENTITY_DEFAULTS.members, ...rest] = words;
    const result = await action.run(call, file, rest);
    if (call.options.has("json")) call.terminal.out(`${JSON.stringify(result, null, 2)}\n`);
    return EXIT.ok;
  },
};

async function add(call: Call, file: string, [idText, keyText, name = ""]: readonly string[]): Promise<object> {
  const id = readId(idText!);
  const publicKey = parseKeyHex(keyText!, "KEY");
  if (!call.platform.x25519.shared(new Uint8Array(32).fill(8), publicKey)) {
    throw badInput("KEY", "a key that everybody could speak for", "what `roamwall identity show` prints");
  }
  const before = exists(call.platform, file) ? openOwn(call, file) : undefined;
  const others = before?.members.filter((member) => member.id !== id) ?? [];
  const members = [...others, { id, publicKey, name }];
  const known = before?.members.find((member) => member.id === id);
  const what = known ? `member ${id} has another entry` : `member ${id} is on the list`;
  return sign(call, file, { members, mesh: before?.mesh ?? meshOf(call), revision: before?.revision ?? 0 }, what);
}

async function remove(call: Call, file: string, [idText]: readonly string[]): Promise<object> {
  const id = readId(idText!);
  const before = openOwn(call, file);
  const members = before.members.filter((member) => member.id !== id);
  if (members.length === before.members.length) throw badInput(file, `no member ${id}`, idsText(before.members));
  return sign(call, file, { ...before, members }, `member ${id} is off the list`);
}

async function list(call: Call, file: string): Promise<object> {
  const head = readHead(call.platform.files.readText(file), file, "members");
  const members = parseMembers(head.text, file);
  show(call, file, { ...head, members });
  return shown(file, { ...head, members });
}

/** Throws what an agent would say. */
async function check(call: Call, file: string): Promise<object> {
  const { platform, options } = call;
  const live = await liveMembers(call);
  const given = options.get("public");
  if (given === undefined && !live) {
    throw new RoamwallError(
      "ROAMWALL_ERR_CONNECT",
      `${file}: no agent with identities answers, so who may sign it is not known; accepted: --public KEY`,
    );
  }
  const keys =
    given === undefined ? live!.signers.map((key) => parseKeyHex(key, "the agent")) : [parseKeyHex(given, "--public")];
  const document = platform.files.readText(file);
  const mesh = live?.mesh ?? readHead(document, file, "members").mesh;
  const signed = openSigned(platform.ed25519, keys, mesh, document, file, "members");
  const members = parseMembers(signed.text, file);
  if (live && signed.revision < live.revision) {
    throw badInput(file, `revision ${signed.revision}`, `one above ${live.revision}, which is in force`);
  }
  const before = new Map(live?.members.map(({ id, key }) => [id, key]));
  const comes = members.filter(({ id, publicKey }) => live && before.get(id) !== hex(publicKey)).map(({ id }) => id);
  const goes = [...before.keys()].filter((id) => !members.some((member) => member.id === id));
  say(call, `${file}: revision ${signed.revision} for mesh ${mesh}, ${members.length} members, signed as it must be\n`);
  if (live)
    say(call, `beside revision ${live.revision} in force: ${changes("comes", comes)}, ${changes("goes", goes)}\n`);
  return { ...shown(file, { ...signed, members }), comes, goes };
}

function changes(what: string, ids: readonly number[]): string {
  return ids.length === 0 ? `nobody ${what}` : `${what}: ${ids.join(", ")}`;
}

interface List {
  readonly mesh: string;
  readonly revision: number;
  readonly members: readonly MemberEntry[];
}

/** What we signed before: nobody else's list is signed on. */
function openOwn(call: Call, file: string): List {
  const { platform } = call;
  const document = platform.files.readText(file);
  const { mesh } = readHead(document, file, "members");
  const key = platform.ed25519.publicKey(readSecret(call));
  const signed: SignedDocument = openSigned(platform.ed25519, [key], mesh, document, file, "members");
  return { mesh, revision: signed.revision, members: parseMembers(signed.text, file) };
}

function sign(call: Call, file: string, { mesh, revision, members }: List, what: string): object {
  const next = { mesh, revision: revision + 1, members };
  const text = membersText(members);
  // A key that two have, a name that is too long: said before it is signed.
  parseMembers(text, file);
  const { ed25519, files } = call.platform;
  files.writeText(file, signDocument(ed25519, readSecret(call), { ...next, text }, "members"), FILE_MODE);
  say(
    call,
    `${file}: ${what}; revision ${next.revision} of mesh ${mesh}, ${members.length} members.

Copy it to every access point (${IDENTITY_DEFAULTS.members}); the agents read it by themselves.
`,
  );
  return shown(file, next);
}

function show(call: Call, file: string, { mesh, revision, members }: List): void {
  const rows = members.map(({ id, name, publicKey }) => [id, printable(name), hex(publicKey)]);
  say(call, `${file}: revision ${revision} for mesh ${mesh}\n\n`);
  say(call, columns([["ap", "name", "key"], ...rows], styleOf(call.terminal)));
}

function shown(file: string, { mesh, revision, members }: List): object {
  return {
    file,
    mesh,
    revision,
    members: members.map(({ id, name, publicKey }) => ({ id, name, key: hex(publicKey) })),
  };
}

function readId(text: string): number {
  const id = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (id < 1 || id > MEMBER_ID_MAX) throw usage(`ID "${text}"`, `1 to ${MEMBER_ID_MAX}`);
  return id;
}

function idsText(members: readonly MemberEntry[]): string {
  return members.length === 0 ? "a list with members" : `one of ${members.map(({ id }) => id).join(", ")}`;
}
