import { parseHeader } from "../../../src/replication/seal.ts";
import type { Simulation, Watch } from "../simulation.ts";

/**
 * (I5) No number is used twice under one key, for other bytes: a key belongs to a sender's epoch. The same datagram to
 * several addresses is one.
 */
export function numbersOnce(sim: Simulation): Watch {
  /** by sender and epoch */
  const used = new Map<string, Map<number, Uint8Array>>();
  return {
    sent(from, bytes) {
      const header = parseHeader(bytes);
      if (!header) {
        sim.fail("I5", `${from.name} sent what is no datagram`, [from.name]);
        return;
      }
      const { sender, epochTag, pn } = header;
      const key = `${sender}/${epochTag}`;
      const numbers = used.get(key) ?? new Map<number, Uint8Array>();
      used.set(key, numbers);
      const before = numbers.get(pn);
      if (before && !isSame(before, bytes)) sim.fail("I5", `${from.name} used ${pn} of its epoch twice`, [from.name]);
      numbers.set(pn, bytes);
    },
  };
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || (a.length === b.length && a.every((byte, i) => byte === b[i]));
}
