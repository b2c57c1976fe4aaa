import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Crafted, type Segment } from "./support/crafted.ts";
import { Lab } from "./support/lab.ts";
import { pause } from "./support/processes.ts";
import { hasFirmware, isRoot } from "./support/root.ts";

/** In the median the claim was answered by then, or the mirror taken. Whoever sends sooner repeats his segment. */
const HANDED_OVER_MS = 500;
/** What must arrive may take so long on a busy machine. */
const LONG_MS = 10_000;
const NEVER_MS = 400;
/** What the last row did is settled. */
const BETWEEN_MS = 300;
const OPEN: Segment[] = ["client S", "server SA", "client A"];

/** What is sent before the client leaves its AP, and what is sent when it is at the next one. */
const ROWS: [moment: string, before: Segment[], after: Segment[]][] = [
  ["between SYN and SYN-ACK", ["client S"], ["server SA", "client A", "client PA", "server PA"]],
  ["between SYN-ACK and ACK", ["client S", "server SA"], ["client A", "client PA", "server PA"]],
  [
    "when the server speaks first and the last ACK was lost",
    ["client S", "server SA"],
    ["server SA", "client A", "server PA"],
  ],
  ["right after the ACK, and the server speaks first", OPEN, ["server PA", "client A"]],
  ["between a segment and its retransmission", [...OPEN, "client PA"], ["client PA", "server A"]],
  ["after the client's FIN", [...OPEN, "client FA"], ["server A", "server FA", "client A"]],
  ["between the two FINs", [...OPEN, "server FA", "client A"], ["client FA", "server A"]],
  ["before the last ACK", [...OPEN, "client FA", "server FA"], ["server FA", "client A"]],
];

describe.runIf(isRoot && hasFirmware)("a client that roams in the middle of a connection", () => {
  let lab: Lab;
  let crafted: Crafted;

  beforeAll(async () => {
    const size = { clientFlows: 0, serverFlows: 0, idleFlows: 0 };
    lab = await Lab.open({
      prefix: "rwhands",
      kind: "bridged",
      aps: 3,
      backhaul: "bad",
      size,
      firewall: "replicating",
    });
    crafted = new Crafted(lab);
    lab.intruder.announceClient();
    await pause(BETWEEN_MS);
  });
  afterAll(() => lab?.close());

  /** Of each row, until the first segment arrived. */
  const gapsMs: number[] = [];
  const next = () => (lab.topology.ap % lab.topology.aps.length) + 1;

  async function roamAmid(before: Segment[]) {
    const connection = crafted.connect();
    for (const segment of before) expect(await connection.send(segment, LONG_MS), segment).toBeDefined();
    await lab.hop(next());
    return connection;
  }

  it.each(ROWS)("%s goes on with it", async (_, before, after) => {
    const connection = await roamAmid(before);
    for (const [i, segment] of after.entries()) {
      const tookMs = await connection.send(segment, LONG_MS);
      expect(tookMs, segment).toBeDefined();
      if (i === 0) gapsMs.push(tookMs!);
    }
    await pause(BETWEEN_MS);
  });

  it("takes no longer than a handover", () => {
    const [median, worst] = [gapsMs.sort((a, b) => a - b)[gapsMs.length >> 1]!, gapsMs.at(-1)!];
    console.info(`first segment after a roam: median ${median.toFixed(0)} ms, worst ${worst.toFixed(0)} ms`);
    expect(median).toBeLessThan(HANDED_OVER_MS);
  });

  it.each(ROWS)("%s cannot, where the new AP hears of nothing", async (_, before, after) => {
    await lab.link!.isolate(next());
    const connection = await roamAmid(before);
    expect(await connection.send(after[0]!, NEVER_MS)).toBeUndefined();
    await lab.link!.heal();
    await pause(BETWEEN_MS);
  });
});
