/** The policy of a whole mesh, from the administrator's side: a key, a signed document, the broker. */
import { hex } from "../../base/bytes.ts";
import { badInput, RoamwallError } from "../../base/errors.ts";
import type { PolicyAnswer } from "../../mqtt/policy-feed.ts";
import { apOf, everyAp, policyTopic } from "../../mqtt/topics.ts";
import type { Broker, BrokerOptions } from "../../platform/platform.ts";
import { MESH_NAME, openSigned, parseKeyHex, REVISION_MAX, signDocument } from "../../policy/signed.ts";
import type { PolicyAction } from "./policy.ts";
import { readCompiled } from "./policy-file.ts";
import { columns, printable, styleOf } from "./text.ts";
import { type Call, EXIT, exists, usage } from "./verb.ts";

const KEY_FORM = "a file of `roamwall policy keygen`: a line `secret` with 64 hex digits";
const WAIT_S = { default: 10, least: 1, most: 600 };
/** The retained document comes with the subscription; a broker that has none says nothing. */
const RETAINED_MS = 1_000;

export const keygenAction: PolicyAction = {
  form: "keygen KEYFILE",
  least: 1,
  most: 1,
  run({ platform, terminal, options }, [file]) {
    if (exists(platform, file!)) throw badInput(file!, "a file is there already", "a name for a new file");
    const seed = platform.entropy(32);
    const publicHex = hex(platform.ed25519.publicKey(seed));
    platform.files.writeText(file!, `# Who has this file decides what the mesh allows.\nsecret ${hex(seed)}\n`, 0o600);
    if (options.has("json")) terminal.out(`${JSON.stringify({ file, public: publicHex })}\n`);
    else
      terminal.out(
        `${printable(file!)} holds the secret: keep it off the access points.\n\nIn each AP's settings:\n\n  mqtt:\n    keys: ["${publicHex}"]\n`,
      );
    return EXIT.ok;
  },
};

export const signAction: PolicyAction = {
  form: "sign FILE --sign-key KEYFILE --mesh NAME --revision N",
  least: 1,
  most: 1,
  run(call, [file]) {
    const revision = readRevision(call.options.get("revision"));
    if (revision === undefined) throw usage("no --revision", "--revision N, above the one in force");
    call.terminal.out(signedDocument(call, file!, meshOf(call), revision));
    return EXIT.ok;
  },
};

/** Exit code 0: every AP that is there has applied it. */
export const pushAction: PolicyAction = {
  form: "push FILE --sign-key KEYFILE --mesh NAME --broker URL [--revision N] [--wait SECONDS]",
  least: 1,
  most: 1,
  async run(call, [file]) {
    const url = call.options.get("broker");
    if (url === undefined) throw usage("no --broker", "--broker mqtt://HOST:1883");
    const push = new Push(call, meshOf(call));
    try {
      await push.connect(url);
      const revision = readRevision(call.options.get("revision")) ?? (await push.nextRevision());
      await push.publish(signedDocument(call, file!, meshOf(call), revision), revision);
      return report(call, revision, push.aps());
    } finally {
      await push.close();
    }
  },
};

/** The policy is compiled first: no AP would take what does not. */
function signedDocument(call: Call, file: string, mesh: string, revision: number): string {
  readCompiled(call, file);
  const text = call.platform.files.readText(file);
  return signDocument(call.platform.ed25519, readSecret(call), { mesh, revision, text });
}

export function readSecret({ platform, options }: Call): Uint8Array {
  const file = options.get("sign-key");
  if (file === undefined) throw usage("no --sign-key", `--sign-key KEYFILE, ${KEY_FORM}`);
  const mode = platform.files.mode(file);
  if ((mode & 0o077) !== 0) {
    const shown = mode.toString(8).padStart(4, "0");
    throw new RoamwallError("ROAMWALL_ERR_KEY", `${file}: mode ${shown} lets others sign for the mesh; accepted: 0600`);
  }
  const secret = /^secret\s+(\S+)$/m.exec(platform.files.readText(file))?.[1];
  if (secret === undefined) throw badInput(file, "no secret", KEY_FORM);
  return parseKeyHex(secret, file);
}

export function meshOf({ options }: Call): string {
  const mesh = options.get("mesh");
  if (mesh === undefined || !MESH_NAME.test(mesh)) {
    throw usage(mesh === undefined ? "no --mesh" : `--mesh "${mesh}"`, "--mesh NAME, as in the APs' settings");
  }
  return mesh;
}

function readRevision(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const revision = /^\d{1,15}$/.test(text) ? Number(text) : 0;
  if (revision < 1 || revision > REVISION_MAX) throw usage(`--revision ${text}`, `1 to ${REVISION_MAX}`);
  return revision;
}

interface ApState {
  readonly id: number;
  name: string;
  isOnline: boolean;
  answer: PolicyAnswer | undefined;
}

/** One connection to the broker, for one document. */
class Push {
  private broker: Broker | undefined;
  private readonly byId = new Map<number, ApState>();
  private retained: string | undefined;
  private heard = () => {};
  /** A timer that is left behind would keep the command waiting. */
  private readonly cancels: (() => void)[] = [];

  constructor(
    private readonly call: Call,
    private readonly mesh: string,
  ) {}

  async connect(url: string): Promise<void> {
    const { platform, options } = this.call;
    const seconds = this.waitSeconds();
    const files = {
      ca: options.get("ca"),
      certificate: options.get("certificate"),
      privateKey: options.get("private-key"),
    };
    const given = Object.entries(files).filter(([, path]) => path !== undefined);
    const password = options.get("password-file");
    let why = "no answer";
    let connected = () => {};
    const isConnected = new Promise<void>((resolve) => {
      connected = resolve;
    });
    const brokerOptions: BrokerOptions = {
      url,
      clientId: `roamwall-push-${hex(platform.entropy(4))}`,
      ...(options.has("user") && { user: options.get("user")! }),
      ...(password !== undefined && { password: platform.files.readText(password).trim() }),
      ...Object.fromEntries(given.map(([name, path]) => [name, platform.files.readText(path!)])),
      onState: (isThere, reason) => {
        if (isThere) connected();
        else if (reason) why = reason;
      },
      onMessage: (topic, payload) => this.take(topic, new TextDecoder().decode(payload)),
    };
    this.broker = await platform.broker(brokerOptions);
    await Promise.race([isConnected, this.after(seconds * 1000)]).then((late) => {
      if (late) throw new RoamwallError("ROAMWALL_ERR_CONNECT", `${url}: ${why}`);
    });
    for (const what of ["status", "policy"] as const) this.broker.subscribe(everyAp(this.mesh, what));
    this.broker.subscribe(policyTopic(this.mesh));
    await this.after(RETAINED_MS);
  }

  /** One above the document that the broker has; it is read, not trusted: the APs judge the revision. */
  async nextRevision(): Promise<number> {
    const { platform } = this.call;
    if (this.retained === undefined) return 1;
    const key = platform.ed25519.publicKey(readSecret(this.call));
    return openSigned(platform.ed25519, [key], this.mesh, this.retained, "the broker's document").revision + 1;
  }

  /** Until every AP that is there has answered, or time is up. */
  async publish(document: string, revision: number): Promise<void> {
    for (const ap of this.byId.values()) if (ap.answer && ap.answer.revision < revision) ap.answer = undefined;
    this.broker!.publish(policyTopic(this.mesh), document, true);
    const everybody = new Promise<void>((resolve) => {
      this.heard = () => {
        const missing = this.aps().some((ap) => ap.isOnline && ap.answer === undefined);
        if (!missing) resolve();
      };
    });
    this.heard();
    await Promise.race([everybody, this.after(this.waitSeconds() * 1000)]);
    // An answer of an AP that nobody knew of yet may still be under way.
    if (this.byId.size === 0) await this.after(RETAINED_MS);
  }

  aps(): ApState[] {
    return [...this.byId.values()].sort((a, b) => a.id - b.id);
  }

  async close(): Promise<void> {
    for (const cancel of this.cancels) cancel();
    await this.broker?.close();
  }

  private take(topic: string, payload: string): void {
    if (topic === policyTopic(this.mesh)) this.retained = payload === "" ? undefined : payload;
    const id = apOf(topic);
    if (id === undefined) return;
    const ap = this.byId.get(id) ?? { id, name: "", isOnline: false, answer: undefined };
    this.byId.set(id, ap);
    try {
      const value = JSON.parse(payload);
      if (topic.endsWith("/status")) {
        ap.name = String(value.name);
        ap.isOnline = value.state === "online";
      } else ap.answer = value;
    } catch {
      // Somebody else's words: not an AP's.
    }
    this.heard();
  }

  private waitSeconds(): number {
    const text = this.call.options.get("wait") ?? String(WAIT_S.default);
    const seconds = Number(text);
    if (!(seconds >= WAIT_S.least && seconds <= WAIT_S.most)) {
      throw usage(`--wait ${text}`, `${WAIT_S.least} to ${WAIT_S.most} seconds`);
    }
    return seconds;
  }

  private after(ms: number): Promise<true> {
    return new Promise((resolve) => {
      this.cancels.push(this.call.platform.clock.after(ms, () => resolve(true)));
    });
  }
}

function report({ terminal, options }: Call, revision: number, aps: readonly ApState[]): number {
  const lines = aps.map(({ id, name, isOnline, answer }) => {
    const applied = answer?.result === "applied" && answer.revision === revision;
    const said = !isOnline
      ? "offline: it will read it when it is back"
      : (answer?.reason ?? (applied ? "" : "no answer"));
    return { ap: id, name, online: isOnline, applied, reason: said };
  });
  const missing = lines.filter((line) => line.online && !line.applied).length;
  if (options.has("json")) terminal.out(`${JSON.stringify({ revision, aps: lines }, null, 2)}\n`);
  else {
    const style = styleOf(terminal);
    terminal.out(`revision ${revision} is at the broker${lines.length ? "" : "; no AP has told of itself yet"}\n`);
    const rows = lines.map((l) => [
      l.ap,
      printable(l.name),
      l.applied ? style.good("applied") : style.bad("not applied"),
      printable(l.reason),
    ]);
    if (rows.length) terminal.out(`\n${columns([["ap", "name", "policy", ""], ...rows], style)}`);
  }
  return missing === 0 ? EXIT.ok : EXIT.failure;
}
