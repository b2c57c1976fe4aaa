/**
 * A policy on trial: in force for a while, and in memory alone. The file stays as it is until the trial is confirmed, so
 * whatever ends it (time, the agent's death, a power cut) leads back to what the file says.
 */
import { badInput } from "../base/errors.ts";
import type { Platform } from "../platform/platform.ts";

export interface TrialStatus {
  /** Of the file that was applied. */
  readonly file: string;
  readonly leftSeconds: number;
}

export interface TrialParts {
  readonly platform: Pick<Platform, "clock" | "files" | "log">;
  /** The policy file that a confirmed trial replaces. */
  readonly policy: string;
  /** Compiles and loads what `policyText` says now; answers why not, and then changes nothing. */
  adopt(): Promise<string | undefined>;
}

interface Running {
  readonly file: string;
  readonly text: string;
  /** What the policy file said when it began. */
  readonly before: string;
  readonly endsAtMs: number;
}

export const TRIAL_SECONDS_MAX = 86_400;

export class Trial {
  private running: Running | undefined;
  private cancel = () => {};

  constructor(private readonly parts: TrialParts) {}

  /** Stands for the policy file while a trial runs. */
  get text(): { readonly text: string; readonly place: string } | undefined {
    return this.running && { text: this.running.text, place: this.running.file };
  }

  get status(): TrialStatus | undefined {
    if (!this.running) return undefined;
    const left = this.running.endsAtMs - this.parts.platform.clock.nowMs();
    return { file: this.running.file, leftSeconds: Math.max(0, Math.ceil(left / 1000)) };
  }

  /** Throws ROAMWALL_ERR_INPUT when the policy is refused, and ROAMWALL_ERR_FILE; what was in force stays. */
  async begin(file: string, seconds: number): Promise<void> {
    const { files, clock, log } = this.parts.platform;
    const before = this.running;
    const text = files.readText(file);
    const policy = files.readText(this.parts.policy);
    this.running = { file, text, before: policy, endsAtMs: clock.nowMs() + seconds * 1000 };
    const problem = await this.parts.adopt();
    if (problem !== undefined) {
      this.running = before;
      throw badInput(file, problem, "a policy (roamwall policy check FILE)");
    }
    this.cancel();
    this.cancel = clock.after(seconds * 1000, () => void this.goBack("nobody confirmed it"));
    log.warn("agent", "a policy is on trial", { file, seconds });
  }

  /** The policy on trial becomes the file. Throws ROAMWALL_ERR_INPUT when there is none. */
  confirm(): void {
    const { files, log } = this.parts.platform;
    if (!this.running) throw badInput("confirm", "no policy is on trial", "roamwall apply FILE --for 60s before");
    if (files.readText(this.parts.policy) !== this.running.before) {
      throw badInput(this.parts.policy, "it was changed meanwhile", "roamwall revert, then apply to what it says now");
    }
    files.writeText(this.parts.policy, this.running.text, 0o644);
    this.end();
    log.info("agent", "the policy on trial is confirmed", { policy: this.parts.policy });
  }

  async goBack(why: string): Promise<void> {
    if (!this.running) throw badInput("revert", "no policy is on trial", "roamwall apply FILE --for 60s before");
    this.end();
    this.parts.platform.log.warn("agent", "back to the policy before the trial", { reason: why });
    await this.parts.adopt();
  }

  stop(): void {
    this.cancel();
  }

  private end(): void {
    this.cancel();
    this.running = undefined;
  }
}
