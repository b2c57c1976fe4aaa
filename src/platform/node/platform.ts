/** Linux, by Node: the only room that imports `node:*`. */
import { randomBytes } from "node:crypto";
import { realpathSync } from "node:fs";
import { totalmem } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type LogLevel, lineLog } from "../log.ts";
import type { Clock, Platform } from "../platform.ts";
import { believedSeconds } from "../wall-clock.ts";
import { openBroker } from "./broker.ts";
import { nodeCrypto } from "./crypto.ts";
import { nodeEd25519 } from "./ed25519.ts";
import { nodeFiles } from "./files.ts";
import { spawnProgram } from "./spawn.ts";
import { connectUnix, listenTcp, serveUnix } from "./streams.ts";
import { openUdp } from "./udp.ts";
import { nodeX25519 } from "./x25519.ts";

/** Begins no other round later than that: an access point without its agent takes in no client that nobody told of. */
const WARM_UP_MS = 200;
const COMPILE_MS = 10;
/** A round that takes more of the time of the one before is as fast as it gets. */
const FASTER = 0.9;

export interface NodePlatformOptions {
  /** Lines below it are dropped; default `info`. */
  readonly logLevel?: LogLevel;
  /** Where log lines go; default stderr. */
  readonly write?: (line: string) => void;
}

export function nodePlatform(options: NodePlatformOptions = {}): Platform {
  const log = lineLog(options.logLevel ?? "info", options.write ?? ((line) => void process.stderr.write(line)));
  return {
    engine: { name: `Node ${process.version}`, warmUp: untilCompiled, cannot: [] },
    clock: nodeClock(),
    log,
    files: nodeFiles(log),
    wallSeconds: () => believedSeconds(Date.now()),
    crypto: nodeCrypto,
    memoryBytes: totalmem(),
    entropy: (bytes) => new Uint8Array(randomBytes(bytes)),
    udp: (udp) => openUdp(udp, log),
    connect: connectUnix,
    serve: serveUnix,
    listen: listenTcp,
    beside: besideBundle,
    spawn: (command, args, handlers) => spawnProgram(command, args, handlers, log),
    ed25519: nodeEd25519,
    x25519: nodeX25519,
    broker: openBroker,
  };
}

/**
 * V8 compiles on a thread beside the program, at most eight functions at a time, and a machine with one core for both lets that
 * thread wait while the slow code runs on: after one round of work nearly nothing was compiled, after five with pauses all was.
 */
async function untilCompiled(work: () => void): Promise<void> {
  const startedMs = performance.now();
  let beforeMs = Number.POSITIVE_INFINITY;
  do {
    const beganMs = performance.now();
    work();
    const tookMs = performance.now() - beganMs;
    await sleep(COMPILE_MS);
    if (tookMs > FASTER * beforeMs) return;
    beforeMs = tookMs;
  } while (performance.now() - startedMs < WARM_UP_MS);
}

/** The command is often a link to the bundle. */
function besideBundle(name: string): string {
  return join(dirname(realpathSync(process.argv[1]!)), name);
}

function nodeClock(): Clock {
  return {
    nowMs: () => performance.now(),
    after(ms, run) {
      // A timer of 0 ms would wait for 1.
      if (ms <= 0) {
        const soon = setImmediate(run);
        return () => clearImmediate(soon);
      }
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
  };
}
