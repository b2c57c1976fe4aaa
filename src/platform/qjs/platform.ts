/** Linux, by roamwall-qjs: for access points where Node does not fit or does not run. */
import { lineLog } from "../log.ts";
import type { Clock, Platform } from "../platform.ts";
import { believedSeconds } from "../wall-clock.ts";
import { openBroker } from "./broker.ts";
import { hostCrypto, hostEd25519, hostX25519 } from "./ciphers.ts";
import { hostFiles } from "./files.ts";
import { host } from "./host.ts";
import { spawnProgram } from "./spawn.ts";
import { connectUnix, listenTcp, serveUnix } from "./streams.ts";
import { openUdp } from "./udp.ts";

const CANNOT = ["TLS to an MQTT broker (mqtts://)"];

export function hostPlatform(): Platform {
  const log = lineLog("info", (line) => void host.say(2, host.encode(line)));
  return {
    engine: { name: "QuickJS", cannot: CANNOT },
    clock: hostClock,
    log,
    files: hostFiles(log),
    wallSeconds: () => believedSeconds(host.wall() * 1000),
    crypto: hostCrypto,
    ...(host.memoryBytes > 0 && { memoryBytes: host.memoryBytes }),
    entropy: (bytes) => host.entropy(bytes),
    udp: async (options) => openUdp(options, log),
    connect: connectUnix,
    serve: serveUnix,
    listen: listenTcp,
    beside: (name) => `${host.folder}/${name}`,
    spawn: (command, args, handlers) => spawnProgram(command, args, handlers, log),
    ed25519: hostEd25519,
    x25519: hostX25519,
    broker: openBroker,
  };
}

const hostClock: Clock = {
  nowMs: () => host.now(),
  after(ms, run) {
    const timer = host.after(ms, run);
    return () => host.cancel(timer);
  },
};
