/** One look at the world: files, programs of the system, roamwalld's socket, the agent. Whatever is dead, it returns. */
import { ABI_VERSION, CONSTANTS } from "../../datapath/abi.ts";
import { EVENTS, STREAM_HEADER } from "../../datapath/stream-records.ts";
import type { Platform } from "../../platform/platform.ts";
import { compilePolicy, parsePolicy } from "../../policy/policy.ts";
import type { NeighbourStatus } from "../../replication/status.ts";
import { askAgent } from "../api.ts";
import { readKey } from "../key.ts";
import { REPLAY_SEEDS } from "../replay-policy.ts";
import type { Risk } from "../risks/risk.ts";
import { parseSettings, type Settings } from "../settings.ts";
import type { AgentStatus, ClientLine } from "../status.ts";
import type { TableView } from "../table-view.ts";
import { held, type Kernel, type Link, type Read, type World } from "./world.ts";

const DAEMON_PATIENCE_MS = 1_500;
const PROGRAM_PATIENCE_MS = 3_000;

/** `socket`: the agent's, where it is not that of the settings. */
export async function look(platform: Platform, settingsFile: string, socket?: string): Promise<World> {
  const { files } = platform;
  const settings = attempt(() => parseSettings(files.readText(settingsFile), settingsFile));
  const known = held(settings);
  const control = socket ?? known?.control ?? "/run/roamwall/agent.sock";
  const links = await readLinks(platform);
  const wallSeconds = platform.wallSeconds();
  return {
    settingsFile,
    settings,
    ...(known && readFiles(platform, known)),
    ...(links && { links }),
    kernel: readKernel(platform),
    daemon: await greet(platform, known?.daemon ?? "/run/roamwall/daemon.sock"),
    abi: ABI_VERSION,
    ...(await askAll(platform, control)),
    ...(wallSeconds !== undefined && { wallSeconds }),
  };
}

function attempt<T>(read: () => T): Read<T> {
  try {
    return { value: read() };
  } catch (error) {
    return { problem: (error as Error).message };
  }
}

function readFiles({ files }: Platform, settings: Settings): Pick<World, "key" | "policy" | "radiusSecret"> {
  const { radius } = settings;
  return {
    key: attempt(() => readKey(files, settings.key)),
    policy: attempt(() => compilePolicy(parsePolicy(files.readText(settings.policy), settings.policy), REPLAY_SEEDS)),
    ...(radius && { radiusSecret: attempt(() => readSecretFile(files, radius.secretFile)) }),
  };
}

function readSecretFile(files: Platform["files"], path: string): true {
  const exposure = files.exposure(path);
  if (exposure !== undefined) throw new Error(`${path}: ${exposure} lets others read the secret`);
  if (files.readText(path).split(/\r?\n/)[0] === "") throw new Error(`${path}: its first line is empty`);
  return true;
}

function readKernel({ files }: Platform): Kernel {
  const text = (path: string) => held(attempt(() => files.readText(path)))?.trim();
  const jit = text("/proc/sys/net/core/bpf_jit_enable");
  const free = /^MemAvailable:\s+(\d+) kB/m.exec(text("/proc/meminfo") ?? "")?.[1];
  return {
    release: text("/proc/sys/kernel/osrelease") ?? "",
    hasBpffs: / \/sys\/fs\/bpf bpf /.test(text("/proc/mounts") ?? ""),
    ...(jit !== undefined && { jit: Number(jit) }),
    ...(free !== undefined && { memoryFreeBytes: Number(free) * 1024 }),
  };
}

/** roamwalld speaks to one agent at a time: whom it turns away, it is alive for. */
function greet(platform: Platform, path: string): Promise<World["daemon"]> {
  return new Promise((resolve) => {
    const end = (read: World["daemon"]) => {
      cancel();
      resolve(read);
    };
    const cancel = platform.clock.after(DAEMON_PATIENCE_MS, () => end({ problem: `${path}: nobody answers` }));
    platform.connect(path).then(
      (stream) => {
        stream.onBytes((bytes) => {
          end(readGreeting(bytes, path));
          stream.close();
        });
        stream.onClose(() => end({ problem: `${path}: closed without a word` }));
      },
      (error: Error) => end({ problem: error.message }),
    );
  });
}

function readGreeting(bytes: Uint8Array, path: string): World["daemon"] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const at = STREAM_HEADER.bytes;
  const isLong = bytes.length >= at + EVENTS.hello.body.offset["abi"]! + 4;
  for (const little of [true, false]) {
    if (bytes.length >= 2 && view.getUint16(0, little) === EVENTS.refused.number)
      return { value: { abi: ABI_VERSION } };
    if (!isLong || view.getUint32(at, little) !== CONSTANTS.MAGIC) continue;
    return { value: { abi: view.getUint32(at + EVENTS.hello.body.offset["abi"]!, little) } };
  }
  return { problem: `${path}: what answers is no roamwalld` };
}

async function askAll(
  platform: Platform,
  control: string,
): Promise<Pick<World, "agent" | "neighbours" | "clients" | "table" | "risks">> {
  const nothing = { neighbours: [], clients: [], risks: [] };
  try {
    const status = await askAgent<AgentStatus & { risks?: Risk[] }>(platform, control, "status");
    const risks = status.risks ?? [];
    if (!status.datapath) return { agent: { value: status }, ...nothing, risks };
    return {
      agent: { value: status },
      neighbours: await askAgent<NeighbourStatus[]>(platform, control, "neighbours"),
      clients: await askAgent<ClientLine[]>(platform, control, "clients"),
      table: await askAgent<TableView>(platform, control, "table"),
      risks,
    };
  } catch (error) {
    return { agent: { problem: (error as Error).message }, ...nothing };
  }
}

/** As `ip` tells them; undefined: there is no such program, or it is too small to speak JSON. */
function readLinks(platform: Platform): Promise<Link[] | undefined> {
  return new Promise((resolve) => {
    let text = "";
    const program = platform.spawn("ip", ["-json", "address", "show"], {
      line: (line) => {
        text += line;
      },
      exit: () => {
        cancel();
        resolve(held(attempt(() => linksOf(JSON.parse(text)))));
      },
    });
    const cancel = platform.clock.after(PROGRAM_PATIENCE_MS, () => program.stop());
  });
}

interface IpLink {
  readonly ifname: string;
  readonly mtu: number;
  readonly flags: readonly string[];
  readonly addr_info?: readonly { readonly local?: string }[];
}

function linksOf(shown: readonly IpLink[]): Link[] {
  return shown.map(({ ifname: name, mtu, flags, addr_info: addresses = [] }) => ({
    name,
    mtu,
    isUp: flags.includes("UP"),
    addresses: addresses.flatMap(({ local }) => (local === undefined ? [] : [local])),
  }));
}
