import { badInput } from "../base/errors.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import type { ClientRecord } from "../datapath/map-records.ts";
import { type AclFilter, AclKey, aclMatches, GROUP_TEMPLATES } from "./acl.ts";
import type { Packet } from "./packet.ts";
import type { PacketType } from "./program.ts";
import { type ZoneEntry, Zones } from "./zones.ts";

const { CLASS_UDP, DIRECTION_OUT, SIDE_CLIENT, SIDE_PEER, ZONE_GROUP } = CONSTANTS;
const NO_FILTER = 0xffff;

export interface ServiceEntry {
  readonly port: number;
  /** Class; 0 = none. */
  readonly service: number;
}

/** Filters, zones and services, and what they say of the packet that was asked about last. */
export class AccessList {
  /** The packet may open. */
  forward = false;
  /** It may answer. */
  reply = false;
  /** It may answer a question that was put to a group. */
  groupAnswer = false;

  readonly #filters: (AclFilter | undefined)[] = [];
  /** by generation of the policy, as the next */
  readonly #zones = [new Zones(), new Zones()] as const;
  readonly #services = [new Uint16Array(65536), new Uint16Array(65536)] as const;
  readonly #key: AclKey;
  readonly #question = { family: 0, proto: 0, peer: new Uint32Array(4), zoneClass: 0, service: 0, serviceClass: 0 };
  /** Of the client at hand. */
  #active: (AclFilter | undefined)[] = [];
  #generation: 0 | 1 = 0;

  constructor(seed0: number, seed1: number) {
    this.#key = new AclKey(seed0, seed1);
  }

  setFilter(filter: AclFilter): void {
    this.#filters[filter.id] = filter;
  }

  /** As `setFilter`, by the bits in which it differs from one that is there: position << 1 | value. */
  changeFilter(filter: Pick<AclFilter, "id" | "out" | "in">, from: number, changes: Uint32Array): void {
    const base = this.#filters[from];
    if (!base) throw badInput(`filter ${filter.id}`, `filter ${from} is not there`, "one that is");
    const data = base.data.slice();
    for (const change of changes) {
      const at = change >>> 1;
      if (change & 1) data[at >> 3]! |= 1 << (at & 7);
      else data[at >> 3]! &= ~(1 << (at & 7));
    }
    this.#filters[filter.id] = { ...base, ...filter, data };
  }

  deleteFilter(id: number): void {
    this.#filters[id] = undefined;
  }

  setZones(entries: readonly ZoneEntry[], generation: number): void {
    this.#zones[bitOf(generation)].set(entries);
  }

  setServices(entries: readonly ServiceEntry[], generation: number): void {
    const services = this.#services[bitOf(generation)];
    services.fill(0);
    for (const { port, service } of entries) services[port] = service;
  }

  /** Not asked where ports are unknown. */
  ask(client: ClientRecord, packet: Packet, type: PacketType, toGroup: boolean): void {
    const { direction } = packet;
    this.forward = this.reply = this.groupAnswer = false;
    if (packet.isOfPair() && !toGroup) return;
    this.#pickFilters(client);
    this.#prepareQuestion(packet, packet.group && direction === SIDE_CLIENT);
    this.forward = this.#allows(packet, direction);
    if (!this.forward || type.needsReply)
      this.reply = this.#allows(packet, direction === SIDE_CLIENT ? SIDE_PEER : SIDE_CLIENT);
    if (this.forward || this.reply || packet.class !== CLASS_UDP || direction === SIDE_CLIENT || toGroup) return;
    // An answer to a question put to a group: the rule that let the question out stands for it.
    this.#question.zoneClass = ZONE_GROUP;
    this.groupAnswer = this.#allows(packet, DIRECTION_OUT, GROUP_TEMPLATES);
  }

  #pickFilters(client: ClientRecord): void {
    this.#generation = bitOf(client.flags & CONSTANTS.CLIENT_GENERATION);
    for (let i = 0; i < CONSTANTS.CLIENT_FILTERS; i++) {
      const id = client.filter[i]!;
      this.#active[i] = id === NO_FILTER ? undefined : this.#filters[id];
    }
  }

  #prepareQuestion(packet: Packet, group: boolean): void {
    const question = this.#question;
    question.family = packet.family;
    question.proto = packet.proto;
    question.peer = packet.peer;
    question.zoneClass = group ? ZONE_GROUP : this.#zoneOf(packet);
  }

  #zoneOf({ family, peer }: Packet): number {
    const zones = this.#zones[this.#generation];
    return family === 4 ? zones.of4(peer[0]!) : zones.of6(peer);
  }

  #allows(packet: Packet, aclDirection: number, mask?: number): boolean {
    const service = aclDirection === DIRECTION_OUT || packet.isQuery() ? packet.peerPort : packet.clientPort;
    this.#question.service = service;
    this.#question.serviceClass = this.#services[this.#generation][service]!;
    return aclMatches(this.#active, aclDirection, this.#question, this.#key, mask);
  }
}

function bitOf(generation: number): 0 | 1 {
  return generation === 0 ? 0 : 1;
}
