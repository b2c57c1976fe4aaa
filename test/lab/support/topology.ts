import type { Namespaces } from "./namespaces.ts";

/**
 * The place where a client roams:
 *
 *     client          radio               ap1, ap2                 core             server
 *    +-------+  air  +-------+  to-apN  +-------------------+    +---------+       +--------+
 *    | wlan0 |=======| cell1 |==========| phy0-ap0 .. mesh0 |====| ap1     |       |        |
 *    |       |       | cell2 |==========| phy0-ap0 .. mesh0 |====| ap2 srv |=======| eth0   |
 *    +-------+       +-------+          |        back0      |~~~~| br-back |       +--------+
 *                                       +-------------------+    +---------+
 *
 * A roam moves `air` from one cell to the other: the client keeps its interface, MAC and addresses, as a station does.
 * Bridged: both APs and the core are switches, which learn the client's new place from the XID frame that mac80211
 * sends after an association. Routed: APs and core are routers, both APs have the gateway's addresses and MAC, and a
 * mesh routing protocol (here: this file) moves the client's host route. Replication has a network of its own
 * (`back0`), so that the kernel's counters there are its cost, with all headers. There may be more than two APs.
 */
export const CLIENT = { mac: "02:00:00:00:0a:01", v4: "10.1.0.10", v6: "fd00:1::10" } as const;
export const SERVER = { mac: "02:00:00:00:5e:01", v4: "10.1.1.80", v6: "fd00:1:0:1::80" } as const;
/** Of both APs and of the core: where a router is next, frames go to this MAC. */
export const GATEWAY_MAC = "02:00:00:00:00:fe";
export const CLIENT_PORT = "phy0-ap0";
export const BACKHAUL = { port: 4755, group: "239.255.77.77", address: (ap: Ap) => `10.9.0.${ap}` } as const;

/** Its number in the lab, from 1 on; also its id. */
export type Ap = number;
export type Kind = "bridged" | "routed";
/** `bad`: replication crosses a switch that misbehaves when told to, and a stranger has a port of it. */
export type Backhaul = "switch" | "bad";
/** On the mesh link, and no member of the mesh. */
export const STRANGER = { port: 66, mac: "02:00:00:00:66:01", v4: "10.9.0.66" } as const;

export interface Place {
  readonly kind: Kind;
  /** How many; default 2. */
  readonly aps?: number;
  readonly backhaul?: Backhaul;
}

const CLIENT_GATEWAY = { v4: "10.1.0.1", v6: "fd00:1::1" };
const SERVER_GATEWAY = { v4: "10.1.1.1", v6: "fd00:1:0:1::1" };
const meshAddress = (ap: Ap) => ({ v4: `10.8.0.${ap}`, v6: `fd00:8::${ap}` });
const CORE_MESH = { v4: "10.8.0.254", v6: "fd00:8::fe" };

export class Topology {
  /** Where the client is. */
  ap: Ap = 1;
  readonly kind: Kind;
  readonly aps: readonly Ap[];
  readonly backhaul: Backhaul;

  constructor(
    readonly namespaces: Namespaces,
    place: Place,
  ) {
    this.kind = place.kind;
    this.aps = Array.from({ length: place.aps ?? 2 }, (_, i) => i + 1);
    this.backhaul = place.backhaul ?? "switch";
  }

  build(): void {
    const { namespaces: ns } = this;
    const names = ["client", "radio", "core", "server", ...this.aps.map((ap) => `ap${ap}`)];
    if (this.backhaul === "bad") names.push("stranger");
    ns.add(...names);
    // No address of its own on a switch port: nothing but the client speaks there.
    for (const name of names) ns.sysctl(name, "ipv6/conf/default/disable_ipv6", 1);
    for (const name of names) ns.sysctl(name, "ipv6/conf/default/accept_dad", 0);
    // Where br_netfilter is loaded a switch would drop malformed packets before any filter sees them.
    for (const name of names)
      ns.exec(name, "sh", "-c", "for f in /proc/sys/net/bridge/bridge-nf-call-*; do [ ! -e $f ] || echo 0 > $f; done");
    this.buildLinks();
    this.buildEnds();
    this.buildBackhaul();
    if (this.kind === "bridged") this.buildSwitches();
    else this.buildRouters();
  }

  /** The client is heard by nobody; the mesh already learns where it will be. */
  leaveAir(to: Ap): void {
    this.namespaces.ip("radio", "link set air nomaster");
    this.ap = to;
    this.moveRoutes();
  }

  /** Frames flow at the new AP; the client has not spoken there yet. */
  enterAir(): void {
    this.namespaces.ip("radio", `link set air master cell${this.ap}`);
  }

  /** What the mesh routing protocol does when it hears of the client at its new AP. Bridges learn by themselves. */
  private moveRoutes(): void {
    if (this.kind === "bridged") return;
    const { namespaces: ns, ap } = this;
    const mesh = meshAddress(ap);
    ns.ip(`ap${ap}`, `route replace ${CLIENT.v4} dev ${CLIENT_PORT}`, `route replace ${CLIENT.v6} dev ${CLIENT_PORT}`);
    ns.ip("core", `route replace ${CLIENT.v4} via ${mesh.v4}`, `route replace ${CLIENT.v6} via ${mesh.v6}`);
    for (const other of this.aps.filter((one) => one !== ap)) {
      ns.ip(
        `ap${other}`,
        `route replace ${CLIENT.v4} via ${CORE_MESH.v4}`,
        `route replace ${CLIENT.v6} via ${CORE_MESH.v6}`,
      );
    }
  }

  /**
   * From now on the client is sent to by AP 1, and answered by AP 2, to which it listens with a second interface of the
   * same MAC (routed only; IPv4 only: the second one must not say a word, or it would be there too). What comes by AP 2
   * crosses a `slowwire` between `slow` and `ap2`.
   */
  splitPath(): void {
    const { namespaces: ns } = this;
    ns.ip("client", `link add wlan1 type veth peer name air2 netns ${ns.full("radio")}`);
    ns.ip("radio", "link set air2 master cell2", "link set air2 up");
    ns.ip("client", `link set wlan1 address ${CLIENT.mac}`, "link set wlan1 arp off", "link set wlan1 up");
    for (const iface of ["all", "wlan1"]) ns.sysctl("client", `ipv4/conf/${iface}/rp_filter`, 0);
    ns.ip("core", "link add slow type veth peer name slow-br", "link set slow up");
    ns.ip("core", "link set ap2 nomaster", "link set slow-br master br-mesh", "link set slow-br up");
    // A bridge takes its address from its ports.
    for (const ap of this.aps) ns.ip(`ap${ap}`, "neigh flush dev mesh0");
    ns.ip("core", `route replace ${CLIENT.v4} via ${meshAddress(2).v4}`);
    ns.ip("ap2", `route replace ${CLIENT.v4} dev ${CLIENT_PORT}`);
  }

  /** MAC of the next hop, as a frame from the client (or from the server) has it. */
  nextHop(from: "client" | "server"): string {
    if (this.kind === "routed") return GATEWAY_MAC;
    return from === "client" ? SERVER.mac : CLIENT.mac;
  }

  private buildLinks(): void {
    const ns = this.namespaces;
    const link = (a: string, aName: string, b: string, bName: string) =>
      ns.ip(a, `link add ${aName} type veth peer name ${bName} netns ${ns.full(b)}`);
    link("client", "wlan0", "radio", "air");
    link("core", "srv", "server", "eth0");
    for (const ap of this.aps) {
      link(`ap${ap}`, CLIENT_PORT, "radio", `to-ap${ap}`);
      link(`ap${ap}`, "mesh0", "core", `ap${ap}`);
      link(`ap${ap}`, "back0", "core", `back${ap}`);
      ns.ip(
        "radio",
        `link add cell${ap} type bridge`,
        `link set cell${ap} up`,
        `link set to-ap${ap} master cell${ap}`,
        `link set to-ap${ap} up`,
      );
    }
    ns.ip("radio", "link set air up", `link set air master cell${this.ap}`);
  }

  private buildEnds(): void {
    const ns = this.namespaces;
    const wide = this.kind === "bridged";
    // Where the kernel can, no TCP waits for longer than a second: what is measured is the network, not its back-off.
    for (const name of ["client", "server"])
      ns.exec(
        name,
        "sh",
        "-c",
        "f=/proc/sys/net/ipv4/tcp_rto_max_ms; [ ! -e $f ] || { echo 1000 > $f; echo 60 > /proc/sys/net/ipv4/tcp_retries2; }",
      );
    const end = (name: string, iface: string, at: { mac: string; v4: string; v6: string }) => {
      ns.sysctl(name, `ipv6/conf/${iface}/disable_ipv6`, 0);
      ns.ip(
        name,
        `link set ${iface} address ${at.mac}`,
        `addr add ${at.v4}/${wide ? 16 : 24} dev ${iface}`,
        `link set ${iface} up`,
        `addr add ${at.v6}/${wide ? 48 : 64} dev ${iface} nodad`,
      );
    };
    end("client", "wlan0", CLIENT);
    end("server", "eth0", SERVER);
  }

  private buildBackhaul(): void {
    const ns = this.namespaces;
    if (this.backhaul === "switch") ns.ip("core", "link add br-back type bridge", "link set br-back up");
    else this.buildStranger();
    for (const ap of this.aps) {
      if (this.backhaul === "switch") ns.ip("core", `link set back${ap} master br-back`);
      ns.ip("core", `link set back${ap} up`);
      ns.ip(`ap${ap}`, `addr add ${BACKHAUL.address(ap)}/24 dev back0`, "link set back0 up");
      ns.ip(`ap${ap}`, "route add 239.0.0.0/8 dev back0");
    }
  }

  private buildStranger(): void {
    const { port, mac, v4 } = STRANGER;
    const ns = this.namespaces;
    ns.ip("stranger", `link add back0 type veth peer name back${port} netns ${ns.full("core")}`);
    ns.ip("stranger", `link set back0 address ${mac}`, `addr add ${v4}/24 dev back0`, "link set back0 up");
    ns.ip("core", `link set back${port} up`);
  }

  private buildSwitches(): void {
    const ns = this.namespaces;
    const bridge = (name: string, iface: string, ...ports: string[]) =>
      ns.ip(
        name,
        `link add ${iface} type bridge`,
        `link set ${iface} up`,
        ...ports.flatMap((port) => [`link set ${port} master ${iface}`, `link set ${port} up`]),
      );
    for (const ap of this.aps) bridge(`ap${ap}`, "br-lan", CLIENT_PORT, "mesh0");
    bridge("core", "br-mesh", ...this.aps.map((ap) => `ap${ap}`), "srv");
  }

  private buildRouters(): void {
    const ns = this.namespaces;
    const router = (name: string, ifaces: string[]) => {
      ns.sysctl(name, "ipv4/ip_forward", 1);
      ns.sysctl(name, "ipv6/conf/all/forwarding", 1);
      for (const iface of ifaces) ns.sysctl(name, `ipv6/conf/${iface}/disable_ipv6`, 0);
    };
    for (const ap of this.aps) {
      const mesh = meshAddress(ap);
      router(`ap${ap}`, [CLIENT_PORT, "mesh0"]);
      ns.ip(
        `ap${ap}`,
        `link set ${CLIENT_PORT} address ${GATEWAY_MAC}`,
        `link set ${CLIENT_PORT} up`,
        "link set mesh0 up",
        `addr add ${CLIENT_GATEWAY.v4}/32 dev ${CLIENT_PORT}`,
        `addr add ${CLIENT_GATEWAY.v6}/128 dev ${CLIENT_PORT} nodad`,
        `addr add ${mesh.v4}/24 dev mesh0`,
        `addr add ${mesh.v6}/64 dev mesh0 nodad`,
        `neigh replace ${CLIENT.v4} lladdr ${CLIENT.mac} dev ${CLIENT_PORT}`,
        `neigh replace ${CLIENT.v6} lladdr ${CLIENT.mac} dev ${CLIENT_PORT}`,
        `route add default via ${CORE_MESH.v4}`,
        `route add default via ${CORE_MESH.v6}`,
      );
    }
    router("core", ["srv"]);
    ns.sysctl("core", "ipv6/conf/default/disable_ipv6", 0);
    ns.ip(
      "core",
      "link add br-mesh type bridge",
      "link set br-mesh up",
      ...this.aps.flatMap((ap) => [`link set ap${ap} master br-mesh`, `link set ap${ap} up`]),
      `link set srv address ${GATEWAY_MAC}`,
      "link set srv up",
      `addr add ${CORE_MESH.v4}/24 dev br-mesh`,
      `addr add ${CORE_MESH.v6}/64 dev br-mesh nodad`,
      `addr add ${SERVER_GATEWAY.v4}/24 dev srv`,
      `addr add ${SERVER_GATEWAY.v6}/64 dev srv nodad`,
    );
    ns.ip("client", `route add default via ${CLIENT_GATEWAY.v4}`, `route add default via ${CLIENT_GATEWAY.v6}`);
    ns.ip("server", `route add default via ${SERVER_GATEWAY.v4}`, `route add default via ${SERVER_GATEWAY.v6}`);
    this.moveRoutes();
  }
}
