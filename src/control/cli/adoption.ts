/** `roamwall radius adopt` and `release`. */
import { RoamwallError } from "../../base/errors.ts";
import { ADOPTED_FILE, Adoption } from "../adoption.ts";
import { linesOf } from "../programs.ts";
import { parseSettings, type RadiusSettings } from "../settings.ts";
import { type Call, EXIT, type Option } from "./verb.ts";

const CONFIG_DEFAULT = "/etc/roamwall/accepted/agent.json";

export const ADOPTION_OPTIONS: readonly Option[] = [
  { name: "config", value: "FILE", text: `adopt: the agent's settings; default ${CONFIG_DEFAULT}` },
  { name: "adopted", value: "FILE", text: `keeps what was there before; default ${ADOPTED_FILE}` },
  { name: "wifi", text: "also run `wifi reload`, which the change waits for; stations log in again" },
];

export async function adopt(call: Call, name: string): Promise<number> {
  const isNew = await adoptionOf(call).adopt(name, radiusOf(call));
  call.terminal.out(isNew ? `${name} logs in through the relay${inForce(call)}\n` : `${name} does so already\n`);
  if (isNew) await reloadWifi(call);
  return EXIT.ok;
}

export async function release(call: Call, name: string | undefined): Promise<number> {
  const adoption = adoptionOf(call);
  const names = name === undefined ? adoption.list() : [name];
  for (const one of names) {
    const isRestored = await adoption.release(one);
    call.terminal.out(
      isRestored ? `${one} is as it was${inForce(call)}\n` : `${one} was changed since, and stays as it is\n`,
    );
  }
  if (names.length > 0) await reloadWifi(call);
  return EXIT.ok;
}

function adoptionOf({ platform, options }: Call): Adoption {
  return new Adoption(platform, options.get("adopted"));
}

function radiusOf({ platform, options }: Call): RadiusSettings {
  const file = options.get("config") ?? CONFIG_DEFAULT;
  const { radius } = parseSettings(platform.files.readText(file), file);
  if (radius) return radius;
  throw new RoamwallError(
    "ROAMWALL_ERR_INPUT",
    `${file}: no relay is configured; accepted: radius with servers and secret-file`,
  );
}

function inForce({ options }: Call): string {
  return options.has("wifi") ? "" : "; in force after `wifi reload`";
}

async function reloadWifi({ platform, options }: Call): Promise<void> {
  if (options.has("wifi")) await linesOf(platform, "wifi", ["reload"]);
}
