/** Fixed record layouts, written once: the C header and the TypeScript readers both come from a table of fields. */

export type FieldType = "u8" | "u16" | "u32" | "u64";
export type Field = readonly [name: string, type: FieldType, count?: number];
export type Fields = readonly Field[];

/** A 64-bit field is a bigint; an array field an array of its element. */
type Scalar<T> = T extends "u64" ? bigint : number;
export type RecordOf<F extends Fields> = {
  -readonly [E in F[number] as E[0]]: E extends readonly [string, infer T, number] ? Scalar<T>[] : Scalar<E[1]>;
};

export const FIELD_BYTES: Record<FieldType, number> = { u8: 1, u16: 2, u32: 4, u64: 8 };

export interface Layout<F extends Fields = Fields> {
  readonly fields: F;
  readonly bytes: number;
  /** by field name: byte offset within the record */
  readonly offset: Readonly<Record<string, number>>;
}

/**
 * Offsets of a record. Throws when the C compiler would have to pad: padding is always a named field, so that no
 * byte of a record is undefined.
 */
export function layout<const F extends Fields>(fields: F): Layout<F> {
  const offset: Record<string, number> = {};
  let at = 0;
  let widest = 1;
  for (const [name, type, count = 1] of fields) {
    const size = FIELD_BYTES[type];
    if (at % size !== 0) throw new Error(`field ${name}: offset ${at} is not a multiple of ${size}`);
    offset[name] = at;
    at += size * count;
    widest = Math.max(widest, size);
  }
  if (at % widest !== 0) throw new Error(`record ends at ${at}, not a multiple of ${widest}`);
  return { fields, bytes: at, offset };
}

/** Reads a record in host byte order (`le`: the host is little endian). Throws RangeError when the view is too short. */
export function readRecord<F extends Fields>(of: Layout<F>, view: DataView, at: number, le: boolean): RecordOf<F> {
  const value: Record<string, unknown> = {};
  for (const [name, type, count] of of.fields) {
    const start = at + (of.offset[name] as number);
    value[name] =
      count === undefined
        ? readScalar(view, start, type, le)
        : Array.from({ length: count }, (_, i) => readScalar(view, start + i * FIELD_BYTES[type], type, le));
  }
  return value as RecordOf<F>;
}

/** Writes a record; a field that is left out is zero. */
export function writeRecord<F extends Fields>(
  of: Layout<F>,
  view: DataView,
  at: number,
  value: Partial<RecordOf<F>>,
  le: boolean,
): void {
  for (const [name, type, count = 1] of of.fields) {
    const given = (value as Record<string, unknown>)[name] ?? 0;
    const start = at + (of.offset[name] as number);
    for (let i = 0; i < count; i++) {
      const element = Array.isArray(given) ? (given[i] ?? 0) : i === 0 ? given : 0;
      writeScalar(view, start + i * FIELD_BYTES[type], type, element as number | bigint, le);
    }
  }
}

function readScalar(view: DataView, at: number, type: FieldType, le: boolean): number | bigint {
  switch (type) {
    case "u8":
      return view.getUint8(at);
    case "u16":
      return view.getUint16(at, le);
    case "u32":
      return view.getUint32(at, le);
    case "u64":
      return view.getBigUint64(at, le);
  }
}

function writeScalar(view: DataView, at: number, type: FieldType, value: number | bigint, le: boolean): void {
  switch (type) {
    case "u8":
      view.setUint8(at, Number(value));
      return;
    case "u16":
      view.setUint16(at, Number(value), le);
      return;
    case "u32":
      view.setUint32(at, Number(value), le);
      return;
    case "u64":
      view.setBigUint64(at, BigInt(value), le);
      return;
  }
}
