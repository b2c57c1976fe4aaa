import { beforeEach, describe, expect, it } from "vitest";
import { nodePlatform } from "../platform/node/platform.ts";
import type { Broker, BrokerOptions } from "../platform/platform.ts";
import { type SignedPolicy, signDocument } from "../policy/signed.ts";
import { BrokerLink } from "./link.ts";
import { Outward } from "./outward.ts";
import { type PolicyAnswer, PolicyFeed } from "./policy-feed.ts";
import { apOf, everyAp, topicsOf } from "./topics.ts";

const { ed25519 } = nodePlatform();
const SEED = new Uint8Array(32).fill(1);
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };
const document = (revision: number, text = `# ${revision}\n`, seed = SEED) =>
  signDocument(ed25519, seed, { mesh: "m", revision, text });
const bytes = (text: string) => new TextEncoder().encode(text);

describe("policy documents", () => {
  let applied: SignedPolicy[];
  let kept: string[];
  let answers: PolicyAnswer[];
  let problem: string | undefined;
  let feed: PolicyFeed;

  beforeEach(() => {
    [applied, kept, answers, problem] = [[], [], [], undefined];
    feed = new PolicyFeed({
      ed25519,
      keys: [ed25519.publicKey(SEED)],
      mesh: "m",
      log: SILENT,
      apply: async (policy) => {
        if (problem === undefined) applied.push(policy);
        return problem;
      },
      keep: (text) => kept.push(text),
      answer: (answer) => answers.push(answer),
    });
  });

  const take = (text: string) => feed.take(bytes(text));

  it("comes into force, is kept, and is answered", async () => {
    await take(document(3));
    expect(applied.map(({ revision }) => revision)).toEqual([3]);
    expect(kept).toEqual([document(3)]);
    expect(answers).toMatchObject([{ result: "applied", revision: 3 }]);
  });

  it("that came before is answered again, and changes nothing", async () => {
    await take(document(3));
    await take(document(3));
    expect(applied).toHaveLength(1);
    expect(answers[1]).toEqual(answers[0]);
  });

  it.each([
    ["is older", document(2), "accepted: above 3"],
    ["has the same revision and says something else", document(3, "# other\n"), "accepted: a higher revision"],
    ["was tampered with", document(4).replace("# 4", "# 5"), "not signed by a key of ours"],
    ["is signed with a wrong key", document(4, "#\n", new Uint8Array(32).fill(2)), "not signed by a key of ours"],
    ["is garbage", "\u0000", "no signed policy"],
  ])("that %s is refused, and changes nothing", async (_, text, reason) => {
    await take(document(3));
    await take(text);
    expect(applied).toHaveLength(1);
    expect(kept).toHaveLength(1);
    expect(answers[1]).toMatchObject({ result: "refused", revision: 3 });
    expect(answers[1]!.reason).toContain(reason);
    expect(feed.inForce?.revision).toBe(3);
  });

  it("that does not compile is refused whole, and its revision may be used again", async () => {
    await take(document(3));
    problem = "policy revision 4:1: unknown field";
    await take(document(4));
    expect(answers[1]).toMatchObject({ result: "refused", revision: 3, reason: problem });
    problem = undefined;
    await take(document(4, "# mended\n"));
    expect(feed.inForce).toMatchObject({ revision: 4, text: "# mended\n" });
  });

  it("of two that come at once, the newer one wins in either order", async () => {
    await Promise.all([take(document(5)), take(document(4))]);
    expect(feed.inForce?.revision).toBe(5);
    await Promise.all([take(document(6)), take(document(7))]);
    expect(feed.inForce?.revision).toBe(7);
  });

  it("kept on disk counts only if it is ours, and then stays the floor", async () => {
    expect(feed.restore(document(9, "#\n", new Uint8Array(32).fill(2)), "store")).toBeUndefined();
    expect(feed.restore(document(9), "store")?.revision).toBe(9);
    await take(document(8));
    expect(answers[0]).toMatchObject({ result: "refused", revision: 9 });
  });
});

/** A broker that keeps what it is told. */
class TestBroker implements Broker {
  readonly told: { topic: string; payload: string; isRetained: boolean }[] = [];
  readonly asked: string[] = [];
  isThere = true;
  isClosed = false;

  publish(topic: string, payload: string, isRetained: boolean): boolean {
    if (this.isThere) this.told.push({ topic, payload, isRetained });
    return this.isThere;
  }

  subscribe(topic: string): void {
    this.asked.push(topic);
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }
}

describe("what an AP tells", () => {
  const topics = topicsOf("m", 7);

  it("its last words are told again to a broker that was away, its figures are not", () => {
    const outward = new Outward(topics);
    const broker = new TestBroker();
    outward.status({ state: "online" });
    outward.figures({ passed: 1 });
    outward.connected(broker);
    expect(broker.told).toEqual([{ topic: topics.status, payload: '{"state":"online"}', isRetained: true }]);
    outward.status({ state: "online" });
    expect(broker.told).toHaveLength(1);
  });

  it("events wait for the broker, a thousand of them, oldest lost first and counted", () => {
    const outward = new Outward(topics);
    for (let i = 0; i < 1_010; i++) outward.event("denied", { i }, i * 1_000);
    expect(outward.counters.eventsLost).toBe(10);
    const broker = new TestBroker();
    outward.connected(broker);
    expect(broker.told.map(({ payload }) => JSON.parse(payload).i)).toEqual(
      Array.from({ length: 1_000 }, (_, i) => i + 10),
    );
    outward.event("denied", { i: 1_010 }, 2e6);
    expect(broker.told.at(-1)!.payload).toContain("1010");
  });

  it("no more than twenty events a second", () => {
    const outward = new Outward(topics);
    const broker = new TestBroker();
    outward.connected(broker);
    for (let i = 0; i < 50; i++) outward.event("denied", { i }, 0);
    outward.event("denied", { i: 50 }, 1_000);
    expect(broker.told).toHaveLength(21);
    expect(outward.counters.eventsLost).toBe(30);
  });

  it("topics name the AP, and only an AP's topic is one", () => {
    expect(apOf(topics.status)).toBe(7);
    expect(everyAp("m", "status")).toBe("roamwall/m/ap/+/status");
    expect(apOf("roamwall/m/policy")).toBeUndefined();
    expect(apOf("roamwall/m/ap/x/status")).toBeUndefined();
  });
});

describe("the link to the broker", () => {
  it("asks for the policy, leaves a will, tells its status on time and says goodbye", async () => {
    const broker = new TestBroker();
    let options: BrokerOptions | undefined;
    let again = () => {};
    const warnings: string[] = [];
    const taken: string[] = [];
    const link = new BrokerLink({
      mesh: "m",
      ap: 7,
      name: "attic",
      version: "1",
      everyMs: 30_000,
      clock: {
        nowMs: () => 0,
        after: (ms, run) => {
          expect(ms).toBe(30_000);
          again = run;
          return () => {};
        },
      },
      log: { ...SILENT, warn: (_room, text) => void warnings.push(text) },
      broker: { url: "mqtt://b" },
      feed: { take: async (payload: Uint8Array) => void taken.push(new TextDecoder().decode(payload)) } as never,
      open: async (given) => {
        options = given;
        return broker;
      },
      status: async () => ({ filtering: true }),
      counters: async () => ({ passed: 5 }),
    });
    await link.start();
    options!.onState(true);
    const topics = topicsOf("m", 7);
    expect(broker.asked).toEqual([topics.policy]);
    expect(options!.will).toEqual({ topic: topics.status, payload: '{"state":"offline","name":"attic"}' });
    options!.onMessage(topics.policy, bytes("doc"));
    options!.onMessage("roamwall/other/policy", bytes("not ours"));
    expect(taken).toEqual(["doc"]);

    options!.onState(false, "connection refused");
    options!.onState(false, "connection refused");
    expect(warnings).toHaveLength(1);
    expect(link.state).toMatchObject({ connected: false, problem: "connection refused" });
    options!.onState(true);
    again();
    await Promise.resolve();
    await link.close();
    const said = broker.told
      .filter(({ topic }) => topic === topics.status)
      .map(({ payload }) => JSON.parse(payload).state);
    expect(said).toEqual(["online", "online", "offline"]);
    expect(broker.isClosed).toBe(true);
  });
});
