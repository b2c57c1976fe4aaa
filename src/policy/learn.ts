/**
 * From packets that a policy denied to the rules that they needed: exact ports, exact peers where they are few. What
 * nobody answered is left out, so that a port scan among the traffic writes no rule.
 */
import { type Address, formatAddress } from "../base/ip.ts";
import type { Mac } from "../base/mac.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import { isGroupAddress, type Opening, ruleFor, serviceText } from "./explain.ts";
import { writeRules } from "./learned-rules.ts";
import { type Policy, PROTO, type Rule } from "./model.ts";

/** A packet that no rule allowed, as ring event and replay tell it. */
export interface DeniedFrame {
  readonly mac: Mac;
  /** SIDE_CLIENT: the client sent it. */
  readonly direction: number;
  readonly proto: number;
  readonly family: 4 | 6;
  /** Words; IPv4 in the first. */
  readonly client: ArrayLike<number>;
  readonly peer: ArrayLike<number>;
  /** 0 where there are none; of an ICMP query its identifier and the request's type. */
  readonly clientPort: number;
  readonly peerPort: number;
  /** TCP: a SYN alone opens, an RST refuses, as an ICMP error does. Without such marks: `opens` in both directions. */
  readonly says: "opens" | "goes on" | "refuses";
}

export interface LearnOptions {
  /** Also what nobody answered: of use where only one direction is seen, or where denials do not pass. */
  readonly unanswered?: boolean;
}

export interface Learned {
  /** The policy before, and the rules that were missing. */
  readonly policy: Policy;
  /** For `policyText`: what was seen of each new rule. */
  readonly notes: ReadonlyMap<Rule, string>;
  readonly added: readonly LearnedRule[];
  /** What became no rule, and why. */
  readonly leftOut: readonly { readonly why: string; readonly flows: number }[];
}

export interface LearnedRule {
  readonly role: string;
  readonly rule: string;
  readonly flows: number;
  readonly clients: number;
}

/** An opening that was missed, and how often by whom. */
export interface Need {
  readonly opening: Opening;
  flows: number;
  readonly clients: Set<Mac>;
}

interface Flow {
  readonly mac: Mac;
  readonly opener: number;
  readonly opening: Opening;
  answered: boolean;
}

/** Some 200 bytes each. */
const FLOWS_MAX = 16_384;
/** Where RFC 6335's dynamic ports begin, less what Linux takes below. */
const EPHEMERAL_FIRST = 32_768;
/** Of clients for whom no source has a role. */
const ROLE_FOR_UNKNOWN = "learned";

/** Collects openings; bounded: beyond 16,384 flows new ones are counted only. */
export class Learner {
  private readonly flows = new Map<string, Flow>();
  private begun = 0;
  private overflowed = 0;

  see(frame: DeniedFrame): void {
    const key = keyOf(frame);
    const known = this.flows.get(key);
    if (known) {
      if (frame.direction !== known.opener && frame.says !== "refuses") known.answered = true;
      return;
    }
    if (frame.says === "goes on") this.begun++;
    if (frame.says !== "opens") return;
    if (this.flows.size >= FLOWS_MAX) this.overflowed++;
    else this.flows.set(key, flowOf(frame));
  }

  get size(): number {
    return this.flows.size;
  }

  /** `roleOf`: whose rules a client has; undefined: nobody's. */
  learned(policy: Policy, roleOf: (mac: Mac) => string | undefined, options: LearnOptions = {}): Learned {
    const needs = new Map<string, Map<string, Need>>();
    let unanswered = 0;
    for (const flow of this.flows.values()) {
      const role = roleOf(flow.mac) ?? ROLE_FOR_UNKNOWN;
      const had = policy.roles.get(role);
      if (had && ruleFor(policy, had, flow.opening)) continue;
      if (!flow.answered && !options.unanswered && !isOneWay(flow)) unanswered++;
      else note(needs, role, flow);
    }
    const written = writeRules(policy, needs, ROLE_FOR_UNKNOWN);
    const leftOut = [
      { why: "nobody answered: a scan, a host that is off, or denials that did not pass", flows: unanswered },
      { why: "they were under way before: who opened them was not seen", flows: this.begun },
      { why: `more than ${FLOWS_MAX} flows`, flows: this.overflowed },
      { why: "more different services than rules of a role are readable", flows: written.beyond },
    ];
    return { ...written, leftOut: leftOut.filter(({ flows }) => flows > 0) };
  }
}

/** Nobody answers a group from the address that was asked. */
function isOneWay({ opening }: Flow): boolean {
  return isGroupAddress(opening.peer);
}

function note(needs: Map<string, Map<string, Need>>, role: string, { mac, opening }: Flow): void {
  const ofRole = needs.get(role) ?? new Map<string, Need>();
  needs.set(role, ofRole);
  const key = `${opening.direction} ${serviceText(opening.proto, opening.port)} ${formatAddress(opening.peer)}`;
  const need = ofRole.get(key) ?? { opening, flows: 0, clients: new Set<Mac>() };
  ofRole.set(key, need);
  need.flows++;
  need.clients.add(mac);
}

function keyOf({ mac, proto, client, peer, clientPort, peerPort }: DeniedFrame): string {
  return [mac, proto, Array.from(client), clientPort, Array.from(peer), peerPort].join();
}

function flowOf(frame: DeniedFrame): Flow {
  const opener = openerOf(frame);
  const isOut = opener === CONSTANTS.SIDE_CLIENT;
  const hasPorts = frame.proto === PROTO.tcp || frame.proto === PROTO.udp;
  const opening: Opening = {
    direction: isOut ? CONSTANTS.DIRECTION_OUT : CONSTANTS.DIRECTION_IN,
    proto: frame.proto,
    port: hasPorts ? (isOut ? frame.peerPort : frame.clientPort) : 0,
    peer: addressOf(frame),
  };
  return { mac: frame.mac, opener, opening, answered: opener !== frame.direction };
}

/** A datagram from a service to a port that programs draw for questions is an answer, whose question was not seen. */
function openerOf({ proto, direction, clientPort, peerPort }: DeniedFrame): number {
  const [from, to] = direction === CONSTANTS.SIDE_CLIENT ? [clientPort, peerPort] : [peerPort, clientPort];
  return proto === PROTO.udp && to >= EPHEMERAL_FIRST && from < EPHEMERAL_FIRST ? 1 - direction : direction;
}

function addressOf({ family, peer }: DeniedFrame): Address {
  return { family, words: Array.from({ length: family === 4 ? 1 : 4 }, (_, i) => peer[i]! >>> 0) };
}
