import type { Terminal } from "../terminal.ts";
import { host } from "./host.ts";

export function hostTerminal(): Terminal {
  const wantsColour = host.environment("NO_COLOR") === undefined && host.environment("TERM") !== "dumb";
  return {
    arguments: host.arguments,
    isTerminal: host.columns(1) > 0,
    hasColour: wantsColour,
    columns: host.columns(1) || 80,
    rows: Number(host.environment("LINES")) || 24,
    directory: host.environment("PWD") ?? "/",
    out(text) {
      // `roamwall ... | head`: the reader has seen enough.
      if (!host.say(1, host.encode(text))) host.exit(0);
    },
    outBytes(bytes) {
      if (!host.say(1, bytes)) host.exit(0);
    },
    isErrTerminal: host.columns(2) > 0,
    err: (text) => void host.say(2, host.encode(text)),
    onSignal: (signal, run) => host.onSignal(signal, run),
    exit: (code) => host.exit(code),
  };
}
