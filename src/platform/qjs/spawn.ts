import { joined } from "../../base/bytes.ts";
import { type Log, PROCESS_LINE_MAX, type Process, type ProcessHandlers } from "../platform.ts";
import { codeOf, host } from "./host.ts";

const NOT_STARTED = 127;

export function spawnProgram(command: string, args: readonly string[], on: ProcessHandlers, log: Log): Process {
  // Its end is told when it has ended and both its outputs have: what it wrote last may still be on its way.
  let open = 3;
  let code: number | undefined;
  const ended = () => {
    if (--open === 0) on.exit(code);
  };
  let handles: readonly [number, number, number];
  try {
    handles = host.spawn([command, ...args], (exitCode) => {
      if (exitCode === NOT_STARTED) log.debug("spawn", "not started", { command });
      else code = exitCode;
      ended();
    });
  } catch (cause) {
    log.debug("spawn", "not started", { command, reason: codeOf(cause) });
    host.after(0, () => on.exit(undefined));
    return { stop: () => {} };
  }
  const [child, out, err] = handles;
  // Who inherited its output may hold it open for longer.
  const stop = () => {
    host.terminate(child);
    host.destroy(out);
    host.destroy(err);
  };
  readLines(out, (text) => on.line(text), stop, ended);
  readLines(err, (text) => log.debug("spawn", text, { command }), stop, ended);
  return { stop };
}

function readLines(id: number, onLine: (text: string) => void, onTooLong: () => void, onEnd: () => void): void {
  // Bytes, not text: a piece may end in the middle of a character.
  let held: Uint8Array = new Uint8Array();
  host.onBytes(id, (bytes) => {
    let from = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
      onLine(host.decode(joined(held, bytes.subarray(from, end))));
      held = new Uint8Array();
      from = end + 1;
    }
    held = joined(held, bytes.subarray(from));
    if (held.length <= PROCESS_LINE_MAX) return;
    held = new Uint8Array();
    onTooLong();
  });
  host.onClose(id, () => {
    if (held.length > 0) onLine(host.decode(held));
    onEnd();
  });
}
