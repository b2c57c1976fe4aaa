import type { BitReader, BitWriter } from "../../base/bits.ts";
import { addressFromBytes, formatAddress, mappedBytes, parseAddress } from "../../base/ip.ts";
import { type Mac, macFromBytes, macToBytes } from "../../base/mac.ts";
import type { Endpoint } from "../../platform/platform.ts";
import { type Codec, KIND } from "./kinds.ts";
import { emitRights, parseRights, type RightsRecord, rightsBytes } from "./rights.ts";

/** "Who serves this client?" It goes from AP to AP, to pointers first, until `ttl` is used up. */
export interface Locate {
  readonly found: false;
  readonly ttl: number;
  /** Names the question and its way back; each ring of one search has its own. */
  readonly qid: bigint;
  readonly mac: Mac;
  /** Undefined: wherever it is. Nothing crosses a zone by that, since who asks so does not serve the client. */
  readonly zone: number | undefined;
  readonly asker: number;
  /** Where the asker is written to; undefined: it is the sender. */
  readonly endpoint: Endpoint | undefined;
}

/** "I do." It goes back the way the question came. */
export interface Found {
  readonly found: true;
  readonly qid: bigint;
  readonly holder: number;
  /** Where the holder is written to; undefined: it is the sender. */
  readonly endpoint: Endpoint | undefined;
  /** How long ago the claim that `rights` tell of was first heard by who says so, tenths of a second. */
  readonly claimAgeTenths: number;
  /** The client's slot at the holder, with its rights; no `ver`. */
  readonly rights: RightsRecord;
}

/** `qid` of an answer that nobody asked for: the claimer of a client is told of one more that may hold its state. */
export const UNASKED = 0n;
const ENDPOINT_BYTES = 18;
const CLAIM_AGE_MOST = 0xffff;
const FOUND = 0x80;
const ANY_ZONE = 0x40;

export const locate: Codec<Locate | Found> = {
  kind: KIND.locate,
  length: (value) => 1 + 8 + 2 + ENDPOINT_BYTES + (value.found ? 2 + rightsBytes(value.rights) : 8),
  emit(writer, value) {
    writer.write(value.found ? FOUND : value.ttl | (value.zone === undefined ? ANY_ZONE : 0), 8);
    writer.write64(value.qid);
    writer.write(value.found ? value.holder : value.asker, 16);
    emitEndpoint(writer, value.endpoint);
    if (value.found) {
      writer.write(Math.min(CLAIM_AGE_MOST, value.claimAgeTenths), 16);
      emitRights(writer, value.rights);
      return;
    }
    writer.writeBytes(macToBytes(value.mac));
    writer.write(value.zone ?? 0, 16);
  },
  parse(reader) {
    const head = reader.read(8);
    const qid = reader.read64();
    const id = reader.read(16);
    const endpoint = parseEndpoint(reader);
    if (reader.failed || id === 0) return undefined;
    if (head & FOUND) {
      const claimAgeTenths = reader.read(16);
      const rights = parseRights(reader, 0);
      if (!rights || rights.empty || !reader.atEnd) return undefined;
      return { found: true, qid, holder: id, endpoint, claimAgeTenths, rights };
    }
    const mac = macFromBytes(reader.readBytes(6));
    const named = reader.read(16);
    const [zone, ttl] = head & ANY_ZONE ? [undefined, head & ~ANY_ZONE] : [named, head];
    return reader.atEnd ? { found: false, ttl, qid, mac, zone, asker: id, endpoint } : undefined;
  },
};

/** An address that only means something on one link is not sent on: of no use elsewhere. */
function emitEndpoint(writer: BitWriter, endpoint: Endpoint | undefined): void {
  const isUseful = endpoint && !endpoint.address.includes("%");
  writer.writeBytes(isUseful ? mappedBytes(parseAddress(endpoint.address, "endpoint")) : new Uint8Array(16));
  writer.write(isUseful ? endpoint.port : 0, 16);
}

function parseEndpoint(reader: BitReader): Endpoint | undefined {
  const bytes = reader.readBytes(16);
  const port = reader.read(16);
  if (port === 0) return undefined;
  const isFour = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  const address = isFour ? addressFromBytes(bytes, 12, 4) : addressFromBytes(bytes, 0, 6);
  return { address: formatAddress(address), port };
}
