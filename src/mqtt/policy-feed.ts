import type { Ed25519, Log } from "../platform/platform.ts";
import { openSigned, type SignedPolicy } from "../policy/signed.ts";

const ROOM = "mqtt";
/** As much as a policy file may have, and its head. */
const DOCUMENT_BYTES_MAX = 4_001_000;

/** What an AP says about the newest document that it was sent. */
export interface PolicyAnswer {
  readonly result: "applied" | "refused";
  /** In force here now; 0: none that was signed. */
  readonly revision: number;
  /** Names the document in force. */
  readonly id: string;
  readonly reason?: string;
}

export interface PolicyFeedParts {
  readonly ed25519: Ed25519;
  readonly keys: readonly Uint8Array[];
  readonly mesh: string;
  readonly log: Log;
  /** Whole or not at all; answers why not. */
  apply(policy: SignedPolicy): Promise<string | undefined>;
  /** The document as it came, for a start without broker. */
  keep(document: string): void;
  answer(answer: PolicyAnswer): void;
}

/**
 * Documents in, at most one in force. A document counts if a key of ours signed it for this mesh, if its revision is above
 * the one in force, and if it compiles; otherwise everything stays as it is, and the answer says why.
 */
export class PolicyFeed {
  private current: SignedPolicy | undefined;
  private turn: Promise<void> = Promise.resolve();

  constructor(private readonly parts: PolicyFeedParts) {}

  get inForce(): SignedPolicy | undefined {
    return this.current;
  }

  /** What was kept on disk: verified as if it came by the broker. Answers why it was not taken. */
  restore(document: string, place: string): SignedPolicy | undefined {
    const { ed25519, keys, mesh, log } = this.parts;
    try {
      this.current = openSigned(ed25519, keys, mesh, document, place);
    } catch (error) {
      log.warn(ROOM, "the kept policy is not used", { reason: (error as Error).message });
    }
    return this.current;
  }

  /** It does not compile (any more): the next document of any revision may replace it. */
  forget(): void {
    this.current = undefined;
  }

  /** One after the other: each is compared with what the one before left in force. */
  take(payload: Uint8Array): Promise<void> {
    this.turn = this.turn.then(async () => {
      const refused = await this.refusal(payload);
      if (refused !== undefined) this.parts.log.warn(ROOM, "policy refused, the one before stays", { reason: refused });
      const { revision = 0, id = "" } = this.current ?? {};
      const answer = { revision, id };
      this.parts.answer(
        refused === undefined ? { result: "applied", ...answer } : { result: "refused", ...answer, reason: refused },
      );
    });
    return this.turn;
  }

  private async refusal(payload: Uint8Array): Promise<string | undefined> {
    const { ed25519, keys, mesh, log } = this.parts;
    if (payload.length > DOCUMENT_BYTES_MAX) return `${payload.length} bytes; accepted: up to ${DOCUMENT_BYTES_MAX}`;
    const document = new TextDecoder().decode(payload);
    let policy: SignedPolicy;
    try {
      policy = openSigned(ed25519, keys, mesh, document, "mqtt policy");
    } catch (error) {
      return (error as Error).message;
    }
    const order = this.order(policy);
    if (order !== "newer") return order === "same" ? undefined : order;
    const problem = await this.parts.apply(policy);
    if (problem !== undefined) return problem;
    this.current = policy;
    log.info(ROOM, "policy in force", { revision: policy.revision, id: policy.id });
    try {
      this.parts.keep(document);
    } catch (error) {
      log.warn(ROOM, "the policy is not kept: a start without broker will not know it", {
        reason: (error as Error).message,
      });
    }
    return undefined;
  }

  private order({ revision, id }: SignedPolicy): "newer" | "same" | string {
    const { current } = this;
    if (!current || revision > current.revision) return "newer";
    if (revision === current.revision && id === current.id) return "same";
    if (revision === current.revision) return `another document of revision ${revision}; accepted: a higher revision`;
    return `revision ${revision}; accepted: above ${current.revision}, which is in force`;
  }
}
