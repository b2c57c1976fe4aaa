/**
 * Who of a capture is the client? Whoever speaks first in a conversation, unless its shape says that only
 * infrastructure says such a thing. A conversation is a pair of ends (address, port), or of addresses for a query.
 */
import { CONSTANTS } from "../datapath/abi.ts";
import type { Packet } from "../sfr/packet.ts";

const { CLASS_ERROR, CLASS_ICMP, CLASS_ICMP6, CLASS_TAIL, CLASS_TCP, CLASS_UDP } = CONSTANTS;
const FROM_CLIENT = CONSTANTS.SIDE_CLIENT;
const TO_CLIENT = CONSTANTS.SIDE_PEER;

export interface Side {
  readonly direction: 0 | 1;
  /** The client's station when the conversation began; undefined: take it from the frame. */
  readonly client: Uint8Array | undefined;
}

interface Conversation {
  /** The end that spoke first. */
  readonly client: string;
  readonly mac: Uint8Array;
}

/** Conversations of one capture; forgets none, since a capture is finite. */
export class Conversations {
  private readonly byEnds = new Map<string, Conversation>();
  /** Tails of fragments have no ports: the last conversation between two addresses that sent a head. */
  private readonly byPair = new Map<string, Conversation>();

  /** `packet` was parsed as if its sender were the client. */
  sideOf(packet: Packet, frame: Uint8Array): Side {
    if (packet.reason !== 0 || packet.family === 0) return { direction: FROM_CLIENT, client: undefined };
    if (isSaidByInfrastructure(packet)) return { direction: TO_CLIENT, client: undefined };
    if (packet.class === CLASS_ERROR) return this.sideOfError(packet);
    if (packet.class === CLASS_TAIL) return this.sideOfTail(packet);
    const sender = endOf(packet.source, packet.family, packet.clientPort);
    const receiver = endOf(packet.destination, packet.family, receiverPort(packet));
    const key = keyOf(packet, sender, receiver);
    const known = this.byEnds.get(key);
    // TCP to a group address is an anonymised capture; so is what continues a conversation.
    if (packet.group && !known && packet.class !== CLASS_TCP) return { direction: FROM_CLIENT, client: undefined };
    const conversation = known ?? begin(packet, frame, sender, receiver);
    if (!known) this.byEnds.set(key, conversation);
    const isFromClient = conversation.client === sender;
    if (packet.head) {
      const client = addressEnd(packet, isFromClient ? packet.source : packet.destination);
      this.byPair.set(pairOf(packet), { client, mac: conversation.mac });
    }
    return { direction: isFromClient ? FROM_CLIENT : TO_CLIENT, client: conversation.mac };
  }

  private sideOfTail(packet: Packet): Side {
    const known = this.byPair.get(pairOf(packet));
    if (!known) return { direction: FROM_CLIENT, client: undefined };
    const isFromClient = known.client === addressEnd(packet, packet.source);
    return { direction: isFromClient ? FROM_CLIENT : TO_CLIENT, client: known.mac };
  }

  /** An error's tuple is the quoted packet's; the quoted packet's sender receives the error. */
  private sideOfError(packet: Packet): Side {
    // Parsed from the sender's side, `client` is the quoted destination and `peer` the quoted source.
    const quotedDestination = endOf(packet.client, packet.family, packet.clientPort);
    const quotedSource = endOf(packet.peer, packet.family, packet.peerPort);
    const isQuery = packet.sub === CLASS_ICMP || packet.sub === CLASS_ICMP6;
    const known = isQuery
      ? this.queryOf(packet)
      : this.byEnds.get(joined(quotedSource, quotedDestination, packet.proto));
    if (!known) return { direction: TO_CLIENT, client: undefined };
    const receiver = isQuery ? endOf(packet.peer, packet.family, packet.clientPort) : quotedSource;
    return { direction: known.client === receiver ? TO_CLIENT : FROM_CLIENT, client: known.mac };
  }

  private queryOf(packet: Packet): Conversation | undefined {
    const a = endOf(packet.peer, packet.family, packet.clientPort);
    const b = endOf(packet.client, packet.family, packet.clientPort);
    const suffix = `${packet.proto}/${packet.peerPort}`;
    return this.byEnds.get(`${a} > ${b} ${suffix}`) ?? this.byEnds.get(`${b} > ${a} ${suffix}`);
  }
}

function isQuery(packet: Packet): boolean {
  return (packet.class === CLASS_ICMP || packet.class === CLASS_ICMP6) && packet.peerPort !== 0;
}

/** Who speaks first is the client; but a SYN-ACK is an answer, though the capture missed the question. */
function begin(packet: Packet, frame: Uint8Array, sender: string, receiver: string): Conversation {
  const isAnswer = packet.class === CLASS_TCP && packet.sub === (CONSTANTS.TCP_SYN | CONSTANTS.TCP_ACK);
  return isAnswer ? { client: receiver, mac: frame.slice(0, 6) } : { client: sender, mac: frame.slice(6, 12) };
}

function addressEnd(packet: Packet, words: Uint32Array): string {
  return endOf(words, packet.family, 0);
}

function pairOf(packet: Packet): string {
  return joined(addressEnd(packet, packet.source), addressEnd(packet, packet.destination), packet.pairProto);
}

/** A query has an identifier instead of ports: both ends have it. */
function receiverPort(packet: Packet): number {
  return isQuery(packet) ? packet.clientPort : packet.peerPort;
}

/** Both hosts may ping each other with one identifier: a query's key says who asked. */
function keyOf(packet: Packet, sender: string, receiver: string): string {
  if (!isQuery(packet)) return joined(sender, receiver, packet.proto);
  const suffix = `${packet.proto}/${packet.peerPort}`;
  return packet.icmpType === packet.peerPort
    ? `${sender} > ${receiver} ${suffix}`
    : `${receiver} > ${sender} ${suffix}`;
}

function joined(a: string, b: string, proto: number): string {
  return a < b ? `${a} ${b} ${proto}` : `${b} ${a} ${proto}`;
}

function endOf(words: Uint32Array, family: number, port: number): string {
  return `${family === 4 ? words[0] : words.join()}:${port}`;
}

/** Router advertisements, redirects, MLD queries and what DHCP servers send. */
function isSaidByInfrastructure(packet: Packet): boolean {
  if (packet.class === CLASS_ICMP6) return [130, 134, 137].includes(packet.icmpType);
  if (packet.class !== CLASS_UDP) return false;
  const [from, to] = packet.family === 4 ? [67, 68] : [547, 546];
  return packet.clientPort === from && packet.peerPort === to;
}
