import { hex } from "../../base/bytes.ts";
import { RoamwallError } from "../../base/errors.ts";
import { askAgent } from "../api.ts";
import { type MembersStatus, readIdentity } from "../identities.ts";
import { IDENTITY_DEFAULTS } from "../settings-identities.ts";
import { SOCKET_DEFAULT, SOCKET_OPTION } from "./ask.ts";
import { printable } from "./text.ts";
import { type Call, EXIT, exists, JSON_OPTION, say, usage, type Verb } from "./verb.ts";

const OWNER_ONLY = 0o600;
const SECRET_BYTES = 32;

const ACTIONS: Readonly<Record<string, (call: Call, path: string) => Promise<object>>> = { new: make, show };

export const identityVerb: Verb = {
  name: "identity",
  summary: `This access point's own key, with which it speaks for itself alone.

  roamwall identity new    writes one; never over another
  roamwall identity show   its public part, and whether the member list in force has it`,
  arguments: ["ACTION"],
  options: [
    { name: "key", value: "FILE", text: `the key's file; default ${IDENTITY_DEFAULTS.key}` },
    SOCKET_OPTION,
    JSON_OPTION,
  ],
  async run(call) {
    const [name] = call.arguments as [string];
    const action = ACTIONS[name];
    if (!action) throw usage(`unknown action "${name}"`, `roamwall identity ${Object.keys(ACTIONS).join("|")}`);
    const result = await action(call, call.options.get("key") ?? IDENTITY_DEFAULTS.key);
    if (call.options.has("json")) call.terminal.out(`${JSON.stringify(result, null, 2)}\n`);
    return EXIT.ok;
  },
};

async function make(call: Call, path: string): Promise<object> {
  const { platform } = call;
  if (exists(platform, path)) {
    throw new RoamwallError("ROAMWALL_ERR_FILE", `${path}: is there already, and is not overwritten`);
  }
  const secret = platform.entropy(SECRET_BYTES);
  const head = "# Who has this file speaks as this access point. It stays here.\n";
  platform.files.writeText(path, `${head}secret ${hex(secret)}\n`, OWNER_ONLY);
  const publicHex = hex(platform.x25519.publicKey(secret));
  say(
    call,
    `${path} holds the secret: it never leaves this access point.

Where the policy key is:

  roamwall members add FILE ID ${publicHex} NAME --sign-key KEYFILE
`,
  );
  return { file: path, public: publicHex };
}

async function show(call: Call, path: string): Promise<object> {
  const { platform } = call;
  const publicHex = hex(platform.x25519.publicKey(readIdentity(platform.files, path)));
  const live = await liveMembers(call);
  const listed = live?.members.find(({ key }) => key === publicHex);
  say(call, `${publicHex}\n`);
  if (listed) say(call, `member ${listed.id} (${printable(listed.name)}) of revision ${live!.revision}\n`);
  else if (live)
    say(call, `not in the list in force (revision ${live.revision}): nobody listens to this access point\n`);
  else say(call, "no agent with identities answers: whether it is listed is not known\n");
  return { file: path, public: publicHex, ...(live && { revision: live.revision, member: listed?.id ?? null }) };
}

/** Undefined: no agent, or none with identities. */
export async function liveMembers(call: Call): Promise<MembersStatus | undefined> {
  try {
    const socket = call.options.get("socket") ?? SOCKET_DEFAULT;
    return (await askAgent<MembersStatus | null>(call.platform, socket, "members")) ?? undefined;
  } catch {
    return undefined;
  }
}
