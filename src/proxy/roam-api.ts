/** What a roam says to other APs and hears from them, and what it counts. */
import type { Mac } from "../base/mac.ts";
import type { Expectations } from "./carry.ts";
import type { Context } from "./contexts.ts";
import type { Mirror } from "./mirror.ts";
import type { PhaseClock } from "./phase.ts";
import type { Rights } from "./rights.ts";

/** "I serve this client", on whose port it is, and who logged in there. */
export interface ClaimOf {
  readonly mac: Mac;
  readonly n: number;
  readonly zone: number;
  /** 0: nobody said. */
  readonly bind: bigint;
  /** So long ago, at least, it was seen to come; Infinity: nobody remembers. */
  readonly seenAgeMs: number;
  readonly holders: readonly number[];
}

/** What an AP says of a client in its RIGHTS: whether it serves it, where, and whom. */
export interface HeardPresence {
  readonly n: number;
  readonly here: boolean;
  /** As in a claim; where it serves the client. */
  readonly seenAgeMs: number;
  readonly zone: number;
  readonly bind: bigint;
}

/** What an AP that was asked for a client says of it. */
interface Sighting {
  readonly mac: Mac;
  /** The AP that answers for it. */
  readonly holder: number;
  /** Zone where the holder serves it. */
  readonly holderZone: number;
  readonly n: number;
  readonly rights: Rights;
}

/** Where a client was found that nobody near had told of. */
export interface FoundClient extends Sighting {
  /** Where it came, and as whom. */
  readonly zone: number;
  readonly bind: bigint;
  /** How often it was searched for in vain since it was seen: it may have gone again. */
  readonly again: number;
  /** When this search for it began. */
  readonly cameMs: number;
}

/** Where a client is that did not come here. */
export interface SightedClient extends Sighting {
  /** The holder serves it. */
  readonly here: boolean;
}

/** What a neighbour says of a claim of ours. */
export interface Hint {
  /** Who says it. */
  readonly from: number;
  /** An AP that may hold state of the client; who says it itself, when it does not know who served the client by the last claim. */
  readonly holder: number;
  /** The least number of a claim that counts. */
  readonly n: number;
  /** So long ago, at least, the highest claim was made: in a part that was cut off, a lower one may be younger. */
  readonly claimAgeMs: number;
  /** With identities: it takes no client away by itself, since nobody claims for another. */
  readonly isHearsay?: boolean;
}

/** What became of rights that an AP was told to enact for a client. */
export type Verdict = "in force" | "elsewhere" | "newer" | "refused" | "full";

/** What this AP can say to somebody who looks for a client: its rights or state, and who may know more. */
export interface Whereabouts {
  readonly context?: Context;
  /** Absent: nobody knows more. */
  readonly next?: number | "all";
}

/** What the roam needs of the wire. */
export interface RoamWire {
  claim(claim: ClaimOf, to: number | undefined): void;
  /** Asks for a client that nobody near told of; `found` is the answer, if there is one. */
  locate(mac: Mac, zone: number, bind: bigint): void;
  /** Tells `to`, who claimed the client, of an AP that may hold state of it too, and of the least claim that counts. */
  hint(to: number, context: Context, holder: number, n: number): void;
  /** That AP is alive, as far as is known. */
  reaches(ap: number): boolean;
  /** It was heard just now: who is silent for three hellos may have lost power. */
  hears(ap: number): boolean;
  handover(to: number, of: Handed): void;
  adopted(mac: Mac, n: number, source: number): void;
  /** The slot's RIGHTS changed. */
  announce(slot: number): void;
  /** APs of whose tables cells of the client are mirrored, which served it in that zone and as nobody else. */
  publishers(mac: Mac, zone: number, bind: bigint): readonly number[];
  /** Mirrors of what an AP published, its orphans included, with the slot that it gave the client there. */
  sources(ap: number, mac: Mac): readonly { mirror: Mirror; slot: number; phases: PhaseClock }[];
}

export interface Handed extends Expectations {
  readonly mac: Mac;
  readonly n: number;
  readonly fastPhase: number;
  readonly slowPhase: number;
}

export interface HandedPart extends Handed {
  readonly part: number;
  readonly parts: number;
}

export interface RoamCounters {
  arrivals: number;
  claims: number;
  handoversSent: number;
  handoversTaken: number;
  adoptedCells: number;
  adoptedFromMirror: number;
  clonedMacs: number;
  /** A client of one zone was seen in another. */
  otherZone: number;
  /** A client came back as somebody else. */
  otherIdentity: number;
  /** Clients that another AP was asked about, and those that one had. */
  located: number;
  found: number;
}

export function newRoamCounters(): RoamCounters {
  return {
    arrivals: 0,
    claims: 0,
    handoversSent: 0,
    handoversTaken: 0,
    adoptedCells: 0,
    adoptedFromMirror: 0,
    clonedMacs: 0,
    otherZone: 0,
    otherIdentity: 0,
    located: 0,
    found: 0,
  };
}
