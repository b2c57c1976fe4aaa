import { describe, expect, it } from "vitest";
import { parseAddress } from "../base/ip.ts";
import type { Mac } from "../base/mac.ts";
import { CONSTANTS } from "../datapath/abi.ts";
import { ruleFor } from "./explain.ts";
import { type DeniedFrame, Learner } from "./learn.ts";
import { PROTO } from "./model.ts";
import { parsePolicy } from "./policy.ts";
import { policyText } from "./write.ts";

const MAC = "02:00:00:00:0a:01" as Mac;
const { SIDE_CLIENT, SIDE_PEER, DIRECTION_OUT } = CONSTANTS;
const EMPTY = parsePolicy("{}", "empty");

function frame(over: Partial<Omit<DeniedFrame, "peer">> & { readonly peer?: string }): DeniedFrame {
  const { peer = "10.1.0.1", ...rest } = over;
  const { family, words } = parseAddress(peer, "test");
  return {
    mac: MAC,
    direction: SIDE_CLIENT,
    proto: PROTO.tcp,
    client: [0x0a000001, 0, 0, 0],
    clientPort: 40_000,
    peerPort: 443,
    says: "opens",
    ...rest,
    family,
    peer: words,
  };
}

/** A question and its answer. */
function talk(learner: Learner, over: Parameters<typeof frame>[0]): void {
  learner.see(frame(over));
  const back = frame(over).proto === PROTO.tcp ? "goes on" : "opens";
  learner.see(frame({ ...over, direction: 1 - frame(over).direction, says: back }));
}

const nobody = () => undefined;

describe("learning", () => {
  it("writes a rule for what was asked and answered, and for nothing else", () => {
    const learner = new Learner();
    talk(learner, {});
    // A scan: each port once, no answer or an RST.
    for (let port = 1; port < 200; port++) learner.see(frame({ peerPort: port, clientPort: 50_000 + port }));
    learner.see(frame({ peerPort: 22, clientPort: 50_022, direction: SIDE_PEER, says: "refuses" }));
    const { added, leftOut, policy } = learner.learned(EMPTY, nobody);
    expect(added).toEqual([{ role: "learned", rule: "out tcp/443 to 10.1.0.1", flows: 1, clients: 1 }]);
    // The 199th of the scan's ports is the one that was learned.
    expect(leftOut.map(({ flows }) => flows)).toEqual([199]);
    expect(policy.unknown).toBe("learned");
  });

  it("takes an RST for no answer: the naive reading would learn every closed port of a scan", () => {
    const learner = new Learner();
    learner.see(frame({ peerPort: 22 }));
    learner.see(frame({ peerPort: 22, direction: SIDE_PEER, says: "refuses" }));
    expect(learner.learned(EMPTY, nobody).added).toEqual([]);
    expect(learner.learned(EMPTY, nobody, { unanswered: true }).added).toHaveLength(1);
  });

  it("learns what peers open, groups, pings, and answers whose question was not seen", () => {
    const learner = new Learner();
    talk(learner, { direction: SIDE_PEER, clientPort: 22, peerPort: 50_000 });
    learner.see(frame({ proto: PROTO.udp, peer: "224.0.0.251", clientPort: 5353, peerPort: 5353 }));
    talk(learner, { proto: PROTO.icmp, clientPort: 7, peerPort: 8 });
    learner.see(frame({ proto: PROTO.udp, direction: SIDE_PEER, clientPort: 40_001, peerPort: 53, peer: "10.1.0.53" }));
    const rules = learner.learned(EMPTY, nobody).added.map(({ rule }) => rule);
    expect(rules.sort()).toEqual([
      "in tcp/22 from 10.1.0.1",
      "out icmp to 10.1.0.1",
      "out udp/53 to 10.1.0.53",
      "out udp/5353 to group",
    ]);
  });

  it("gathers peers into zones and services with the same peers into one, and stays exact", () => {
    const learner = new Learner();
    for (let host = 1; host <= 20; host++) talk(learner, { peer: `10.1.0.${host}`, clientPort: 40_000 + host });
    for (let port = 1; port <= 10; port++)
      talk(learner, { peer: "10.9.0.1", peerPort: port, clientPort: 50_000 + port });
    const { policy, added } = learner.learned(EMPTY, nobody);
    expect(added.map(({ rule }) => rule)).toEqual([
      "out tcp/443 to learned-tcp-443",
      "out learned-services to 10.9.0.1",
    ]);
    const role = policy.roles.get("learned")!;
    const opens = (peer: string, port: number) =>
      ruleFor(policy, role, { direction: DIRECTION_OUT, proto: PROTO.tcp, port, peer: parseAddress(peer, "test") });
    expect([opens("10.1.0.20", 443), opens("10.9.0.1", 10)]).not.toContain(undefined);
    expect([opens("10.1.0.21", 443), opens("10.1.0.20", 80), opens("10.9.0.1", 11)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("keeps the policy before, adds to the client's role, and repeats no rule", () => {
    const base = parsePolicy(
      `roles: { staff: { rules: [out tcp/443 to any], limits: { open-out: 9 } }, guest: {} }\nclients: { "${MAC}": staff }\nunknown: guest`,
      "base",
    );
    const learner = new Learner();
    talk(learner, {});
    talk(learner, { peerPort: 993 });
    const { policy, added } = learner.learned(base, (mac) => base.clients.get(mac) ?? base.unknown);
    expect(added.map(({ role, rule }) => [role, rule])).toEqual([["staff", "out tcp/993 to 10.1.0.1"]]);
    expect(policy.roles.get("staff")).toMatchObject({ limits: { openOut: 9 } });
    expect(policy.unknown).toBe("guest");
  });

  it("is bounded, and says what it did not take", () => {
    const learner = new Learner();
    for (let i = 0; i < 17_000; i++) learner.see(frame({ clientPort: i, peer: `10.2.${i >> 8}.${i & 255}` }));
    expect(learner.size).toBe(16_384);
    const { leftOut } = learner.learned(EMPTY, nobody);
    expect(leftOut.map(({ flows }) => flows)).toEqual([16_384, 17_000 - 16_384]);
  });
});

describe("a policy as text", () => {
  it.each([
    ["the shortest", "{}"],
    [
      "one with everything",
      `
mode: monitor
zones: { all: [0.0.0.0/0, "::/0"], one: [10.0.0.1, "2001:db8::/64"] }
services: { web: [tcp/80, tcp/443-450, udp/*], odd: [icmp, proto/47, any] }
roles:
  staff: { rules: [out web to all, in tcp/22 from one, out any to any, out udp/5353 to group], limits: { open-out: 5 }, mode: monitor }
  guest: {}
clients: { "02:00:00:00:0a:01": staff, "02:00:00:00:0a:02": { role: guest, mode: monitor } }
unknown: guest
group: { rules: [in udp/5353 from any] }
port-zones: { 2: { auth: none }, 3: { auth: none, roam: true } }
rate: 0.01%
`,
    ],
    ["one in the second spelling", "roles: { a: { rules: [permit in tcp from assigned to 10.1.0.0/30 443] } }"],
  ])("reads back as the same: %s", (_, text) => {
    const policy = parsePolicy(text, "before");
    const again = parsePolicy(policyText(policy), "after");
    const bare = ({ roles, group, ...rest }: typeof policy) => ({
      ...rest,
      roles: [...roles].map(([name, role]) => [name, { ...role, rules: role.rules.map((r) => ({ ...r, place: "" })) }]),
      group: group && { ...group, rules: group.rules.map((r) => ({ ...r, place: "" })) },
    });
    expect(bare(again)).toEqual(bare(policy));
  });

  it("carries notes as comments", () => {
    const learner = new Learner();
    talk(learner, {});
    const { policy, notes } = learner.learned(EMPTY, nobody);
    expect(policyText(policy, notes)).toContain("- out tcp/443 to 10.1.0.1  # 1 flows of 1 clients");
  });
});
