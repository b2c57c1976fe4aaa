/** Why a client may reach a peer, or may not: the rules, what the kernel holds, what it said of late; in one sentence. */
import { type Address, parseAddress } from "../base/ip.ts";
import { type Mac, parseMac } from "../base/mac.ts";
import { filtersSay, narrowest, type Opening, ruleFor } from "../policy/explain.ts";
import type { Seeds } from "../policy/filter.ts";
import { NO_LIMITS } from "../policy/model.ts";
import { readOpening } from "../policy/opening.ts";
import type { CompiledPolicy, FilterContent } from "../policy/policy.ts";
import type { ClientRights } from "./client-rights.ts";
import type { TimedEvent } from "./denied-log.ts";
import { openingOf } from "./opening-of.ts";
import type { ClientLine } from "./status.ts";
import { type Verdict, verdictOf } from "./verdict.ts";

export interface WhyQuestion {
  readonly mac: Mac;
  readonly opening: Opening;
}

/** Names: append, never rename. */
export interface WhyAnswer {
  readonly mac: Mac;
  /** As `out tcp/443 to 10.1.0.7`. */
  readonly asked: string;
  readonly verdict: "allowed" | "denied" | "monitored";
  readonly because: string;
  readonly remedy: string;
  readonly role: string | null;
  readonly source: string;
  readonly rule: string | null;
  readonly ruleSource: string | null;
  readonly place: string | null;
  /** The kernel's filters let it pass, with or without a rule. */
  readonly filterAllows: boolean;
  /** Chance that what no rule allows passes all the same. */
  readonly falsePositive: number;
  /** Null: the kernel has no record of the client. */
  readonly kernel: Pick<ClientLine, "slot" | "here" | "monitored" | "revoked" | "passed" | "denied" | "cells"> | null;
  readonly mode: string;
  readonly otherRoles: readonly { readonly role: string; readonly rule: string }[];
  /** The last denials of this client, peer and service, newest last. */
  readonly denials: readonly Verdict[];
}

export interface WhyParts {
  readonly policy: CompiledPolicy;
  readonly seeds: Seeds;
  readonly rights: ClientRights;
  readonly line: ClientLine | undefined;
  readonly mode: string;
  /** Of the client. */
  readonly denied: readonly TimedEvent[];
  readonly nowSeconds: number | undefined;
}

/** A denial that is older tells how it was, not how it is. */
const LATELY_S = 60;

/** Throws ROAMWALL_ERR_INPUT. */
export function readQuestion(client: string, peer: string, service: string, isIn: boolean): WhyQuestion {
  const mac = parseMac(client, "client");
  // A bare port is TCP's: what is asked most.
  const word = /^\d+$/.test(service) ? `tcp/${service}` : service;
  return { mac, opening: readOpening(parseAddress(peer, "peer"), word, isIn) };
}

export function why({ mac, opening }: WhyQuestion, parts: WhyParts): WhyAnswer {
  const { policy, rights, line, mode, seeds } = parts;
  const found = rights.rules.find(({ rule }) => ruleFor(policy.source, roleOfOne(rule), opening));
  const denials = parts.denied.filter(({ event }) => isAbout(openingOf(event), opening));
  const says = filtersSay(filtersOf(parts), policy, seeds, opening);
  const others = [...policy.source.roles].flatMap(([role, one]) => {
    const rule = role === rights.role ? undefined : ruleFor(policy.source, one, opening);
    return rule ? [{ role, rule: rule.text }] : [];
  });
  const last = denials.at(-1);
  const verdicts = denials.map(({ event, seconds }) => verdictOf(event, rights.role ?? null, seconds));
  const isLate = last?.seconds && parts.nowSeconds !== undefined && parts.nowSeconds - last.seconds <= LATELY_S;
  const known = { parts, found, filterAllows: says.filterAllows, last: isLate ? verdicts.at(-1)! : undefined };
  return {
    mac,
    asked: narrowest(opening),
    ...(JUDGEMENTS.map((judge) => judge(known, opening)).find((judged) => judged !== undefined) ?? ALLOWED(known)),
    role: rights.role ?? null,
    source: rights.source,
    rule: found?.rule.text ?? null,
    ruleSource: found?.source ?? null,
    place: found?.rule.place ?? null,
    ...{ filterAllows: says.filterAllows, falsePositive: says.falsePositive },
    kernel: line ? kernelOf(line) : null,
    mode,
    otherRoles: others,
    denials: verdicts,
  };
}

interface Known {
  readonly parts: WhyParts;
  readonly found: ClientRights["rules"][number] | undefined;
  readonly filterAllows: boolean;
  readonly last: Verdict | undefined;
}
type Judgement = Pick<WhyAnswer, "verdict" | "because" | "remedy">;

/** The first that applies is the answer. */
const JUDGEMENTS: readonly ((known: Known, opening: Opening) => Judgement | undefined)[] = [
  ({ parts: { line } }) =>
    line?.revoked
      ? { verdict: "denied", because: "its rights were revoked", remedy: "a new login, or a CoA that gives it a role" }
      : undefined,
  ({ parts: { rights } }) =>
    rights.role === undefined && rights.ownFilters.length === 0
      ? {
          verdict: "denied",
          because: "it has no role: nobody lists it, and the policy has no `unknown`",
          remedy: "list it below `clients`, or say `unknown: ROLE`",
        }
      : undefined,
  (known, opening) => {
    if (known.found || known.filterAllows) return undefined;
    const rule = narrowest(opening);
    const denied = { because: `no rule allows ${rule}`, remedy: `add \`${rule}\` to role ${known.parts.rights.role}` };
    return isMonitored(known.parts)
      ? { verdict: "monitored", ...denied, because: `${denied.because}; monitor mode lets it pass` }
      : { verdict: "denied", ...denied };
  },
  ({ found, filterAllows, parts: { line } }) =>
    found && !filterAllows && line
      ? {
          verdict: "denied",
          because: "a rule allows it, but the filters that the kernel holds do not",
          remedy: "roamwall reload; if it stays, the agent's log says which command roamwalld refused",
        }
      : undefined,
  ({ last }) =>
    last && OPENING_DENIED.includes(last.reason)
      ? {
          verdict: "denied",
          because: `a rule allows it to be opened, but within the last minute a packet of it was denied for "${last.reason}"`,
          remedy: last.remedy,
        }
      : undefined,
];

/** For these an opening is denied that a rule allows; for others it is a stray packet that is. */
const OPENING_DENIED: readonly string[] = ["budget", "full", "busy"];

const ALLOWED = ({ found, last, parts: { line } }: Known): Judgement => {
  const said = found
    ? `${found.rule.text} (${found.source})`
    : "no rule says so: the filters let it pass by chance, or carry rules without words";
  const elsewhere = line?.here === false ? "; the client is not at this AP now" : "";
  const isStray = last && last.reason !== "acl" && last.reason !== "unknown";
  const stray = isStray ? `; yet within the last minute a packet of it was denied for "${last.reason}"` : "";
  return { verdict: "allowed", because: `${said}${elsewhere}${stray}`, remedy: isStray ? last.remedy : "" };
};

function isMonitored({ line, mode, policy, rights }: WhyParts): boolean {
  const role = rights.role === undefined ? undefined : policy.roles.get(rights.role);
  return mode === "monitor" || (line ? line.monitored : (role?.monitor ?? false));
}

const roleOfOne = (rule: ClientRights["rules"][number]["rule"]) => ({
  rules: [rule],
  limits: NO_LIMITS,
  monitor: false,
});

function filtersOf({ policy, rights }: WhyParts): FilterContent[] {
  const numbers = rights.role === undefined ? [] : (policy.roles.get(rights.role)?.filters ?? []);
  return [...policy.filters.filter(({ id }) => numbers.includes(id)), ...rights.ownFilters];
}

function isAbout(opening: Opening | undefined, asked: Opening): boolean {
  return (
    opening !== undefined &&
    opening.direction === asked.direction &&
    opening.proto === asked.proto &&
    opening.port === asked.port &&
    sameAddress(opening.peer, asked.peer)
  );
}

function sameAddress(a: Address, b: Address): boolean {
  return a.family === b.family && a.words.every((word, i) => word === b.words[i]);
}

function kernelOf({ slot, here, monitored, revoked, passed, denied, cells }: ClientLine) {
  return { slot, here, monitored, revoked, passed, denied, cells };
}
