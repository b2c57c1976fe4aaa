import type { Reason } from "../../src/datapath/abi.ts";

/** What `--json` prints, and what the table is made of. */
export interface DemoResult {
  roams: number;
  /** Long-lived flows, the download and the stream among them. */
  flows: number;
  flowsLost: number;
  /** Valid packets that a firewall denied. */
  firewallDrops: number;
  longestGapMs: number;
  replication: { packets: number; bytes: number; expectations: number };
  control: { flowsLost: number };
  /** Every denial: bad packets, and valid ones if there were any. */
  denied: Partial<Record<Reason, number>>;
}

/** What the table adds. */
export interface DemoDetails {
  readonly title: string;
  readonly roams: { readonly gapMs: number; readonly cost: { readonly packets: number; readonly bytes: number } }[];
  readonly connects: { readonly done: number; readonly failed: number };
  /** Not in the model. */
  readonly lookups?: { readonly done: number; readonly failed: number };
  readonly download?: { readonly bytes: number; readonly seconds: number };
  readonly stream: { readonly sent: number; readonly lost: number };
  readonly bad: { readonly sent: number; readonly passed: readonly string[] };
  /** Denials that no bad packet accounts for; below zero: bad packets that nobody saw again. */
  readonly wronglyDenied: Partial<Record<Reason, number>>;
  readonly controlFlows: number;
}

/** Why the demonstration failed, in people's words; empty: it kept its promise. */
export function failures(result: DemoResult, details: DemoDetails): string[] {
  const found: string[] = [];
  if (result.flowsLost > 0) found.push(`${result.flowsLost} of ${result.flows} flows were lost`);
  if (details.connects.failed > 0) found.push(`${details.connects.failed} new connections failed`);
  const unanswered = details.lookups?.failed ?? 0;
  if (unanswered > 0) found.push(`${unanswered} look-ups got no answer`);
  if (result.firewallDrops > 0) {
    found.push(`the firewall denied ${result.firewallDrops} valid packets: ${listReasons(details.wronglyDenied)}`);
  }
  if (details.bad.passed.length > 0) {
    found.push(`${details.bad.passed.length} bad packets passed: ${[...new Set(details.bad.passed)].join("; ")}`);
  }
  const missing = Object.values(details.wronglyDenied).reduce((sum, n) => sum - Math.min(n, 0), 0);
  if (missing > 0)
    found.push(`${missing} bad packets were not denied for their reason: ${listReasons(details.wronglyDenied)}`);
  if (result.control.flowsLost === 0) found.push("the control lost no flow, so this shows nothing");
  return found;
}

export function listReasons(denied: Partial<Record<Reason, number>>): string {
  return (Object.entries(denied) as [Reason, number][])
    .filter(([, count]) => count !== 0)
    .sort(([, a], [, b]) => b - a)
    .map(([reason, count]) => `${reason} ${grouped(count)}`)
    .join(", ");
}

/** 12345 -> 12,345 */
export const grouped = (value: number): string => Math.round(value).toLocaleString("en-US");
