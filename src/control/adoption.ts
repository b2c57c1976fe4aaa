/**
 * Points a wifi-iface of OpenWrt at the relay, and back. What stood there before is kept beside the key, so that a removal, or
 * a change of mind, leaves the wireless configuration as it was.
 */
import { badInput, RoamwallError } from "../base/errors.ts";
import type { Files, Platform } from "../platform/platform.ts";
import { linesOf } from "./programs.ts";
import type { RadiusSettings } from "./settings.ts";
import { parseUci, type UciSection } from "./uci/parse.ts";

export const ADOPTED_FILE = "/etc/roamwall/adopted.json";
const OWNER_ONLY = 0o600;
const OPTIONS = ["auth_server", "auth_port", "auth_secret", "acct_server", "acct_port", "acct_secret"] as const;

/** by option; null: it was not there. A list stays a list. */
type Values = Readonly<Record<string, string | readonly string[] | null>>;

interface Adopted {
  readonly before: Values;
  readonly ours: Values;
}

type Machine = Pick<Platform, "spawn" | "clock"> & { readonly files: Pick<Files, "readText" | "writeText"> };

export class Adoption {
  constructor(
    private readonly machine: Machine,
    private readonly file = ADOPTED_FILE,
  ) {}

  /** Names of the adopted ones. */
  list(): string[] {
    return Object.keys(this.read());
  }

  /** Answers false when it points at the relay already. Rejects with ROAMWALL_ERR_INPUT, naming what is accepted. */
  async adopt(name: string, radius: RadiusSettings): Promise<boolean> {
    const section = await this.section(name);
    const before = valuesOf(section);
    const ours = oursOf(radius, this.secretOf(radius));
    if (same(before, ours)) return false;
    this.refuseOtherSecret(name, before, ours, radius);
    // Kept first: power that goes now must not lose what was there.
    const adopted = this.read();
    this.write({ ...adopted, [name]: { before: adopted[name]?.before ?? before, ours } });
    await this.set(name, ours);
    return true;
  }

  /** Answers false when somebody has changed it since: then it stays as it is, and is forgotten here. */
  async release(name: string): Promise<boolean> {
    const adopted = { ...this.read() };
    const one = adopted[name];
    if (!one) throw badInput("wifi-iface", `"${name}" is not adopted`, Object.keys(adopted).join(", ") || "none is");
    const now = (await this.interfaces()).find((section) => section.name === name);
    const isOurs = now !== undefined && same(valuesOf(now), one.ours);
    if (isOurs) await this.set(name, one.before);
    delete adopted[name];
    this.write(adopted);
    return isOurs;
  }

  private async section(name: string): Promise<UciSection> {
    const all = await this.interfaces();
    const found = all.find((section) => section.name === name);
    if (found) return found;
    throw badInput(
      "wifi-iface",
      `"${name}"`,
      all.flatMap((section) => section.name ?? []).join(", ") || "a named section",
    );
  }

  private async interfaces(): Promise<UciSection[]> {
    const lines = await this.run("export", "wireless");
    return parseUci(lines.join("\n"), "uci export wireless").filter(({ type }) => type === "wifi-iface");
  }

  /** The relay must be able to check what hostapd sends, and passes it on as it is. */
  private refuseOtherSecret(name: string, before: Values, ours: Values, { secretFile }: RadiusSettings): void {
    const { auth_secret: secret } = before;
    if (secret === null || secret === ours["auth_secret"]) return;
    throw badInput(
      `wifi-iface ${name} auth_secret`,
      "another secret than the relay's",
      `the first line of ${secretFile}`,
    );
  }

  private secretOf({ secretFile }: RadiusSettings): string {
    return this.machine.files.readText(secretFile).split("\n")[0]!.trim();
  }

  private async set(name: string, values: Values): Promise<void> {
    for (const [option, value] of Object.entries(values)) {
      const path = `wireless.${name}.${option}`;
      // What is not there cannot be deleted: that is no fault.
      await linesOf(this.machine, "uci", ["-q", "delete", path]);
      if (typeof value === "string") await this.run("set", `${path}=${value}`);
      else for (const one of value ?? []) await this.run("add_list", `${path}=${one}`);
    }
    await this.run("commit", "wireless");
  }

  private async run(...words: string[]): Promise<string[]> {
    const lines = await linesOf(this.machine, "uci", words);
    if (lines) return lines;
    throw new RoamwallError(
      "ROAMWALL_ERR_FILE",
      `uci ${words[0]} ${words[1]?.split("=")[0]}: failed; is this OpenWrt?`,
    );
  }

  private read(): Readonly<Record<string, Adopted>> {
    let text: string;
    try {
      text = this.machine.files.readText(this.file);
    } catch {
      return {};
    }
    try {
      return JSON.parse(text);
    } catch {
      throw badInput(this.file, "no JSON", "what `roamwall radius adopt` wrote");
    }
  }

  private write(adopted: Readonly<Record<string, Adopted>>): void {
    this.machine.files.writeText(this.file, `${JSON.stringify(adopted, null, 1)}\n`, OWNER_ONLY);
  }
}

function valuesOf({ options }: UciSection): Values {
  return Object.fromEntries(
    OPTIONS.map((name) => {
      const option = options.find((one) => one.name === name);
      const texts = option?.values.map(({ text }) => text);
      return [name, texts ? (option!.isList ? texts : texts[0]!) : null];
    }),
  );
}

function oursOf({ listen }: RadiusSettings, secret: string): Values {
  const { address, port } = listen;
  return {
    auth_server: address,
    auth_port: `${port}`,
    auth_secret: secret,
    acct_server: address,
    acct_port: `${port + 1}`,
    acct_secret: secret,
  };
}

function same(a: Values, b: Values): boolean {
  return OPTIONS.every((name) => JSON.stringify(a[name]) === JSON.stringify(b[name]));
}
