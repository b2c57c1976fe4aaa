import type { Mac } from "../../src/base/mac.ts";
import type { Conversation } from "./conversation.ts";

/** A station: where it is, and where the network believes it to be. */
export interface Client {
  readonly mac: Mac;
  readonly text: string;
  readonly ip: string;
  /** AP that it is associated with; 0: away. */
  ap: number;
  /** When its AP could first know of it: by a frame of its own, or by hostapd's word. */
  heardMs: number;
  /** AP behind whose port the bridges learnt it; 0: none did. */
  bridge: number;
  /** When each AP first heard of its last stay there. */
  readonly staysMs: Map<number, number>;
  readonly conversations: Conversation[];
}
