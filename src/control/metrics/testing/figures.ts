import { newRoamCounters } from "../../../proxy/roam-api.ts";
import { RoamHistory } from "../../../proxy/roam-history.ts";
import { type NeighbourStatus, newCounters } from "../../../replication/status.ts";
import type { AgentStatus, DatapathStatus } from "../../status.ts";
import type { Figures } from "../figures.ts";

export const DATAPATH: DatapathStatus = {
  table: "4x1024x8/r26",
  cells: 32_768,
  usedCells: 16_384,
  by: "eBPF",
  pickedUp: true,
  passed: 12_345,
  bytes: 6_789_012,
  denied: { acl: 7, state: 2 },
  eventsLost: 1,
  ports: [{ name: "phy0-ap0", zone: 1, attached: true, present: true, unfilteredMs: 0, openMs: 250 }],
  replication: { ...newCounters(), datagramsSent: 90, datagramsDropped: { forged: 3 } },
  roams: { ...newRoamCounters(), arrivals: 4 },
  neighbours: 1,
  unheard: [],
  readiness: "ready",
  rights: { grantsRefused: 0, filtersRefused: 0, unpublishedCells: 0 },
  locate: { asked: 0, passedOn: 0, answered: 0, throttled: 0, gaveUp: 0 },
  clientsKnown: 5,
  clientsHere: 2,
};

export const NEIGHBOUR: NeighbourStatus = {
  id: 2,
  name: "ap2",
  address: "10.9.0.2:4755",
  state: "alive",
  mirror: 0,
  compatible: true,
  differences: [],
  mode: "ftfw",
  mirroredCells: 120,
  orphans: 0,
  edgeVer: 9,
  knownVer: 9,
  ackVer: 9,
  syncing: false,
  gaps: 0,
  givenUp: 0,
  lagMs: 40,
  periodMs: 1_000,
  silentMs: 300,
  lossHere: 0.02,
  lossThere: 0.01,
  rttMs: 4,
  fill: 0.25,
  groupHere: true,
  heardGroup: true,
  heardAlone: true,
  hearsGroup: true,
  slow: false,
  slowHere: false,
  lastHelloMs: 700,
  keys: [1],
  clockMs: 0,
  knownForMs: 60_000,
};

export const STATUS: AgentStatus = {
  name: "ap1",
  id: 1,
  version: "0.1.0",
  mode: "enforce",
  uptimeMs: 90_000,
  engine: { name: "Node", cannot: [] },
  modes: [],
  risks: [],
  policy: { file: "/etc/roamwall/policy.yaml", revision: 42, roles: 2, clients: 3, filters: 2 },
  mqtt: { url: "mqtt://b", connected: true, problem: "", published: 5, eventsLost: 0, revision: 42, id: "x" },
  radius: {
    sessions: 3,
    relays: [
      {
        listen: "127.0.0.1:1812",
        servers: [{ server: "192.0.2.1:1812", isUp: true, answers: 4, silences: 0 }],
        requests: 4,
        answers: 4,
        dropped: {},
      },
    ],
    accounting: {},
    das: { listen: "0.0.0.0:3799", isClockGood: true, done: 1, refused: {}, dropped: {} },
  },
  datapath: DATAPATH,
};

/** An access point at which everything that can be told is there. */
export function someFigures(name = "ap1"): Figures {
  const history = new RoamHistory();
  const mac = "02:00:00:00:00:01" as never;
  for (const [n, gapMs] of [4, 90, 30_000].entries()) {
    history.came(mac, n, [2], 0);
    history.complete(mac, n, "handover", gapMs);
  }
  return {
    status: { ...STATUS, name },
    neighbours: [{ ...NEIGHBOUR, name }],
    gapsMs: history.gapsMs,
    usage: { cpuSeconds: 1.5, residentBytes: 40e6 },
  };
}

/** The same while roamwalld is away. */
export function figuresWithoutDatapath(): Figures {
  const { datapath: _away, ...status } = STATUS;
  return { status, neighbours: [] };
}
