import { afterEach, describe, expect, it } from "vitest";
import { BAD_ROWS } from "./support/bad.ts";
import { Lab } from "./support/lab.ts";
import { until } from "./support/processes.ts";
import { isRoot } from "./support/root.ts";
import type { Kind } from "./support/topology.ts";

/** What lets "no bad frame passed" mean something: without a firewall they do come through. */
describe.runIf(isRoot)("the intruder, without any firewall", () => {
  let lab: Lab | undefined;
  afterEach(async () => {
    await lab?.close();
    lab = undefined;
  });

  it.each<Kind>(["bridged", "routed"])("gets its frames to the other end (%s)", async (kind) => {
    lab = await Lab.open({
      prefix: "rwint",
      kind,
      size: { clientFlows: 6, serverFlows: 3, idleFlows: 1 },
      firewall: "none",
    });
    await lab.traffic.start();
    const { intruder } = lab;
    // Routers look at some of what they forward, and so stop it by themselves.
    const expected = kind === "bridged" ? BAD_ROWS.length : BAD_ROWS.length / 2;
    intruder.sendEach();
    await until(
      "bad frames to come through",
      20_000,
      () => new Set(intruder.passed).size >= expected || undefined,
    ).catch(() => {});
    const passed = new Set(intruder.passed);
    const stopped = BAD_ROWS.map((row) => `${row.name} (from the ${row.from})`).filter((name) => !passed.has(name));
    expect(stopped.length).toBeLessThanOrEqual(BAD_ROWS.length - expected);
  });
});
