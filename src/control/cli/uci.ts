import { isRoamwallError, RoamwallError } from "../../base/errors.ts";
import type { Files } from "../../platform/platform.ts";
import { readUci, type UciConfig } from "../uci/read.ts";
import { UCI_FILE } from "../uci/schema.ts";
import { lookAround } from "../uci/surroundings.ts";
import { type Call, EXIT, usage, type Verb } from "./verb.ts";

const ACCEPTED_DEFAULT = "/etc/roamwall/accepted";
const OWNER_ONLY = 0o600;

export const uciVerb: Verb = {
  name: "uci",
  summary: `OpenWrt's configuration, as the two processes are given it (docs/uci.md tells the options).

  roamwall uci check   says whether ${UCI_FILE} is good
  roamwall uci apply   keeps what it says as the accepted one, from which the init scripts start

A refused file changes nothing: the accepted one stays in force.`,
  arguments: ["ACTION"],
  options: [
    { name: "file", value: "FILE", text: `default ${UCI_FILE}` },
    { name: "accepted", value: "DIR", text: `where apply keeps agent.json and roamwalld; default ${ACCEPTED_DEFAULT}` },
  ],
  async run(call) {
    const [action] = call.arguments;
    if (action !== "check" && action !== "apply") throw usage(`unknown action "${action}"`, "roamwall uci check|apply");
    const file = call.options.get("file") ?? UCI_FILE;
    if (action === "check") {
      await read(call, file);
      call.terminal.out(`good ${file}\n`);
      return EXIT.ok;
    }
    return apply(call, file, call.options.get("accepted") ?? ACCEPTED_DEFAULT);
  },
};

async function read({ platform, options }: Call, file: string): Promise<UciConfig> {
  const around = await lookAround(platform);
  const gone = gonePorts(platform.files, `${options.get("accepted") ?? ACCEPTED_DEFAULT}/roamwalld`);
  const wireless = [...around.wireless, ...gone.filter((port) => !around.wireless.includes(port))];
  return readUci(platform.files.readText(file), file, { ...around, wireless });
}

/**
 * Client ports that were accepted and are not there now: an AP interface comes back after `wifi reload` or a boot, and is then
 * filtered by roamwalld at once, not after it was found anew.
 */
function gonePorts(files: Files, accepted: string): string[] {
  const words = textOf(files, accepted)?.split("\n") ?? [];
  const ports = words.filter((_, i) => words[i - 1] === "--port").filter((port) => !port.includes(","));
  return ports.filter((port) => textOf(files, `/sys/class/net/${port}/ifindex`) === undefined);
}

async function apply(call: Call, file: string, directory: string): Promise<number> {
  const { files } = call.platform;
  const kept = { agent: `${directory}/agent.json`, daemon: `${directory}/roamwalld` };
  let config: UciConfig;
  try {
    config = await read(call, file);
  } catch (error) {
    if (!isRoamwallError(error)) throw error;
    const stays =
      textOf(files, kept.daemon) === undefined ? "none was accepted before" : `the accepted one stays (${directory})`;
    throw new RoamwallError(error.code, `${error.message}; ${stays}`);
  }
  // Flash wears: what is the same is not written.
  const changed = [
    keep(files, kept.daemon, config.daemon.map((word) => `${word}\n`).join("")) && "roamwalld",
    keep(files, kept.agent, `${JSON.stringify(config.agent, null, 1)}\n`) && "agent",
  ].filter((name) => name !== false);
  const state = config.enabled ? "enabled" : "not enabled";
  call.terminal.out(
    `accepted ${file} (${state}): ${changed.length ? `${changed.join(" and ")} changed` : "nothing changed"}\n`,
  );
  return EXIT.ok;
}

function keep(files: Files, path: string, text: string): boolean {
  if (textOf(files, path) === text) return false;
  files.writeText(path, text, OWNER_ONLY);
  return true;
}

function textOf(files: Files, path: string): string | undefined {
  try {
    return files.readText(path);
  } catch {
    return undefined;
  }
}
