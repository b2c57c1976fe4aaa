import { type DemoDetails, type DemoResult, grouped, listReasons } from "./result.ts";

/** The one table at the end. */
export function table(result: DemoResult, details: DemoDetails): string {
  const { replication, flows, flowsLost, control } = result;
  const { connects, lookups, download, stream, bad } = details;
  const opened = flows + connects.done + (lookups?.done ?? 0);
  const each = (count: number) => (count === 0 ? "-" : `${(replication.bytes / count).toFixed(1)} bytes`);
  const unexplained = listReasons(details.wronglyDenied);
  const rows: ([string, string] | undefined)[] = [
    ["flows kept / lost", `${grouped(flows - flowsLost)} / ${grouped(flowsLost)} in ${result.roams} roams`],
    [
      "  without replication",
      `${grouped(details.controlFlows - control.flowsLost)} / ${grouped(control.flowsLost)} in 1 roam`,
    ],
    ["new connections", `${grouped(connects.done)} done, ${grouped(connects.failed)} failed`],
    lookups && ["UDP look-ups", `${grouped(lookups.done)} done, ${grouped(lookups.failed)} failed`],
    ["packets lost to the firewall", grouped(result.firewallDrops) + (unexplained && ` (${unexplained})`)],
    ["bad packets sent / passed", `${grouped(bad.sent)} / ${grouped(bad.passed.length)}`],
    ["denied by reason", listReasons(result.denied)],
    [
      "longest gap of each roam",
      `${details.roams.map((roam) => roam.gapMs.toFixed(0)).join(", ")} ms (a message comes every 50 ms)`,
    ],
    download && ["download", downloadText(download)],
    ["UDP stream sent / lost", `${grouped(stream.sent)} / ${grouped(stream.lost)} (while off the air)`],
    [
      "replication",
      `${grouped(replication.packets)} packets, ${grouped(replication.bytes)} bytes, all headers counted`,
    ],
    [
      "  per roam",
      details.roams.map(({ cost }) => `${grouped(cost.packets)} packets ${grouped(cost.bytes)} bytes`).join("; "),
    ],
    ["  per flow opened", `${each(opened)} (${grouped(opened)} flows)`],
    [
      "  per expectation",
      `${each(replication.expectations)} (${grouped(replication.expectations)}; so few a second that most travel alone)`,
    ],
  ];
  const shown = rows.filter((row) => row !== undefined);
  const width = Math.max(...shown.map(([name]) => name.length));
  const lines = shown.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
  const rule = "-".repeat(Math.max(...lines.map((line) => line.length)));
  return [details.title, rule, ...lines, rule].join("\n");
}

function downloadText({ bytes, seconds }: { bytes: number; seconds: number }): string {
  return `${grouped(bytes / 1e6)} MB at ${grouped((bytes * 8) / 1e6 / seconds)} Mbit/s, in one connection`;
}
