/** What roamwalld can be told, but its ports: the same table checks, documents and passes them on. */
import { badInput } from "../../base/errors.ts";
import type { Field } from "../../policy/document.ts";
import type { SettingText } from "../settings-table.ts";

export interface DaemonOption extends SettingText {
  /** Throws ROAMWALL_ERR_INPUT; answers the word for the command line. */
  read(field: Field): string;
}

const MIB = 1 << 20;
const FILTER_BYTES_MAX = 1024 * MIB;

export const DAEMON_OPTIONS: readonly DaemonOption[] = [
  {
    name: "table",
    form: "4xBUCKETSx8/r26 or /r12",
    default: "4x1024x8/r26",
    effect:
      "Size of the table of expected packets: 32 cells a bucket, 4 bytes each (2 with r12, for the smallest APs; the mesh must agree on r). 1,024 buckets hold some 10,000 connections. A change empties the table once.",
    read: readTable,
  },
  {
    name: "clients",
    form: "1 to 16382",
    default: "1024",
    effect: "Most clients known at a time. Further ones are treated as unknown.",
    read: (field) => `${field.integer(1, 16382)}`,
  },
  {
    name: "mirrors",
    form: "1 to 8",
    default: "8",
    effect: "Neighbours whose tables the kernel mirrors; each takes as much memory as the own table.",
    read: (field) => `${field.integer(1, 8)}`,
  },
  {
    name: "filter-memory",
    form: "bytes, K or M; 4K to 1024M",
    default: "1M",
    effect: "For the access lists of all roles and clients: 1.8 bytes a rule.",
    read: readFilterMemory,
  },
  {
    name: "attach",
    form: "tcx, clsact",
    default: "tcx where the kernel has it, else clsact",
    effect:
      "How the filter is attached. tcx (kernel 6.6) needs no kernel module and cannot be overtaken; clsact needs kmod-sched-core and kmod-sched-bpf.",
    read: (field) => field.oneOf(["tcx", "clsact"]),
  },
  {
    name: "pin",
    form: "path",
    default: "/sys/fs/bpf/roamwall",
    effect: "Directory in a bpffs that keeps filter and table while nothing runs.",
    read: readPath,
  },
  {
    name: "object",
    form: "path",
    default: "beside the program, then /usr/lib/roamwall",
    effect: "The compiled filter.",
    read: readPath,
  },
  {
    name: "datapath",
    form: "auto, ebpf, nfqueue",
    default: "auto",
    effect:
      "Who judges packets: the kernel by eBPF, or roamwalld itself behind netfilter's queue, which is slower. `auto`: eBPF, and NFQUEUE where that cannot be loaded.",
    read: (field) => field.oneOf(["auto", "ebpf", "nfqueue"]),
  },
  {
    name: "fail",
    form: "open, closed",
    default: "open",
    effect:
      "With NFQUEUE: what becomes of packets while roamwalld is gone. `open`: they pass unfiltered; `closed`: they are dropped.",
    read: (field) => field.oneOf(["open", "closed"]),
  },
  {
    name: "queue",
    form: "0 to 65535",
    default: "4755",
    effect: "With NFQUEUE: the number of the queue.",
    read: (field) => `${field.integer(0, 65_535)}`,
  },
  {
    name: "rules",
    form: "auto, nft, iptables, none",
    default: "auto",
    effect:
      "With NFQUEUE: how packets are led there. `auto`: nf_tables, else iptables-restore; `none`: by rules of your own.",
    read: (field) => field.oneOf(["auto", "nft", "iptables", "none"]),
  },
  {
    name: "state",
    form: "path",
    default: "/run/roamwall/tables",
    effect: "With NFQUEUE: the tables, in memory that outlives the process.",
    read: readPath,
  },
];

function readTable(field: Field): string {
  const accepted = "4xBUCKETSx8/rBITS with a power of two of 32 to 131072 buckets, and r26 or r12";
  const text = field.text(accepted);
  const buckets = Number(/^4x(\d{2,6})x8\/r(?:26|12)$/.exec(text)?.[1]);
  if (!(buckets >= 32 && buckets <= 131_072 && (buckets & (buckets - 1)) === 0)) {
    throw badInput(field.place, `"${text}"`, accepted);
  }
  return text;
}

function readPath(field: Field): string {
  const path = field.text("a path");
  if (!path.startsWith("/")) throw badInput(field.place, `"${path}"`, "a path that begins with /");
  return path;
}

function readFilterMemory(field: Field): string {
  const accepted = "bytes, or with K or M, as 1M: 4096 to 1024M, a multiple of 8";
  const text = field.text(accepted);
  const [, digits, unit] = /^(\d{1,10})([kKmM]?)$/.exec(text) ?? [];
  const bytes = Number(digits) * ({ "": 1, k: 1 << 10, m: MIB }[(unit ?? "").toLowerCase()] ?? 1);
  if (!(bytes >= 4096 && bytes <= FILTER_BYTES_MAX && bytes % 8 === 0))
    throw badInput(field.place, `"${text}"`, accepted);
  return text;
}
