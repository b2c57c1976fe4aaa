/** A UCI text as what the two processes are given: the agent's settings and roamwalld's arguments. */
import { badInput } from "../../base/errors.ts";
import { type Field, type Placed, placedDocument } from "../../policy/document.ts";
import { readSettings } from "../settings.ts";
import { DAEMON_OPTIONS } from "./daemon-options.ts";
import { lineOf, parseUci, type UciSection, type UciValue } from "./parse.ts";
import { PORT_SECTION, TOP_SECTION, UCI_OPTIONS, UCI_SECTIONS, type UciOption, uciName } from "./schema.ts";

/** What the text leaves to this machine's state. */
export interface Surroundings {
  /** AP interfaces, in order: those that are there now, and those that were. */
  readonly wireless: readonly string[];
  /** First address of a network; undefined: it has none now. */
  address(network: string): string | undefined;
}

export interface UciConfig {
  readonly enabled: boolean;
  /** What `agent.yaml` would hold, with every value as it was written. */
  readonly agent: Record<string, unknown>;
  /** A word each. Empty when not enabled. */
  readonly daemon: readonly string[];
}

const TRUE = ["1", "on", "true", "yes", "enabled"];
const FALSE = ["0", "off", "false", "no", "disabled"];
const DEVICE = /^[A-Za-z0-9_.@+-]{1,15}$/;
/** roamwalld's own bound. */
const PORTS_MAX = 64;
const ENGINES = ["auto", "node", "qjs"] as const;

/** Throws ROAMWALL_ERR_INPUT with file, line, section and option. What is not enabled need not be complete. */
export function readUci(text: string, place: string, around: Surroundings): UciConfig {
  const file = new UciFile(text, place);
  const enabled = file.switch(TOP_SECTION, "enabled", false);
  if (!enabled) return { enabled, agent: {}, daemon: [] };
  file.section(TOP_SECTION).engine?.oneOf(ENGINES);
  file.switch(TOP_SECTION, "jail", false);
  const top = file.settings(around);
  readSettings(placedDocument(top, text, place, showPath), place);
  return { enabled, agent: plain(top) as Record<string, unknown>, daemon: daemonArguments(file, top, around) };
}

function daemonArguments(file: UciFile, top: Placed, around: Surroundings): string[] {
  const settings = top.value as ReadonlyMap<string, Placed>;
  const section = file.section("daemon");
  const words = DAEMON_OPTIONS.flatMap(({ name, read }) => {
    const field = section[uciName(name)];
    return field ? [`--${name}`, read(field)] : [];
  });
  const text = (name: string, fallback: string) => (settings.get(name)?.value as string | undefined) ?? fallback;
  words.push("--socket", text("daemon", "/run/roamwall/daemon.sock"), "--key", text("key", "/etc/roamwall/key"));
  const named = file.ports();
  const found = file.switch("daemon", "wireless", true) ? around.wireless : [];
  const ports = [...named.values(), ...found.filter((device) => !named.has(device))];
  if (ports.length === 0) {
    throw badInput(
      file.place,
      "no client port: no `port` section, and there is no AP interface",
      "config port with option device, or a wifi-iface of mode ap",
    );
  }
  return [...words, ...ports.slice(0, PORTS_MAX).flatMap((port) => ["--port", port])];
}

/** The text's sections by name, each option once looked up in the table. */
class UciFile {
  private readonly sections: readonly UciSection[];

  constructor(
    private readonly text: string,
    readonly place: string,
  ) {
    this.sections = parseUci(text, place);
    for (const section of this.sections) this.check(section);
  }

  /** Options of a section that is there once, by name. */
  section(type: string): Partial<Record<string, Field>> {
    const section = this.sections.find((one) => one.type === type);
    return section ? this.fields(section) : {};
  }

  switch(type: string, name: string, fallback: boolean): boolean {
    const field = this.section(type)[name];
    return field ? isTrue(field) : fallback;
  }

  /** by netdev: what follows --port */
  ports(): Map<string, string> {
    const ports = new Map<string, string>();
    for (const section of this.sections.filter(({ type }) => type === PORT_SECTION)) {
      const { device, zone, tagged } = this.fields(section);
      if (!device) throw badInput(this.placeOf(section.at), "a port without a device", "option device 'NETDEV'");
      const name = device.text("a netdev");
      if (!DEVICE.test(name)) throw badInput(device.place, `"${name}"`, "a name of 1 to 15 letters, digits and _.@+-");
      if (ports.has(name)) throw badInput(device.place, `"${name}" twice`, "each netdev once");
      const zoneText = zone ? `,zone=${zone.integer(0, 0xffff)}` : "";
      ports.set(name, `${name}${zoneText}${tagged && isTrue(tagged) ? ",tagged" : ""}`);
    }
    return ports;
  }

  /** The tree that a settings file would have. */
  settings(around: Surroundings): Placed {
    const top = new Map<string, Placed>();
    for (const section of this.sections) {
      const members = section.type === TOP_SECTION ? top : new Map<string, Placed>();
      for (const value of section.options) {
        const row = rowOf(section.type, value.name)!;
        if (row.target && !row.target.startsWith("--")) members.set(row.target.split(".").at(-1)!, placed(row, value));
      }
      if (section.type === "replication") this.bindToNetwork(section, members, around);
      // An empty section is as none: `config radius 'radius'` stands there to be filled in.
      if (members !== top && members.size > 0) top.set(section.type, { at: section.at, value: members });
    }
    return { at: 0, value: top };
  }

  private bindToNetwork(section: UciSection, members: Map<string, Placed>, around: Surroundings): void {
    const field = this.fields(section).network;
    if (!field || members.has("bind")) return;
    const network = field.text("a network");
    const address = around.address(network);
    if (address === undefined)
      throw badInput(field.place, `network "${network}" has no address now`, "a network that is up");
    members.set("bind", { at: section.at, value: address });
  }

  private check(section: UciSection): void {
    const place = this.placeOf(section.at);
    if (!UCI_SECTIONS.includes(section.type)) {
      throw badInput(place, `section of type "${section.type}"`, UCI_SECTIONS.join(", "));
    }
    const isFirst = this.sections.find(({ type }) => type === section.type) === section;
    if (section.type !== PORT_SECTION && !isFirst) throw badInput(place, `a second section ${section.type}`, "one");
    for (const option of section.options) this.checkOption(section, option);
  }

  private checkOption(section: UciSection, option: UciValue): void {
    const place = `${this.placeOf(option.at)} ${section.type}.${option.name}`;
    const row = rowOf(section.type, option.name);
    if (!row) throw badInput(place, "an unknown option", namesOf(section.type));
    if (option.isList && !row.isList) throw badInput(place, "a list", `option ${option.name} '...': ${row.form}`);
  }

  private fields(section: UciSection): Partial<Record<string, Field>> {
    const members = new Map<string, Placed>();
    for (const value of section.options) {
      const row = rowOf(section.type, value.name)!;
      // Only what this room reads itself: the others are the settings'.
      if (!row.target || row.target.startsWith("--")) members.set(value.name, placed(row, value));
    }
    const top: Placed = { at: 0, value: new Map([[section.type, { at: section.at, value: members }]]) };
    const document = placedDocument(top, this.text, this.place, showPath);
    return document.fields([section.type])[section.type]!.fields([...members.keys()]);
  }

  private placeOf(at: number): string {
    return `${this.place}:${lineOf(this.text, at)}`;
  }
}

function rowOf(section: string, name: string): UciOption | undefined {
  return UCI_OPTIONS.find((row) => row.section === section && row.name === name);
}

function namesOf(section: string): string {
  return UCI_OPTIONS.filter((row) => row.section === section)
    .map(({ name }) => name)
    .join(", ");
}

/** `option peers 'a b'` is a list of two, as everywhere in UCI. */
function placed(row: UciOption, { values, at, isList }: UciValue): Placed {
  if (!row.isList) {
    const { text } = values.at(-1)!;
    const isSettingSwitch = row.isSwitch && row.target !== undefined;
    return { at, value: isSettingSwitch ? switchText(text) : text };
  }
  const words = isList ? values : values.flatMap(({ text }) => text.split(/\s+/).map((word) => ({ text: word, at })));
  return { at, value: words.filter(({ text }) => text !== "").map((word) => ({ at: word.at, value: word.text })) };
}

function switchText(text: string): string {
  if (TRUE.includes(text)) return "true";
  return FALSE.includes(text) ? "false" : text;
}

function isTrue(field: Field): boolean {
  const text = field.text("0 or 1");
  if (TRUE.includes(text)) return true;
  if (FALSE.includes(text)) return false;
  throw badInput(field.place, `"${text}"`, "0 or 1");
}

/** `secret-file` of `radius` is the option radius.secret_file; what has no group stands in section agent. */
function showPath(path: string): string {
  if (path === "") return "";
  return uciName(path.includes(".") ? path : `${TOP_SECTION}.${path}`);
}

function plain({ value }: Placed): unknown {
  if (typeof value === "string") return value;
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, member]) => [key, plain(member)]));
  return (value as readonly Placed[]).map(plain);
}
