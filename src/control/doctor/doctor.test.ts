import { describe, expect, it } from "vitest";
import { ABI_VERSION } from "../../datapath/abi.ts";
import { compilePolicy, parsePolicy } from "../../policy/policy.ts";
import { DATAPATH, NEIGHBOUR, STATUS } from "../metrics/testing/figures.ts";
import { parseSettings } from "../settings.ts";
import type { AgentStatus, DatapathStatus } from "../status.ts";
import type { TableView } from "../table-view.ts";
import { CHECKS, diagnose } from "./doctor.ts";
import type { World } from "./world.ts";

const policyOf = (text: string) => ({ value: compilePolicy(parsePolicy(text, "policy.yaml"), [1, 2, 3, 4]) });
const settingsOf = (text: string) => ({ value: parseSettings(text, "agent.yaml") });

const SETTINGS = "id: 1\nreplication: { bind: 10.9.0.1, group: 239.255.77.77 }\n";
const POLICY =
  "roles: { staff: { rules: [out udp/53 to any, out udp/67 to any, out tcp/443 to any] } }\nunknown: staff\n";
const RELAY = { ...STATUS.radius!.relays[0]!, dropped: {} };
const AGENT: AgentStatus = {
  ...STATUS,
  radius: { ...STATUS.radius!, relays: [RELAY] },
  datapath: { ...DATAPATH, eventsLost: 0 },
};
const TABLE = { cells: 1000, usedCells: 100, full: 0, budget: 0 } as TableView;

const HEALTHY: World = {
  settingsFile: "/etc/roamwall/agent.yaml",
  settings: settingsOf(SETTINGS),
  key: { value: true },
  policy: policyOf(POLICY),
  radiusSecret: { value: true },
  links: [
    { name: "mesh0", mtu: 1500, isUp: true, addresses: ["10.9.0.1"] },
    { name: "phy0-ap0", mtu: 1500, isUp: true, addresses: [] },
  ],
  kernel: { release: "6.1.0-18-amd64", hasBpffs: true, jit: 1, memoryFreeBytes: 64e6 },
  daemon: { value: { abi: ABI_VERSION } },
  abi: ABI_VERSION,
  agent: { value: AGENT },
  neighbours: [NEIGHBOUR],
  clients: [],
  table: TABLE,
  risks: [],
  wallSeconds: 1_800_000_000,
};

const agent = (over: Partial<AgentStatus>): Partial<World> => ({ agent: { value: { ...AGENT, ...over } } });
const datapath = (over: Partial<DatapathStatus>) => agent({ datapath: { ...AGENT.datapath!, ...over } });
const neighbour = (over: Partial<typeof NEIGHBOUR>): Partial<World> => ({ neighbours: [{ ...NEIGHBOUR, ...over }] });
const unheard = (reason: string) => datapath({ unheard: [{ address: "10.9.0.3:4755", reason, count: 2, lastMs: 0 }] });
const MEMBERS = {
  mesh: "campus",
  file: "/etc/roamwall/members",
  revision: 4,
  id: "4f",
  members: [],
  signers: [],
  isListed: true,
};
const kernel = (over: Partial<World["kernel"]>): Partial<World> => ({ kernel: { ...HEALTHY.kernel, ...over } });
const link = (at: number, over: object): Partial<World> => ({
  links: HEALTHY.links!.map((one, i) => (i === at ? { ...one, ...over } : one)),
});

/** A fault of each check, and a word that its remedy must have. */
const FAULTS: [id: string, fault: Partial<World>, remedy: string][] = [
  ["settings", { settings: { problem: "agent.yaml: no such file" } }, "agent --check"],
  ["key", { key: { problem: "key: mode 0644" } }, "0600"],
  ["policy", { policy: { problem: 'policy.yaml:3: "out web"' } }, "policy check"],
  ["radius-secret", { radiusSecret: { problem: "secret: mode 0644" } }, "chmod 600"],
  ["kernel", kernel({ release: "4.19.0" }), "newer"],
  ["bpffs", kernel({ hasBpffs: false }), "mount -t bpf"],
  ["jit", kernel({ jit: 0 }), "sysctl"],
  ["memory", kernel({ memoryFreeBytes: 4e6 }), "replication.memory"],
  ["clock", { wallSeconds: undefined as never }, "time server"],
  ["mesh-address", link(0, { addresses: ["10.9.0.7"] }), "replication.bind"],
  ["mesh-mtu", link(0, { mtu: 1280 }), "mtu 1500"],
  [
    "port",
    datapath({ ports: [{ name: "phy0-ap0", zone: 0, attached: false, present: false, openMs: 0, unfilteredMs: 0 }] }),
    "bring phy0-ap0 up",
  ],
  ["port", link(1, { isUp: false }), "ip link set phy0-ap0 up"],
  ["daemon", { daemon: { problem: "nobody listens there" } }, "start"],
  ["agent", { agent: { problem: "nobody listens there" } }, "start"],
  ["version", { daemon: { value: { abi: ABI_VERSION - 1 } } }, "one release"],
  ["connection", { agent: { value: { ...AGENT, datapath: undefined as never } } }, "--socket"],
  ["policy-refused", agent({ policy: { ...AGENT.policy, problem: "policy.yaml:3" } }), "mend"],
  ["policy-advice", { policy: policyOf("roles: { staff: { rules: [out tcp/443 to any] } }") }, "out udp/53"],
  ["monitor", agent({ mode: "monitor" }), "roamwall mode policy ap"],
  ["monitor", { policy: policyOf(`mode: monitor\n${POLICY}`) }, "mode: monitor"],
  ["trial", agent({ trial: { file: "new.yaml", leftSeconds: 30 } }), "roamwall confirm"],
  ["fill", { table: { ...TABLE, usedCells: 750 } }, "--table"],
  ["overflow", { table: { ...TABLE, full: 3 } }, "--table"],
  ["budget", { table: { ...TABLE, budget: 3 } }, "limits"],
  ["events", datapath({ eventsLost: 9 }), "roamwall monitor"],
  ["rights", datapath({ rights: { ...DATAPATH.rights, filtersRefused: 1 } }), "--filter-memory"],
  ["cloned", datapath({ roams: { ...DATAPATH.roams, clonedMacs: 1 } }), "802.1X"],
  [
    "radius",
    agent({ radius: { ...AGENT.radius!, relays: [{ ...RELAY, servers: [{ ...RELAY.servers[0]!, isUp: false }] }] } }),
    "clients.conf",
  ],
  [
    "radius",
    agent({ radius: { ...AGENT.radius!, relays: [{ ...RELAY, dropped: { "answer: wrong authenticator": 1 } }] } }),
    "same secret",
  ],
  [
    "radius-clock",
    agent({ radius: { ...AGENT.radius!, das: { ...AGENT.radius!.das!, isClockGood: false } } }),
    "time server",
  ],
  ["broker", agent({ mqtt: { ...AGENT.mqtt!, connected: false, problem: "refused" } }), "password-file"],
  ["members", agent({ members: { ...MEMBERS, isListed: false } }), "roamwall members add"],
  ["members", agent({ members: { ...MEMBERS, problem: "line 2: no key" } }), "members check /etc/roamwall/members"],
  ["page", agent({ page: { address: "127.0.0.1", port: 80, problem: "the port is taken" } as never }), "`page`"],
  ["engine", agent({ engine: { name: "QuickJS", cannot: ["mqtts"] } }), "Node"],
  ["mesh-socket", datapath({ linkProblem: "10.9.0.1:4755: EADDRINUSE" }), "port free"],
  [
    "alone",
    { settings: settingsOf("id: 1\nreplication: { bind: 10.9.0.1, peers: [10.9.0.2] }"), neighbours: [] },
    "same key file",
  ],
  ["unheard", unheard("its mesh key is another, or its slot 0 holds another"), "same key"],
  ["unheard", unheard("9 is not on the list of members"), "roamwall members add"],
  ["unheard", unheard("it has no identities, this one has: set the same on all"), "`identities`"],
  ["unheard", unheard("it speaks version 3 of the protocol, this one speaks 1"), "one release"],
  ["same-id", datapath({ replication: { ...DATAPATH.replication, duplicateIds: 2 } }), "own `id`"],
  ["silent", neighbour({ state: "dead", silentMs: 20_000 }), "is it up"],
  ["different", neighbour({ compatible: false, differences: ["table: other"], mirror: -1 }), "same --table"],
  ["no-mirror", neighbour({ mirror: -1 }), "--mirrors"],
  ["multicast", neighbour({ heardGroup: false }), "replication.peers"],
  ["multicast", neighbour({ heardAlone: false }), "UDP 4755"],
  ["loss", neighbour({ lossHere: 0.3 }), "mesh link"],
  ["behind", neighbour({ slow: true }), "replication.rate"],
  ["mode", neighbour({ mode: "notrack" }), "ftfw"],
];

describe("doctor", () => {
  it("finds nothing wrong with a healthy access point", () => {
    expect(diagnose(HEALTHY)).toEqual([]);
  });

  it.each(FAULTS)("finds %s, that alone, and names the remedy", (id, fault, remedy) => {
    const findings = diagnose({ ...HEALTHY, ...fault });
    expect([...new Set(findings.map((finding) => finding.id))]).toEqual([id]);
    expect(findings.map((finding) => finding.remedy).join("\n")).toContain(remedy);
  });

  it("has a fault planted for every check", () => {
    expect(new Set(FAULTS.map(([id]) => id))).toEqual(new Set(CHECKS.map(({ id }) => id)));
    expect(new Set(CHECKS.map(({ id }) => id)).size).toBe(CHECKS.length);
  });

  it("tells the worst first, with what the machine's own detection of risks found", () => {
    const risk = { id: "wed", severity: "high", finding: "offload", remedy: "switch it off" } as const;
    const ids = diagnose({ ...HEALTHY, ...kernel({ jit: 0 }), risks: [risk] }).map(({ id }) => id);
    expect(ids).toEqual(["wed", "jit"]);
  });

  it("does not judge the paths of a neighbour that it has just met", () => {
    const met = neighbour({ heardGroup: false, heardAlone: false, knownForMs: 2_000 });
    expect(diagnose({ ...HEALTHY, ...met })).toEqual([]);
  });

  it("names one cause, not what follows from it", () => {
    const dead = { agent: { problem: "nobody listens there" }, settings: { problem: "no such file" } };
    const { key: _key, policy: _policy, ...rest } = HEALTHY;
    expect(diagnose({ ...rest, ...dead }).map(({ id }) => id)).toEqual(["settings"]);
  });
});
