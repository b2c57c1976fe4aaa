import { SOCKET_OPTION } from "./ask.ts";
import { durationMs } from "./duration.ts";
import { showVerdicts } from "./monitor.ts";
import { EXIT, JSON_OPTION, type Verb } from "./verb.ts";

const SECONDS = 60;

export const traceVerb: Verb = {
  name: "trace",
  summary:
    "Shows every verdict on one client's packets, passed ones too, for a minute. At most 256 a second; a line says how many were not told.",
  arguments: ["MAC"],
  options: [{ name: "for", value: "DURATION", text: "up to 1h; default 60s" }, SOCKET_OPTION, JSON_OPTION],
  async run(call) {
    const given = call.options.get("for");
    const seconds = given === undefined ? SECONDS : durationMs(given, "--for", 3_600) / 1000;
    const { clock } = call.platform;
    await showVerdicts(call, "trace", { mac: call.arguments[0], seconds }, Number.POSITIVE_INFINITY, (end) =>
      clock.after(seconds * 1000, end),
    );
    return EXIT.ok;
  },
};
