/**
 * Node's Buffer as what it holds: its `slice` would share bytes where a Uint8Array's copies them, and code compiled for
 * one kind is thrown away when the other comes.
 */
export function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}
