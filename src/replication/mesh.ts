import type { Mac } from "../base/mac.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import type { Crypto } from "../platform/platform.ts";
import type { Mesh, MeshOptions, MeshParts } from "./mesh-api.ts";
import { statusOf } from "./neighbour-status.ts";
import { rehearse } from "./rehearsal.ts";
import { Replicator } from "./replicator.ts";

export const MESH_DEFAULTS: MeshOptions = {
  flushMs: 4,
  holdMs: 200,
  datagramBytes: 1200,
  bytesPerSecond: 2_000_000,
  path: "symmetric",
  mode: "ftfw",
  resendMs: 15_000,
  handoverLifetimeS: 600,
  memoryBytes: Number.POSITIVE_INFINITY,
  neighboursMax: 32,
  rightsStaleMs: 60_000,
};

/** What an engine is warmed up with: a sync, and what leads to it. */
export function rehearseMesh(crypto: Crypto): void {
  rehearse(crypto, replicatorOf);
}

function replicatorOf(parts: MeshParts): Replicator {
  return new Replicator(parts, { ...MESH_DEFAULTS, ...parts.options });
}

/** The state proxy and its replication, around one datapath. */
export function createMesh(parts: MeshParts): Mesh {
  const { datapath } = parts;
  const replicator = replicatorOf(parts);
  const { proxy } = replicator;
  return {
    handlers: proxy.handlers,
    async start() {
      await proxy.start();
      replicator.start(parts.nowMs());
      replicator.onSooner();
    },
    async stop() {
      datapath.flushHeld(CONSTANTS.SLOT_SHARED);
      await datapath.sync();
      await replicator.stop(parts.nowMs());
    },
    receive: (bytes, from, nowMs, path) => replicator.receive(bytes, from, nowMs, path),
    tick: (nowMs) => replicator.tick(nowMs),
    nextAtMs: () => replicator.nextAtMs(),
    get onSooner() {
      return replicator.onSooner;
    },
    set onSooner(run: () => void) {
      replicator.onSooner = run;
    },
    setRights: (mac: Mac, grant) => proxy.setRights(mac, grant),
    order: (mac: Mac, change) => replicator.courier.orders.place(mac, change),
    seek: (mac: Mac) => replicator.courier.seek(mac),
    granted: (mac: Mac) => proxy.granted(mac),
    holdsFilter: (id) => proxy.filters.holds(id),
    revoke: (mac: Mac) => proxy.revoke(mac),
    refreshRoles: () => proxy.refreshRoles(),
    arrived: (mac: Mac, zone, bind) => proxy.arrived(mac, zone, bind),
    setKeys: (keys) => replicator.setKeys(keys, parts.nowMs()),
    setMembers: (members) => replicator.setMembers(members, parts.nowMs()),
    switchKey: () => replicator.switchKey(),
    keys: () => replicator.rotation.status(),
    clients: () => proxy.status(),
    unheard: () => replicator.gate.unheard.list(),
    neighbours: (nowMs) => replicator.list().map((neighbour) => statusOf(neighbour, nowMs, parts.link?.group)),
    counters: replicator.counters,
    roamCounters: proxy.roam.counters,
    roamHistory: proxy.roam.history,
    table: proxy.own,
    rightsCounters: proxy.counters,
    locateCounters: replicator.courier.locator.counters,
    get readiness() {
      return replicator.courier.restore.state;
    },
  };
}
