/** From one packet to the opening of its flow: what a rule would have to say of it. */
import { TYPE, TYPE_NAME } from "../automata/numbers.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import type { RingEvent } from "../datapath/map-records.ts";
import type { Opening } from "../policy/explain.ts";
import type { DeniedFrame } from "../policy/learn.ts";

/** Of ports that programs draw for questions, Linux' first. */
const EPHEMERAL_FIRST = 32_768;

type Guess = (event: RingEvent) => boolean;
const bySender: Guess = ({ direction }) => direction === CONSTANTS.SIDE_CLIENT;
const byReceiver: Guess = (event) => !bySender(event);
/** The end with the port that a program drew asked the other. */
const byPorts: Guess = ({ client_port: client, peer_port: peer }) => client >= peer;

/** Whether the client opened the flow, by packet type; a type that is absent tells nothing. */
const OPENED_BY_CLIENT: Readonly<Record<number, Guess>> = {
  [TYPE.SYN]: bySender,
  [TYPE.SYN_ACK]: byReceiver,
  [TYPE.ACK]: byPorts,
  [TYPE.FIN]: byPorts,
  [TYPE.RST]: byPorts,
  [TYPE.UDP]: (event) => {
    const isDrawn = (port: number) => port >= EPHEMERAL_FIRST;
    return isDrawn(event.client_port) === isDrawn(event.peer_port) ? bySender(event) : isDrawn(event.client_port);
  },
  [TYPE.UDP_GROUP]: bySender,
  [TYPE.OTHER]: bySender,
  [TYPE.QUERY]: bySender,
  [TYPE.ANSWER]: byReceiver,
};

const HAS_PORTS: readonly number[] = [TYPE.SYN, TYPE.SYN_ACK, TYPE.ACK, TYPE.FIN, TYPE.RST, TYPE.UDP, TYPE.UDP_GROUP];

/** Undefined: errors, fragments and what is not IP open nothing. */
export function openingOf(event: RingEvent): Opening | undefined {
  const guess = OPENED_BY_CLIENT[event.type];
  if (!guess || (event.family !== 4 && event.family !== 6)) return undefined;
  const isOut = guess(event);
  return {
    direction: isOut ? CONSTANTS.DIRECTION_OUT : CONSTANTS.DIRECTION_IN,
    proto: event.proto,
    port: HAS_PORTS.includes(event.type) ? (isOut ? event.peer_port : event.client_port) : 0,
    peer: { family: event.family, words: event.peer.slice(0, event.family === 4 ? 1 : 4) },
  };
}

/** What the packet tells who learns rules. */
export function saysOf(type: number): DeniedFrame["says"] {
  if (type === TYPE.SYN || (OPENED_BY_CLIENT[type] && !HAS_PORTS.includes(type))) return "opens";
  if (type === TYPE.UDP || type === TYPE.UDP_GROUP) return "opens";
  return type === TYPE.SYN_ACK || type === TYPE.ACK || type === TYPE.FIN ? "goes on" : "refuses";
}

/** The same, by the name that a verdict has of the type. */
export function saysOfName(name: string): DeniedFrame["says"] {
  const type = Object.entries(TYPE_NAME).find(([, known]) => known.toLowerCase() === name)?.[0];
  return saysOf(Number(type ?? 0));
}
