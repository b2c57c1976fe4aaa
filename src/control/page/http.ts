/**
 * As much of HTTP/1.1 (RFC 9112) as a page and a scraper need: GET, no body, one request a connection. Everything that is
 * read is bounded before it is looked at, and what is not exactly a request is refused.
 */
import type { Clock, Stream } from "../../platform/platform.ts";

const HEAD_BYTES_MAX = 8_192;
/** A browser sends its head in one piece; who dribbles holds a connection. */
const HEAD_WITHIN_MS = 5_000;
/** Who does not take its answer by then loses it. */
const ANSWER_WITHIN_MS = 15_000;
const CONNECTIONS_MAX = 32;

export interface Request {
  /** Without its query. */
  readonly path: string;
  /** by name in small letters */
  readonly headers: ReadonlyMap<string, string>;
}

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: Uint8Array | string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Takes the connection over, after the head of its answer has been sent; it ends it. */
export interface Endless {
  readonly type: string;
  begin(stream: Stream): void;
}

export type Handler = (request: Request) => Promise<Answer | Endless>;

const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  401: "Unauthorized",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  421: "Misdirected Request",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
  505: "HTTP Version Not Supported",
};

/** Said with every answer: nothing of the page is anybody else's, to frame, to guess at, or to keep. */
const ALWAYS: Readonly<Record<string, string>> = {
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
};

interface Connection {
  readonly stream: Stream;
  cancel: () => void;
  /** Its head has not come whole yet. */
  waits: boolean;
}

export class HttpServer {
  private readonly connections = new Set<Connection>();

  constructor(
    private readonly clock: Clock,
    private readonly handle: Handler,
  ) {}

  accept(stream: Stream): void {
    if (this.connections.size >= CONNECTIONS_MAX && !this.dropOldestWaiting()) {
      drop(stream);
      return;
    }
    const connection: Connection = { stream, waits: true, cancel: () => {} };
    this.connections.add(connection);
    connection.cancel = this.clock.after(HEAD_WITHIN_MS, () => this.answer(connection, plain(408)));
    stream.onClose(() => {
      connection.cancel();
      this.connections.delete(connection);
    });
    readHead(stream, (head) => void this.serve(connection, head));
  }

  /** New ones come in before those that have said nothing yet: silence must not keep others out. */
  private dropOldestWaiting(): boolean {
    for (const connection of this.connections) {
      if (!connection.waits) continue;
      this.connections.delete(connection);
      connection.cancel();
      drop(connection.stream);
      return true;
    }
    return false;
  }

  private async serve(connection: Connection, head: Uint8Array | undefined): Promise<void> {
    if (!connection.waits) return;
    connection.waits = false;
    connection.cancel();
    const request = head ? parseHead(head) : 431;
    if (typeof request === "number") {
      this.answer(connection, plain(request, request === 405 ? { Allow: "GET" } : {}));
      return;
    }
    const answer = await this.handle(request).catch(() => plain(500));
    if (!("begin" in answer)) {
      this.answer(connection, answer);
      return;
    }
    connection.stream.write(headOf(200, { "Content-Type": answer.type }));
    answer.begin(connection.stream);
  }

  private answer(connection: Connection, { status, type, body, headers }: Answer): void {
    const { stream } = connection;
    connection.waits = false;
    connection.cancel();
    const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
    stream.write(headOf(status, { "Content-Type": type, "Content-Length": String(bytes.length), ...headers }));
    stream.write(bytes);
    connection.cancel = this.clock.after(ANSWER_WITHIN_MS, () => drop(stream));
    stream.close();
  }
}

export function plain(status: number, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, type: "text/plain; charset=utf-8", body: `${REASONS[status]}\n`, headers };
}

/** Without waiting for the other side to take what was written. */
export function drop(stream: Stream): void {
  stream.close();
  stream.close();
}

function headOf(status: number, headers: Readonly<Record<string, string>>): Uint8Array {
  const lines = Object.entries({ ...ALWAYS, ...headers, Connection: "close" }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  return new TextEncoder().encode(`HTTP/1.1 ${status} ${REASONS[status]}\r\n${lines.join("\r\n")}\r\n\r\n`);
}

/** Calls back once: with the bytes before the empty line, or with nothing when there are too many. */
function readHead(stream: Stream, then: (head: Uint8Array | undefined) => void): void {
  const held = new Uint8Array(HEAD_BYTES_MAX);
  let length = 0;
  let isDone = false;
  stream.onBytes((bytes) => {
    // What follows a head would be a body or a second request: there is neither.
    if (isDone) return;
    const taken = bytes.subarray(0, HEAD_BYTES_MAX - length);
    held.set(taken, length);
    const from = Math.max(0, length - 3);
    length += taken.length;
    const end = endOfHead(held.subarray(0, length), from);
    if (end < 0 && length < HEAD_BYTES_MAX) return;
    isDone = true;
    then(end < 0 ? undefined : held.subarray(0, end));
  });
}

function endOfHead(bytes: Uint8Array, from: number): number {
  for (let i = bytes.indexOf(13, from); i >= 0; i = bytes.indexOf(13, i + 1)) {
    if (bytes[i + 1] === 10 && bytes[i + 2] === 13 && bytes[i + 3] === 10) return i;
  }
  return -1;
}

const REQUEST_LINE = /^([A-Z]+) (\/[\x21-\x7e]*) HTTP\/(\d\.\d)$/;
const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\t]*)$/;
/** Two of them, and two readers may believe different ones. */
const SINGLE = new Set(["host", "authorization", "content-length", "transfer-encoding"]);

/** The request, or the status that refuses it. */
export function parseHead(bytes: Uint8Array): Request | number {
  const [first = "", ...lines] = String.fromCharCode(...bytes).split("\r\n");
  const line = REQUEST_LINE.exec(first);
  if (!line) return 400;
  if (line[3] !== "1.1") return 505;
  const headers = new Map<string, string>();
  for (const text of lines) {
    const header = HEADER.exec(text);
    if (!header) return 400;
    const name = header[1]!.toLowerCase();
    if (headers.has(name) && SINGLE.has(name)) return 400;
    headers.set(name, header[2]!.trimEnd());
  }
  if (!headers.has("host") || headers.has("transfer-encoding") || (headers.get("content-length") ?? "0") !== "0")
    return 400;
  if (line[1] !== "GET") return 405;
  return { path: line[2]!.replace(/\?.*/, ""), headers };
}
