/** What may stand in /etc/config/roamwall: the agent's settings, roamwalld's options, and what only this platform has. */
import { SETTINGS, type SettingText } from "../settings-table.ts";
import { DAEMON_OPTIONS } from "./daemon-options.ts";

export const UCI_FILE = "/etc/config/roamwall";
/** Sections of this type are many, all others one each. */
export const PORT_SECTION = "port";
/** Where settings without a group stand. */
export const TOP_SECTION = "agent";

export interface UciOption extends SettingText {
  readonly section: string;
  readonly isList: boolean;
  /** Spelled 0 and 1. */
  readonly isSwitch: boolean;
  /** The setting (`replication.hold`) or the daemon's option (`--table`) that it becomes; absent: read by this room. */
  readonly target?: string;
}

const SWITCH_FORM = "true, false";

/** Read by the init scripts and by `roamwall uci`. */
const PLATFORM_OPTIONS: readonly UciOption[] = [
  {
    ...own("agent", "enabled", "0, 1", "0"),
    effect: "Whether this AP filters at all. Set to 0, the filter is taken off and everything passes.",
  },
  {
    ...own("agent", "engine", "auto, node, qjs", "auto"),
    effect:
      "What runs the agent: Node, or the small engine of the package `roamwall-qjs`. `auto`: qjs where it is installed.",
  },
  {
    ...own("agent", "jail", "0, 1", "0"),
    effect: "Puts agent and roamwalld into procd's jail (needs procd-ujail). Not yet tried on a device: hence off.",
  },
  {
    ...own("daemon", "wireless", "0, 1", "1"),
    effect: "Every AP interface that `iw dev` shows is a client port, beside the `port` sections.",
  },
  {
    ...own("replication", "network", "name of a network", "none"),
    effect:
      "Takes `bind` from the first address of this network (as `lan` or `mesh`), instead of an address written here.",
  },
  {
    ...own(PORT_SECTION, "device", "name of a netdev", "-"),
    effect: "A netdev with clients behind it; it may appear later.",
  },
  {
    ...own(PORT_SECTION, "zone", "0 to 65535", "0"),
    effect: "Clients of different zones are strangers to each other, also when they roam; one zone for each network.",
  },
  {
    ...own(PORT_SECTION, "tagged", "0, 1", "0"),
    effect: "Whether clients behind this port may send VLAN tags.",
  },
];

function own(section: string, name: string, form: string, fallback: string) {
  return { section, name, form, default: fallback, isList: false, isSwitch: form === "0, 1" };
}

function ofSetting(setting: SettingText): UciOption {
  const [section, name] = setting.name.includes(".") ? setting.name.split(".") : [TOP_SECTION, setting.name];
  const isSwitch = setting.form === SWITCH_FORM;
  return {
    ...setting,
    section: section!,
    name: uciName(name!),
    form: isSwitch ? "0, 1" : setting.form,
    default: isSwitch ? (setting.default === "true" ? "1" : "0") : setting.default,
    isList: setting.form.startsWith("list of "),
    isSwitch,
    target: setting.name,
  };
}

/** UCI names have no dashes. */
export function uciName(name: string): string {
  return name.replaceAll("-", "_");
}

export const UCI_OPTIONS: readonly UciOption[] = [
  ...PLATFORM_OPTIONS.filter(({ section }) => section === TOP_SECTION),
  ...SETTINGS.filter(({ name }) => !name.includes(".")).map(ofSetting),
  ...PLATFORM_OPTIONS.filter(({ section }) => section === PORT_SECTION || section === "daemon"),
  ...DAEMON_OPTIONS.map((option): UciOption => {
    const { name, form, default: fallback, effect } = option;
    return { ...own("daemon", uciName(name), form, fallback), effect, target: `--${name}` };
  }),
  ...PLATFORM_OPTIONS.filter(({ section }) => section === "replication"),
  ...SETTINGS.filter(({ name }) => name.includes(".")).map(ofSetting),
];

export const UCI_SECTIONS: readonly string[] = [...new Set(UCI_OPTIONS.map(({ section }) => section))];
