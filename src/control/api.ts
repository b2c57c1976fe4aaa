/**
 * The control socket: one JSON object a line, a request answered by one line. Local and 0600: who may open it may
 * administer.
 *
 *     {"verb":"client","mac":"02:00:00:00:0a:01"}
 *     {"ok":true,"value":{...}}      or      {"ok":false,"code":"ROAMWALL_ERR_...","error":"..."}
 *
 * Verbs that follow something go on after the answer, until the asker closes; `lost` counts what it was too slow for:
 *
 *     {"event":{...}}      {"event":{...},"lost":12}
 */
import { joined } from "../base/bytes.ts";
import { isRoamwallError, RoamwallError } from "../base/errors.ts";
import type { Platform, Stream } from "../platform/platform.ts";

export const API_VERBS = [
  "status",
  "clients",
  "sessions",
  "neighbours",
  "denied",
  "reload",
  "keys",
  "switch-key",
  "members",
  "client",
  "why",
  "monitor",
  "trace",
  "table",
  "mode",
  "apply",
  "confirm",
  "revert",
  "risks",
] as const;
export type ApiVerb = (typeof API_VERBS)[number];

/** A request is some words; answers are bounded by the table of clients. */
const REQUEST_BYTES_MAX = 4096;
/** What a follower has not read yet; beyond, it loses events. */
const UNREAD_BYTES_MAX = 256 << 10;
const ANSWER_BYTES_MAX = 64 << 20;
const ANSWER_TIMEOUT_MS = 5_000;

export interface ApiRequest {
  readonly verb: ApiVerb;
  readonly [argument: string]: unknown;
}

/** Answers a value, or a `Follow`. */
export type ApiHandler = (request: ApiRequest) => Promise<unknown>;

/** An answer that goes on. `begin` is given where to tell events, and answers how to end. */
export class Follow {
  constructor(readonly begin: (tell: (event: object) => void) => () => void) {}
}

/** Answers requests on a stream, in order. A line that is no request gets an error, an endless one ends the stream. */
export function serveApi(stream: Stream, handle: ApiHandler): void {
  let answered = Promise.resolve();
  readLines(
    stream,
    REQUEST_BYTES_MAX,
    (line) => {
      answered = answered.then(() => answer(line, handle, stream));
    },
    () => stream.close(),
  );
}

async function answer(line: string, handle: ApiHandler, stream: Stream): Promise<void> {
  try {
    const value = await handle(parseRequest(line));
    if (value instanceof Follow) follow(value, stream);
    else stream.write(encode({ ok: true, value }));
  } catch (error) {
    const code = isRoamwallError(error) ? error.code : "ROAMWALL_ERR_FAULT";
    stream.write(encode({ ok: false, code, error: (error as Error).message }));
  }
}

/** Who does not read loses events, and is told how many; the agent waits for nobody. */
function follow({ begin }: Follow, stream: Stream): void {
  let lost = 0;
  stream.write(encode({ ok: true, value: null }));
  const end = begin((event) => {
    if (stream.pendingBytes > UNREAD_BYTES_MAX) {
      lost++;
      return;
    }
    stream.write(encode(lost ? { event, lost } : { event }));
    lost = 0;
  });
  stream.onClose(end);
}

function parseRequest(line: string): ApiRequest {
  const accepted = `{"verb": ...} with ${API_VERBS.join(", ")}`;
  let request: unknown;
  try {
    request = JSON.parse(line);
  } catch {
    throw new RoamwallError("ROAMWALL_ERR_INPUT", `request: no JSON; accepted: ${accepted}`);
  }
  const verb = (request as { verb?: unknown } | null)?.verb;
  if (!API_VERBS.includes(verb as ApiVerb)) {
    throw new RoamwallError(
      "ROAMWALL_ERR_INPUT",
      `request: unknown verb ${JSON.stringify(verb)}; accepted: ${accepted}`,
    );
  }
  return request as ApiRequest;
}

/** An argument of a request that must be text. Throws ROAMWALL_ERR_INPUT. */
export function textArgument(request: ApiRequest, name: string): string {
  const value = request[name];
  if (typeof value === "string") return value;
  throw new RoamwallError("ROAMWALL_ERR_INPUT", `request ${request.verb}: no ${name}; accepted: text`);
}

/** Seconds of a request, undefined where none were given. Throws ROAMWALL_ERR_INPUT. */
export function secondsArgument(request: ApiRequest, most: number): number | undefined {
  const value = request["seconds"];
  if (value === undefined) return undefined;
  if (typeof value === "number" && value >= 1 && value <= most) return value;
  throw new RoamwallError("ROAMWALL_ERR_INPUT", `request ${request.verb}: seconds ${value}; accepted: 1 to ${most}`);
}

/** Rejects with how an agent comes to be there. */
async function reach(platform: Platform, path: string): Promise<Stream> {
  try {
    return await platform.connect(path);
  } catch (error) {
    if (!isRoamwallError(error)) throw error;
    const remedy = "no agent runs with this socket: `roamwall agent` starts one, --socket names another";
    throw new RoamwallError(error.code, `${error.message}; ${remedy}`);
  }
}

/** Asks a running agent. Rejects with what the agent said, or ROAMWALL_ERR_CONNECT. */
export async function askAgent<T>(
  platform: Platform,
  path: string,
  verb: ApiVerb,
  given: Readonly<Record<string, unknown>> = {},
): Promise<T> {
  const stream = await reach(platform, path);
  return new Promise<T>((resolve, reject) => {
    const fail = (text: string) => reject(new RoamwallError("ROAMWALL_ERR_CONNECT", `${path}: ${text}`));
    const cancel = platform.clock.after(ANSWER_TIMEOUT_MS, () => {
      fail(`no answer within ${ANSWER_TIMEOUT_MS} ms`);
      stream.close();
    });
    stream.onClose(() => {
      cancel();
      fail("closed without an answer");
    });
    readLines(
      stream,
      ANSWER_BYTES_MAX,
      (line) => {
        cancel();
        settle(line, resolve, reject, fail);
        stream.close();
      },
      () => stream.close(),
    );
    stream.write(encode({ ...given, verb }));
  });
}

export interface Following {
  close(): void;
  /** Resolves when it is over, whoever ended it. */
  readonly over: Promise<void>;
}

/** Asks for events. Rejects with what the agent said; `lost`: how many this reader was too slow for. */
export async function followAgent<T>(
  platform: Platform,
  path: string,
  request: ApiRequest,
  onEvent: (event: T, lost: number) => void,
): Promise<Following> {
  const stream = await reach(platform, path);
  const over = new Promise<void>((resolve) => stream.onClose(resolve));
  await new Promise<void>((resolve, reject) => {
    const fail = (text: string) => reject(new RoamwallError("ROAMWALL_ERR_CONNECT", `${path}: ${text}`));
    stream.onClose(() => fail("closed without an answer"));
    let isAnswered = false;
    readLines(
      stream,
      ANSWER_BYTES_MAX,
      (line) => {
        if (isAnswered) {
          const { event, lost = 0 } = JSON.parse(line) as { event: T; lost?: number };
          onEvent(event, lost);
          return;
        }
        isAnswered = true;
        settle<void>(line, resolve, reject, fail);
      },
      () => stream.close(),
    );
    stream.write(encode(request));
  }).catch((error) => {
    stream.close();
    throw error;
  });
  return { close: () => stream.close(), over };
}

function settle<T>(
  line: string,
  resolve: (value: T) => void,
  reject: (e: Error) => void,
  fail: (text: string) => void,
) {
  try {
    const answer = JSON.parse(line) as { ok: boolean; value: T; code: `ROAMWALL_ERR_${string}`; error: string };
    if (answer.ok) resolve(answer.value);
    else reject(new RoamwallError(answer.code, answer.error));
  } catch {
    fail("an answer that is no JSON: is this an agent's socket?");
  }
}

/** u64 counters are bigints; beyond 2^53 a person no longer cares for the last digit. */
function encode(value: unknown): Uint8Array {
  const text = JSON.stringify(value, (_, v) => (typeof v === "bigint" ? Number(v) : v));
  return new TextEncoder().encode(`${text}\n`);
}

function readLines(stream: Stream, bytesMax: number, onLine: (line: string) => void, onTooLong: () => void): void {
  const chunks: Uint8Array[] = [];
  let held = 0;
  stream.onBytes((bytes) => {
    let from = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
      chunks.push(bytes.slice(from, end));
      from = end + 1;
      held = 0;
      onLine(new TextDecoder().decode(joined(...chunks.splice(0))));
    }
    held += bytes.length - from;
    if (held > bytesMax) {
      chunks.length = 0;
      onTooLong();
      return;
    }
    if (from < bytes.length) chunks.push(bytes.slice(from));
  });
}
