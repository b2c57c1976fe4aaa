/** All that `doctor` looks at, gathered before anything is judged; a part that could not be had is undefined. */
import type { CompiledPolicy } from "../../policy/policy.ts";
import type { NeighbourStatus } from "../../replication/status.ts";
import type { Risk, Severity } from "../risks/risk.ts";
import type { Settings } from "../settings.ts";
import type { AgentStatus, ClientLine } from "../status.ts";
import type { TableView } from "../table-view.ts";

/** Either what was read, or why it could not be. */
export type Read<T> = { readonly value: T } | { readonly problem: string };

export interface World {
  readonly settingsFile: string;
  readonly settings: Read<Settings>;
  /** Undefined: without settings nobody knows where they are. */
  readonly key?: Read<unknown>;
  readonly policy?: Read<CompiledPolicy>;
  readonly radiusSecret?: Read<unknown>;
  /** What an AP's own MACs and netdevs are; undefined: no `ip` program. */
  readonly links?: readonly Link[];
  readonly kernel: Kernel;
  readonly daemon: Read<{ readonly abi: number }>;
  readonly abi: number;
  readonly agent: Read<AgentStatus>;
  readonly neighbours: readonly NeighbourStatus[];
  readonly clients: readonly ClientLine[];
  readonly table?: TableView;
  readonly risks: readonly Risk[];
  /** Undefined: the clock was never set. */
  readonly wallSeconds?: number;
}

export interface Link {
  readonly name: string;
  readonly mtu: number;
  readonly isUp: boolean;
  readonly addresses: readonly string[];
}

export interface Kernel {
  /** As `6.1.0-18-amd64`. */
  readonly release: string;
  readonly hasBpffs: boolean;
  /** net.core.bpf_jit_enable; undefined: there is no such switch. */
  readonly jit?: number;
  readonly memoryFreeBytes?: number;
}

/** Something that is wrong, or will be: what, and what to do. */
export interface Finding {
  /** Stable, for programs. */
  readonly id: string;
  readonly severity: Severity;
  readonly finding: string;
  readonly remedy: string;
}

/** Its findings have its id. */
export interface Check {
  readonly id: string;
  /** For the manual: what is looked for. */
  readonly about: string;
  readonly severity: Severity;
  find(world: World): readonly Omit<Finding, "id" | "severity">[];
}

export function held<T>(read: Read<T> | undefined): T | undefined {
  return read && "value" in read ? read.value : undefined;
}

export function problemOf(read: Read<unknown> | undefined): string | undefined {
  return read && "problem" in read ? read.problem : undefined;
}
