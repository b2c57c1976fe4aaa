/**
 * The control socket: one JSON object a line, a request answered by one line. Local and 0600: who may open it may
 * administer.
 *
 *     {"verb":"status"}
 *     {"ok":true,"value":{...}}      or      {"ok":false,"code":"ROAMWALL_ERR_...","error":"..."}
 */
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
] as const;
export type ApiVerb = (typeof API_VERBS)[number];

/** A request is a word or two; answers are bounded by the table of clients. */
const REQUEST_BYTES_MAX = 4096;
const ANSWER_BYTES_MAX = 64 << 20;
const ANSWER_TIMEOUT_MS = 5_000;

export type ApiHandler = (verb: ApiVerb) => Promise<unknown>;

/** Answers requests on a stream, in order. A line that is no request gets an error, an endless one ends the stream. */
export function serveApi(stream: Stream, handle: ApiHandler): void {
  let answered = Promise.resolve();
  readLines(
    stream,
    REQUEST_BYTES_MAX,
    (line) => {
      answered = answered.then(async () => stream.write(encode(await answer(line, handle))));
    },
    () => stream.close(),
  );
}

async function answer(line: string, handle: ApiHandler): Promise<unknown> {
  try {
    return { ok: true, value: await handle(parseRequest(line)) };
  } catch (error) {
    const code = isRoamwallError(error) ? error.code : "ROAMWALL_ERR_FAULT";
    return { ok: false, code, error: (error as Error).message };
  }
}

function parseRequest(line: string): ApiVerb {
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
  return verb as ApiVerb;
}

/** Asks a running agent. Rejects with what the agent said, or ROAMWALL_ERR_CONNECT. */
export async function askAgent<T>(platform: Platform, path: string, verb: ApiVerb): Promise<T> {
  const stream = await platform.connect(path);
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
    stream.write(encode({ verb }));
  });
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
      onLine(new TextDecoder().decode(joined(chunks.splice(0))));
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

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
