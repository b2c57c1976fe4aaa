import type { BitReader, BitWriter } from "../../base/bits.ts";
import { KIND } from "./kinds.ts";

/**
 * Closes a range of `ver`, even when nothing is left of it: what was published since stands in newer change sets. Each
 * cell keeps its own `ver` and carries what was last published.
 */
export interface RepairHead {
  readonly from: number;
  readonly to: number;
}

/** Then a cell block, `ver` counted from `from`. */
export const REPAIR_KIND = KIND.repair;
export const REPAIR_FIXED_BYTES = 8;

export function emitRepairHead(writer: BitWriter, { from, to }: RepairHead): void {
  writer.write(from, 32);
  writer.write(to, 32);
}

export function parseRepairHead(reader: BitReader): RepairHead | undefined {
  const head = { from: reader.read(32), to: reader.read(32) };
  return reader.failed || head.from === 0 || head.to < head.from ? undefined : head;
}
