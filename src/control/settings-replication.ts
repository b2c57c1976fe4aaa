/** What the settings say of the mesh. */
import { badInput } from "../base/errors.ts";
import { parseAddress } from "../base/ip.ts";
import type { Endpoint } from "../platform/platform.ts";
import type { Field } from "../policy/document.ts";
import { MODE_NAMES, type ModeName } from "../replication/modes.ts";
import { readAddress, readDuration, readEndpoint, readRate, readSize } from "./settings-forms.ts";

export interface ReplicationSettings {
  readonly enabled: boolean;
  readonly bind: string;
  readonly port: number;
  readonly group: string | undefined;
  readonly iface: string | undefined;
  readonly peers: readonly Endpoint[];
  readonly holdMs: number;
  readonly flushMs: number;
  readonly path: "symmetric" | "asymmetric";
  readonly bytesPerSecond: number;
  readonly handoverS: number;
  readonly mode: ModeName;
  readonly alarmMs: number;
  /** Undefined: a sixteenth of the RAM. */
  readonly memoryBytes: number | undefined;
}

const PORT = 4755;
const FLUSH_MAX_MS = 1_000;

const NAMES = [
  "enabled",
  "bind",
  "port",
  "group",
  "iface",
  "peers",
  "hold",
  "flush",
  "path",
  "rate",
  "handover",
  "mode",
  "alarm",
  "memory",
] as const;

type Section = Partial<Record<(typeof NAMES)[number], Field>>;

export function readReplication(field: Field | undefined, place: string): ReplicationSettings {
  const f: Section = field?.fields(NAMES) ?? {};
  const enabled = f.enabled?.boolean() ?? field !== undefined;
  if (enabled && !f.bind) throw badInput(field?.place ?? place, "no bind", "bind: this AP's address on the mesh link");
  const bind = f.bind ? readAddress(f.bind) : "";
  const port = f.port?.integer(1, 65535) ?? PORT;
  const group = f.group && readGroup(f.group, bind);
  const peers = f.peers?.list("a list of addresses").map((peer) => readEndpoint(peer, port)) ?? [];
  if (enabled && !group && peers.length === 0) {
    throw badInput(
      field!.place,
      "neither group nor peers",
      "group: a multicast address, or peers: [address], or enabled: false",
    );
  }
  return {
    enabled,
    bind,
    port,
    group,
    iface: f.iface?.text("an address or %name"),
    peers,
    ...readWaits(f),
    bytesPerSecond: readRate(f.rate, 2_000_000),
    mode: f.mode?.oneOf(MODE_NAMES) ?? "ftfw",
    alarmMs: readDuration(f.alarm, 15_000, 1_000, 3_600_000),
    memoryBytes: f.memory && readSize(f.memory),
  };
}

/** Where both directions of a flow may pass at different APs, nothing waits. */
function readWaits(f: Section): Pick<ReplicationSettings, "path" | "holdMs" | "flushMs" | "handoverS"> {
  const path = f.path?.oneOf(["symmetric", "asymmetric"]) ?? "symmetric";
  const atOnce = path === "asymmetric";
  if (atOnce && (f.hold || f.flush || f.handover)) {
    const { place } = (f.hold ?? f.flush ?? f.handover)!;
    throw badInput(place, "a wait beside `path: asymmetric`", "neither hold, flush nor handover: they are 0 then");
  }
  const holdMs = readDuration(f.hold, atOnce ? 0 : 200, 0, 10_000);
  return {
    path,
    holdMs,
    flushMs: readDuration(f.flush, atOnce ? 0 : defaultFlushMs(holdMs), 1, FLUSH_MAX_MS),
    handoverS: Math.ceil(readDuration(f.handover, atOnce ? 0 : 240_000, 0, 7_200_000) / 1000),
  };
}

/**
 * A wake-up of agent and roamwalld costs as much as some fifty cells, and a datagram's headers as much as ten: who may learn
 * of an opening `holdMs` late need not learn of the rest of a busy table at once.
 */
function defaultFlushMs(holdMs: number): number {
  return Math.min(FLUSH_MAX_MS, Math.max(4, holdMs / 2));
}

function readGroup(field: Field, bind: string): string {
  const text = field.text("a multicast address");
  const { family, words } = parseAddress(text, field.place);
  const isGroup = family === 4 ? words[0]! >>> 28 === 14 : words[0]! >>> 24 === 0xff;
  if (!isGroup) throw badInput(field.place, `"${text}"`, "a multicast address, as 239.255.77.77 or ff02::4755");
  if (bind !== "" && bind.includes(":") !== (family === 6)) {
    throw badInput(field.place, `"${text}" beside bind ${bind}`, "a group of the same family as bind");
  }
  return text;
}
