import { BrokerLink } from "../mqtt/link.ts";
import type { MeshView } from "../mqtt/mesh-view.ts";
import { type PolicyAnswer, PolicyFeed } from "../mqtt/policy-feed.ts";
import type { Platform } from "../platform/platform.ts";
import type { SignedPolicy } from "../policy/signed.ts";
import type { MqttSettings, Settings } from "./settings.ts";
import { VERSION } from "./version.ts";

export interface NetworkPolicyParts {
  readonly platform: Platform;
  readonly settings: Settings;
  readonly mqtt: MqttSettings;
  /** Compiles and loads it; answers why not. */
  apply(policy: SignedPolicy): Promise<string | undefined>;
  status(): Promise<object>;
  counters(): Promise<object>;
  readonly others?: MeshView;
  readonly members?: (payload: Uint8Array) => void;
}

/** The policy of the whole mesh, as the broker brings it and the disk keeps it; and what this AP tells the broker. */
export class NetworkPolicy {
  private readonly feed: PolicyFeed;
  private readonly link: BrokerLink;

  constructor(private readonly parts: NetworkPolicyParts) {
    const { platform, settings, mqtt } = parts;
    this.feed = new PolicyFeed({
      ed25519: platform.ed25519,
      keys: mqtt.keys,
      mesh: mqtt.mesh,
      log: platform.log,
      apply: (policy) => parts.apply(policy),
      keep: (document) => platform.files.writeText(mqtt.store, document, 0o600),
      answer: (answer) => this.answered(answer),
    });
    this.link = new BrokerLink({
      mesh: mqtt.mesh,
      ap: settings.id,
      name: settings.name,
      version: VERSION,
      everyMs: mqtt.everyMs,
      clock: platform.clock,
      log: platform.log,
      broker: { url: mqtt.url, ...credentials(platform, mqtt) },
      feed: this.feed,
      open: (options) => platform.broker(options),
      status: () => parts.status(),
      counters: () => parts.counters(),
      ...(parts.others && { others: parts.others }),
      ...(parts.members && { members: parts.members }),
    });
  }

  /** For `roamwall status`. */
  get state() {
    const { revision = 0, id = "" } = this.feed.inForce ?? {};
    return { ...this.link.state, revision, id };
  }

  /** What was in force when this AP last ran. */
  restore(): SignedPolicy | undefined {
    const { platform, mqtt } = this.parts;
    let document: string;
    try {
      document = platform.files.readText(mqtt.store);
    } catch {
      // None was ever kept.
      return undefined;
    }
    return this.feed.restore(document, mqtt.store);
  }

  /** It does not compile: any document may replace it. */
  forget(): void {
    this.feed.forget();
  }

  start(): Promise<void> {
    return this.link.start();
  }

  stop(): Promise<void> {
    return this.link.close();
  }

  event(kind: string, fields: object): void {
    this.link.outward.event(kind, fields, this.parts.platform.clock.nowMs());
  }

  private answered(answer: PolicyAnswer): void {
    this.link.outward.answer(answer);
    this.event("policy", answer);
  }
}

/** Files are read here, once: who may not read them should fail at start, not at the first connection. */
function credentials({ files }: Platform, mqtt: MqttSettings) {
  const text = (path: string | undefined) => (path === undefined ? undefined : files.readText(path));
  const given = {
    user: mqtt.user,
    password: text(mqtt.passwordFile)?.trim(),
    ca: text(mqtt.ca),
    certificate: text(mqtt.certificate),
    privateKey: text(mqtt.privateKey),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
