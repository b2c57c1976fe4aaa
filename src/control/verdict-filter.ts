/** Which verdicts a reader wants; asked of each event, so nothing is made of those that are not wanted. */

import { closest } from "../base/closest.ts";
import { badInput } from "../base/errors.ts";
import { type Prefix, parsePrefix, prefixHolds } from "../base/ip.ts";
import { macToBytes, parseMac } from "../base/mac.ts";
import { REASONS } from "../datapath/abi.ts";
import type { RingEvent } from "../datapath/map-records.ts";
import type { ApiRequest } from "./api.ts";

export type VerdictTest = (event: RingEvent) => boolean;

/** Of a request with any of `client`, `reason`, `peer`, `port`. Throws ROAMWALL_ERR_INPUT. */
export function verdictTest(request: ApiRequest): VerdictTest {
  const tests = Object.entries(TESTS).flatMap(([name, make]) => {
    const value = request[name];
    return value === undefined ? [] : [make(String(value))];
  });
  return (event) => tests.every((test) => test(event));
}

const TESTS: Readonly<Record<string, (text: string) => VerdictTest>> = {
  client: (text) => {
    const bytes = macToBytes(parseMac(text, "client"));
    return ({ mac }) => bytes.every((byte, i) => byte === mac[i]);
  },
  reason: (text) => {
    const wanted = text.split(",").map(reasonNumber);
    return ({ reason }) => wanted.includes(reason);
  },
  peer: (text) => {
    const prefix = parsePrefix(text, "peer");
    return (event) => isPeerIn(prefix, event);
  },
  port: (text) => {
    const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
    if (!(port >= 1 && port <= 65535)) throw badInput("port", `"${text}"`, "1 to 65535");
    return (event) => event.client_port === port || event.peer_port === port;
  },
};

function reasonNumber(name: string): number {
  const names = REASONS.map(([reason]) => reason as string).slice(1);
  const number = names.indexOf(name) + 1;
  if (number > 0) return number;
  throw badInput("reason", `"${name}"`, names.join(", "), closest(name, names));
}

function isPeerIn(prefix: Prefix, { family, peer }: RingEvent): boolean {
  if (family !== 4 && family !== 6) return false;
  return prefixHolds(prefix, { family, words: peer.slice(0, family === 4 ? 1 : 4) });
}
