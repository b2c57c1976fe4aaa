/**
 * The room's door: a mesh of access points, as the agent sees it (`mesh-api.ts`). `replicator.ts` wires what is behind it:
 *
 *   what goes out      sender.ts (change sets), outbox.ts (records into datagrams), paths.ts (group or one by one)
 *   what comes in      gate.ts (authentic, for us, new), inbox.ts (what each record does); strangers.ts, window.ts, attempts.ts, unheard.ts
 *   sealing            seal.ts (the header), sealed.ts (one key for all); paired.ts, proofs.ts, members.ts (a key each); keyring.ts, rotation.ts
 *   who is there       greeter.ts (their hellos), hellos.ts (ours), challenges.ts, insistence.ts, compat.ts, farewell.ts; neighbour.ts (all that is known of one)
 *   what it published  mirror-slots.ts, rights-map.ts, source-clock.ts
 *   what was lost      gaps.ts, healer.ts (asks), repairs.ts (answers), modes.ts; sync.ts, breath.ts (ask for a snapshot), units.ts,
 *                      snapshots.ts, snapshot-chunks.ts (answer)
 *   a lost table       restore.ts (asks), orphan-snapshot.ts (answers)
 *   single clients     courier.ts: locator.ts (where is it), orders.ts (rights in force before they are acknowledged), filter-pull.ts, guests.ts
 *   what bounds        bucket.ts, claim-limit.ts
 *   the wire           records/, a file each; docs/wire.md says the same in words
 */
import type { Mac } from "../base/mac.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import type { Crypto } from "../platform/platform.ts";
import type { Mesh, MeshOptions, MeshParts } from "./mesh-api.ts";
import { statusOf } from "./neighbour-status.ts";
import { rehearse } from "./rehearsal.ts";
import { Replicator } from "./replicator.ts";

/** For who says nothing else: the agent goes by its settings, tests and simulations by these. */
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
    set onSooner(run: (atMs?: number) => void) {
      replicator.onSooner = run;
    },
    setRights: (mac: Mac, grant) => proxy.rights.give(mac, grant),
    order: (mac: Mac, change) => replicator.courier.orders.place(mac, change),
    seek: (mac: Mac) => replicator.courier.seek(mac),
    granted: (mac: Mac) => proxy.rights.granted(mac),
    holdsFilter: (id) => proxy.filters.holds(id),
    revoke: (mac: Mac) => proxy.rights.revoke(mac),
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
