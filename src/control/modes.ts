/**
 * What an operator set on this AP beside the policy: monitor or enforce, for the whole AP, a role or a client, for a while
 * or until it is taken back. Kept over a restart of the agent, not over one of the machine.
 */
import { badInput } from "../base/errors.ts";
import { type Mac, parseMac } from "../base/mac.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import type { Platform } from "../platform/platform.ts";

export type ModeWord = "enforce" | "monitor";

/** Names: append, never rename. */
export interface ModeLine {
  readonly scope: "ap" | "role" | "client";
  /** Of the role or the client; "" for the AP. */
  readonly name: string;
  readonly mode: ModeWord;
  /** Null: until it is taken back. */
  readonly leftSeconds: number | null;
}

export interface ModesAnswer {
  readonly ap: string;
  readonly lines: readonly ModeLine[];
}

interface Kept extends Omit<ModeLine, "leftSeconds"> {
  /** On the wall clock; null: without end. */
  readonly endsAt: number | null;
}

export interface ModesParts {
  readonly platform: Pick<Platform, "clock" | "files" | "wallSeconds" | "log">;
  readonly path: string;
  /** Something changed: write it to the datapath. */
  changed(): void;
}

/** More than an operator watches. */
const LINES_MAX = 256;
/** Longer would be a policy. */
export const MODE_SECONDS_MAX = 7 * 86_400;

export class Modes {
  private readonly lines = new Map<string, ModeLine & { readonly endsAtMs: number }>();
  /** by client: when it is over */
  private readonly traced = new Map<Mac, number>();
  private cancel = () => {};

  constructor(private readonly parts: ModesParts) {
    this.restore();
  }

  list(): ModeLine[] {
    const nowMs = this.parts.platform.clock.nowMs();
    return [...this.lines.values()].map(({ endsAtMs, ...line }) => ({
      ...line,
      leftSeconds: Number.isFinite(endsAtMs) ? Math.ceil((endsAtMs - nowMs) / 1000) : null,
    }));
  }

  /** `mode` undefined: the policy's word again. Throws ROAMWALL_ERR_INPUT. */
  set(scope: ModeLine["scope"], name: string, mode: ModeWord | undefined, seconds: number | undefined): void {
    const key = `${scope} ${name}`;
    if (!mode) this.lines.delete(key);
    else {
      if (this.lines.size >= LINES_MAX && !this.lines.has(key))
        throw badInput("mode", "too many", `${LINES_MAX} lines`);
      const endsAtMs = seconds === undefined ? Number.POSITIVE_INFINITY : this.nowMs + seconds * 1000;
      this.lines.set(key, { scope, name, mode, leftSeconds: null, endsAtMs });
    }
    const about = { scope, ...(name && { name }), ...(seconds !== undefined && { seconds }) };
    this.parts.platform.log.warn(
      "agent",
      mode ? `mode ${mode}, said by the operator` : "mode as the policy says",
      about,
    );
    this.keep();
    this.parts.changed();
    this.arm();
  }

  /** Every verdict of the client is told for so long. */
  trace(mac: Mac, seconds: number): void {
    this.traced.set(mac, this.nowMs + seconds * 1000);
    this.parts.changed();
    this.arm();
  }

  endTrace(mac: Mac): void {
    if (this.traced.delete(mac)) this.parts.changed();
  }

  ofAp(settings: ModeWord): ModeWord {
    return this.lines.get("ap ")?.mode ?? settings;
  }

  /** Flags of a client's record, from those that its rights say. The narrowest word counts. */
  flagsOf(mac: Mac, role: string, flags: number): number {
    const said = this.lines.get(`client ${mac}`) ?? this.lines.get(`role ${role}`);
    const monitored = said ? said.mode === "monitor" : (flags & CONSTANTS.CLIENT_MONITOR) !== 0;
    return (monitored ? CONSTANTS.CLIENT_MONITOR : 0) | (this.traced.has(mac) ? CONSTANTS.CLIENT_TRACE : 0);
  }

  stop(): void {
    this.cancel();
  }

  private get nowMs(): number {
    return this.parts.platform.clock.nowMs();
  }

  /** One timer, for what ends next. */
  private arm(): void {
    this.cancel();
    const ends = [...[...this.lines.values()].map(({ endsAtMs }) => endsAtMs), ...this.traced.values()];
    const next = Math.min(...ends);
    if (!Number.isFinite(next)) return;
    this.cancel = this.parts.platform.clock.after(Math.max(0, next - this.nowMs), () => this.endDue());
  }

  private endDue(): void {
    const { nowMs } = this;
    for (const [key, { endsAtMs }] of this.lines) if (endsAtMs <= nowMs) this.lines.delete(key);
    for (const [mac, endsAtMs] of this.traced) if (endsAtMs <= nowMs) this.traced.delete(mac);
    this.keep();
    this.parts.changed();
    this.arm();
  }

  private keep(): void {
    const { files, log, wallSeconds } = this.parts.platform;
    const wall = wallSeconds();
    const kept = this.list().flatMap(({ leftSeconds, ...line }): Kept[] => {
      // Without a clock an end cannot be kept: then a restart is the end.
      if (leftSeconds !== null && wall === undefined) return [];
      return [{ ...line, endsAt: leftSeconds === null ? null : wall! + leftSeconds }];
    });
    try {
      files.writeText(this.parts.path, JSON.stringify(kept), 0o600);
    } catch (error) {
      log.warn("agent", "modes are not kept for the next start", { reason: (error as Error).message });
    }
  }

  private restore(): void {
    const { files, wallSeconds } = this.parts.platform;
    const wall = wallSeconds();
    for (const { scope, name, mode, endsAt } of readKept(files, this.parts.path)) {
      const left = endsAt === null ? Number.POSITIVE_INFINITY : endsAt - (wall ?? Number.POSITIVE_INFINITY);
      if (!(left > 0)) continue;
      this.lines.set(`${scope} ${name}`, { scope, name, mode, leftSeconds: null, endsAtMs: this.nowMs + left * 1000 });
    }
    this.arm();
  }
}

/** A file that is absent, or no file of ours, keeps nothing: the policy's word counts. */
function readKept(files: Platform["files"], path: string): Kept[] {
  try {
    const kept = JSON.parse(files.readText(path)) as Kept[];
    return kept.filter(
      ({ scope, name, mode, endsAt }) =>
        ["ap", "role", "client"].includes(scope) &&
        typeof name === "string" &&
        (mode === "enforce" || mode === "monitor") &&
        (endsAt === null || typeof endsAt === "number"),
    );
  } catch {
    return [];
  }
}

/** A scope as a person writes it. Throws ROAMWALL_ERR_INPUT. */
export function readScope(scope: string, name: string, roles: readonly string[]): Pick<ModeLine, "scope" | "name"> {
  if (scope === "ap") return { scope, name: "" };
  if (scope === "client") return { scope, name: parseMac(name, "client") };
  if (scope !== "role") throw badInput("mode", `"${scope}"`, "ap, role NAME or client MAC");
  if (!roles.includes(name))
    throw badInput("role", `unknown role "${name}"`, roles.join(", ") || "the policy has none");
  return { scope, name };
}
