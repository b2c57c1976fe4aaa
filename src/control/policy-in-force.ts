/** The policy in force: what the file, the network or a trial say, compiled. What is refused changes nothing. */
import type { Platform } from "../platform/platform.ts";
import type { Seeds } from "../policy/filter.ts";
import { type CompiledPolicy, compilePolicy, type Policy, parsePolicy } from "../policy/policy.ts";
import type { SignedPolicy } from "../policy/signed.ts";
import { overlay } from "../policy/sources.ts";
import type { NetworkPolicy } from "./network-policy.ts";
import type { Settings } from "./settings.ts";
import type { PolicyStatus } from "./status.ts";
import type { Trial } from "./trial.ts";

const ROOM = "agent";

export interface PolicyInForceParts {
  readonly platform: Pick<Platform, "files" | "log">;
  readonly settings: Pick<Settings, "policy" | "salt">;
  readonly seeds: Seeds;
  /** Undefined: no broker brings a policy. */
  readonly network: Pick<NetworkPolicy, "restore" | "forget"> | undefined;
  readonly trial: Pick<Trial, "text">;
  /** Brings it to the datapath. */
  load(next: CompiledPolicy, previous: CompiledPolicy): Promise<void> | undefined;
}

export class PolicyInForce {
  private policy: CompiledPolicy;
  /** The network's, which stands for the file while it is in force. */
  private signed: SignedPolicy | undefined;
  private refusal: string | undefined;
  private fileProblem: string | undefined;

  /** Throws ROAMWALL_ERR_FILE or ROAMWALL_ERR_INPUT when there is none to begin with. */
  constructor(private readonly parts: PolicyInForceParts) {
    this.policy = this.first();
  }

  get compiled(): CompiledPolicy {
    return this.policy;
  }

  get networkRevision(): number | undefined {
    return this.signed?.revision;
  }

  /** Why the file was refused when it was last read. */
  get problem(): string | undefined {
    return this.refusal;
  }

  get status(): PolicyStatus {
    const { policy, signed } = this;
    const problem = this.refusal ?? this.fileProblem;
    return {
      file: this.parts.settings.policy,
      ...(signed && { revision: signed.revision }),
      roles: policy.roles.size,
      clients: policy.clients.size,
      filters: policy.filters.length,
      ...(problem !== undefined && { problem }),
    };
  }

  async readAgain(): Promise<void> {
    this.refusal = await this.adopt();
  }

  /** Compiles and loads what the file, the trial and the network's policy say now; answers why not, and then changes nothing. */
  async adopt(network: SignedPolicy | undefined = this.signed): Promise<string | undefined> {
    const { log } = this.parts.platform;
    const previous = this.policy;
    let next: CompiledPolicy;
    try {
      next = this.compile(network, previous);
    } catch (error) {
      const reason = (error as Error).message;
      log.error(ROOM, "policy refused, the one before stays", { reason });
      return reason;
    }
    this.policy = next;
    this.signed = network;
    await this.parts.load(next, previous);
    log.info(ROOM, "policy loaded", { roles: next.roles.size, clients: next.clients.size });
    for (const [role, { revision, digest }] of next.roles)
      if (revision !== previous.roles.get(role)?.revision) log.info(ROOM, "role changed", { role, revision, digest });
    return undefined;
  }

  /** What the network had in force, or the file alone: a start must not hang on a broker. */
  private first(): CompiledPolicy {
    const { network, platform } = this.parts;
    const kept = network?.restore();
    if (kept) {
      try {
        const policy = this.compile(kept);
        this.signed = kept;
        return policy;
      } catch (error) {
        network?.forget();
        platform.log.error(ROOM, "the kept policy is not used", { reason: (error as Error).message });
      }
    }
    return this.compile(undefined);
  }

  private compile(network: SignedPolicy | undefined, previous?: CompiledPolicy): CompiledPolicy {
    const { seeds, settings } = this.parts;
    return compilePolicy(this.read(network), seeds, { salt: settings.salt, ...(previous && { previous }) });
  }

  private read(network: SignedPolicy | undefined): Policy {
    const { platform, settings, trial } = this.parts;
    const ofFile = () => parsePolicy(platform.files.readText(settings.policy), settings.policy);
    if (trial.text) return parsePolicy(trial.text.text, trial.text.place);
    if (!network) return ofFile();
    this.fileProblem = undefined;
    const whole = parsePolicy(network.text, `policy revision ${network.revision}`);
    try {
      return overlay(whole, ofFile());
    } catch (error) {
      // The file's part is small beside the network's: its fault must not keep that out.
      this.fileProblem = (error as Error).message;
      platform.log.warn(ROOM, "the policy file is not used", { reason: this.fileProblem });
      return overlay(whole, undefined);
    }
  }
}
