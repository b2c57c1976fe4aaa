import { xxh32Words, xxh32WordsReversed } from "../base/hash.ts";
import type { Packet } from "./packet.ts";

/**
 * The tuple as words, client first whatever the direction: client MAC with protocol and family, client address, peer
 * address, ports. The MAC is in the key, so that a station cannot touch another's flows by borrowing its address, and
 * both sides of a client-to-client flow have their own state.
 *
 * Two lanes, one over the words in reverse order: two lanes in the same order collide for 26 % of all secret seeds when
 * somebody chooses two adjacent words.
 */
export const FLOW_WORDS_MAX = 11;

export class FlowKey {
  readonly words = new Uint32Array(FLOW_WORDS_MAX);
  count = 0;
  h1 = 0;
  h2 = 0;

  constructor(
    readonly seed1: number,
    readonly seed2: number,
  ) {}

  /** The packet's own tuple. `mac0`, `mac1`: the client's MAC as its first four and last two bytes. */
  setFlow(packet: Packet, mac0: number, mac1: number): void {
    this.#set(packet, mac0, mac1, packet.proto, peerOf(packet), packet.clientPort, packet.peerPort);
  }

  /** Without the peer's address: what a question to a group leaves. */
  setGroup(packet: Packet, mac0: number, mac1: number): void {
    this.#set(packet, mac0, mac1, packet.proto, NOBODY, packet.clientPort, packet.peerPort);
  }

  /** Without ports: what a head and its tails share. */
  setPair(packet: Packet, mac0: number, mac1: number): void {
    this.#set(packet, mac0, mac1, packet.pairProto, peerOf(packet), 0, 0);
  }

  #set(
    packet: Packet,
    mac0: number,
    mac1: number,
    proto: number,
    peer: Uint32Array,
    clientPort: number,
    peerPort: number,
  ): void {
    const { words } = this;
    const addressWords = packet.family === 4 ? 1 : 4;
    words[0] = mac0;
    words[1] = (mac1 << 16) | (proto << 8) | packet.family;
    for (let i = 0; i < addressWords; i++) {
      words[2 + i] = packet.client[i]!;
      words[2 + addressWords + i] = peer[i]!;
    }
    this.count = 3 + 2 * addressWords;
    words[this.count - 1] = (clientPort << 16) | peerPort;
    this.h1 = xxh32Words(words, this.seed1, this.count);
    this.h2 = xxh32WordsReversed(words, this.seed2, this.count);
  }
}

const NOBODY = new Uint32Array(4);

function peerOf(packet: Packet): Uint32Array {
  return packet.asksGroup() ? NOBODY : packet.peer;
}
