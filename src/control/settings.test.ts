import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseSettings } from "./settings.ts";
import { SETTINGS, settingsTable } from "./settings-table.ts";

const LEAST = "id: 1\n";
const REPLICATION = "replication:\n  bind: 10.9.0.1\n  peers: [10.9.0.2]\n";

/** A settings file that is wrong, where the complaint must point, and what it must offer. */
const WRONG: [phrase: string, text: string, place: string, accepted: string][] = [
  ["no id", "name: x", "a.yaml: no id", "1 to 65534"],
  ["an id of 0", "id: 0", "a.yaml:1 id", "1 to 65534"],
  ["an unknown field", "id: 1\npickups: 3s", "a.yaml:2 pickups", "pickup"],
  ["an unknown mode", "id: 1\nmode: watch", "a.yaml:2 mode", "enforce, monitor"],
  ["a duration without unit", "id: 1\npickup: 300", "a.yaml:2 pickup", "as 200ms, 4s"],
  ["a duration beyond its range", "id: 1\npickup: 2h", "pickup", "3600000 ms"],
  ["replication without bind", "id: 1\nreplication:\n  port: 1", "replication: no bind", "address on the mesh link"],
  ["replication to nobody", "id: 1\nreplication:\n  bind: 10.9.0.1", "neither group nor peers", "enabled: false"],
  ["a group that is none", `${LEAST}${REPLICATION}  group: 10.0.0.1`, "a.yaml:5 replication.group", "multicast"],
  ["a group of the other family", `${LEAST}${REPLICATION}  group: ff02::1`, "replication.group", "same family"],
  ["a peer that is none", "id: 1\nreplication: {bind: 10.9.0.1, peers: [ap2]}", "replication.peers[0]", "IPv4 as"],
  [
    "a peer's port above 65535",
    'id: 1\nreplication: {bind: 10.9.0.1, peers: ["10.9.0.2:70000"]}',
    "peers[0]",
    "1 to 65535",
  ],
  ["a rate without unit", `${LEAST}${REPLICATION}  rate: 2`, "replication.rate", "as 2MB/s"],
  [
    "a page that others can reach, without token",
    "id: 1\npage: {listen: 10.9.0.1}",
    "a.yaml:2 page.listen",
    "token-file",
  ],
  ["a page without an address", "id: 1\npage: {names: [ap1]}", "no listen", "127.0.0.1"],
  ["a flush of 0", `${LEAST}${REPLICATION}  flush: 0`, "replication.flush", "1 ms to 1000 ms"],
];

describe("parseSettings", () => {
  it.each(WRONG)("refuses %s and says where and what is accepted", (_phrase, text, place, accepted) => {
    let message = "(nothing was refused)";
    try {
      parseSettings(text, "a.yaml");
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toContain(place);
    expect(message).toContain(accepted);
  });

  it("needs only an id, and then replicates to nobody", () => {
    expect(parseSettings(LEAST, "a.yaml")).toMatchObject({
      name: "ap1",
      mode: "enforce",
      replication: { enabled: false },
    });
  });

  it("reads the example that the documentation shows", () => {
    const settings = parseSettings(readFileSync("docs/examples/agent.yaml", "utf8"), "agent.yaml");
    expect(settings.replication).toMatchObject({
      enabled: true,
      holdMs: 200,
      flushMs: 4,
      bytesPerSecond: 2e6,
      handoverS: 240,
    });
    expect(settings.replication.peers).toEqual([{ address: "10.9.0.2", port: 4755 }]);
  });

  it("waits for nothing where paths are asymmetric, and says that waits cannot be had too", () => {
    const mesh = (more: string) =>
      parseSettings(`id: 1\nreplication: {bind: 10.9.0.1, peers: [10.9.0.2], path: asymmetric${more}}`, "a.yaml");
    expect(mesh("").replication).toMatchObject({ path: "asymmetric", holdMs: 0, flushMs: 0, handoverS: 0 });
    expect(() => mesh(", hold: 20ms")).toThrow("neither hold, flush nor handover");
  });

  it("reads peers of either family, with or without port", () => {
    const peers = '["10.9.0.2:9", "fe80::1%mesh0", "[2001:db8::1]:7"]';
    const { replication } = parseSettings(`id: 1\nreplication: {bind: 10.9.0.1, peers: ${peers}}`, "a.yaml");
    expect(replication.peers.map((p) => `${p.address} ${p.port}`)).toEqual([
      "10.9.0.2 9",
      "fe80::1%mesh0 4755",
      "2001:db8::1 7",
    ]);
  });

  it("knows no setting that the documentation does not, and the other way round", () => {
    expect(readFileSync("docs/settings.md", "utf8")).toContain(settingsTable());
    const top = "id: 1\nx: 1";
    const accepted = (text: string) => {
      try {
        parseSettings(text, "a");
      } catch (error) {
        return (error as Error).message.split("accepted: ")[1]!.split(", ");
      }
      return [];
    };
    const groups = ["replication", "identities", "mqtt", "radius", "page"];
    const read = [
      ...accepted(top).filter((name) => !groups.includes(name)),
      ...groups.flatMap((group) => accepted(`id: 1\n${group}: {x: 1}`).map((name) => `${group}.${name}`)),
    ];
    expect(read.sort()).toEqual(SETTINGS.map((s) => s.name).sort());
  });
});

describe("radius", () => {
  const read = (text: string) => parseSettings(`id: 1\nradius: {${text}}`, "a.yaml").radius!;

  it("needs servers and a secret only, and trusts the servers with changes", () => {
    expect(read("servers: [10.2.0.2, '[2001:DB8:0::1]:1645'], secret-file: s")).toMatchObject({
      servers: [
        { address: "10.2.0.2", port: 1812 },
        { address: "2001:db8::1", port: 1645 },
      ],
      listen: { address: "127.0.0.1", port: 1812 },
      das: undefined,
      dasClients: ["10.2.0.2", "2001:db8::1"],
      demandMessageAuthenticator: false,
    });
  });

  it("reads the documented example", () => {
    const text = readFileSync("docs/examples/freeradius/agent.yaml", "utf8");
    expect(parseSettings(`id: 1\n${text}`, "agent.yaml").radius).toMatchObject({
      das: { address: "0.0.0.0", port: 3799 },
      hostapd: [{ address: "127.0.0.1", port: 3798 }],
    });
  });

  it.each([
    ["no secret", "servers: [10.2.0.2]", "both of them"],
    ["no server", "servers: [], secret-file: s", "at least one"],
    ["a server's name", "servers: [radius.example], secret-file: s", "IPv4 as 192.0.2.1"],
  ])("refuses %s", (_phrase, text, accepted) => {
    expect(() => read(text)).toThrow(accepted);
  });
});
