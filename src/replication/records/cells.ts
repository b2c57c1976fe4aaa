import { KIND } from "./kinds.ts";

/** A change set: ver:32, then a cell block without versions. Every datagram of changed cells has a `ver` of its own. */
export const CELLS_KIND = KIND.cells;
export const CELLS_FIXED_BYTES = 4;
