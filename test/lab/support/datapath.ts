import type { Namespaces } from "./namespaces.ts";
import type { Ap, Kind } from "./topology.ts";

/** Who judges packets at a lab's APs; `mixed`: the kernel at AP 1, netfilter's queue at every second one. */
export const DATAPATHS = ["ebpf", "queue", "mixed"] as const;
export type DatapathKind = (typeof DATAPATHS)[number];

export function datapathOf(text: string = "ebpf"): DatapathKind {
  const datapath = DATAPATHS.find((known) => known === text);
  if (!datapath) throw new Error(`datapath "${text}"; accepted: ${DATAPATHS.join(", ")}`);
  return datapath;
}

/** Options of the AP's roamwalld, or nothing: in the kernel. */
export function queueAt(ap: Ap, datapath: DatapathKind): { nfqueue?: readonly string[] } {
  return datapath === "queue" || (datapath === "mixed" && ap % 2 === 0) ? { nfqueue: [] } : {};
}

/** Kernels without nft_queue show bridged packets to iptables alone, and only if they are told to. */
export function showBridged(namespaces: Namespaces, aps: readonly Ap[], kind: Kind): void {
  for (const ap of aps)
    for (const tables of ["iptables", "ip6tables"])
      namespaces.sysctl(`ap${ap}`, `bridge/bridge-nf-call-${tables}`, kind === "bridged" ? 1 : 0);
}

/** Bad frames that a bridge does not show to iptables: no IP, or behind a VLAN tag. */
export function isHidden(name: string, kind: Kind): boolean {
  return kind === "bridged" && /^(a mesh frame|SYN in a VLAN tag) /.test(name);
}
