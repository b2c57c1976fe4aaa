/**
 * Two access points under TCP connections for a long time: what replication costs, and whether memory grows.
 * `node scripts/ts.mjs scripts/soak.ts --minutes 60 --rate 200`. Needs root, and what `npm run build` and `make -C firmware`
 * build. Exit code 1 when a process grows or a connection fails.
 */
import { availableParallelism } from "node:os";
import { runCommand, UsageError } from "./command.ts";
import { type SoakResult, soak } from "./soak/run.ts";

const USAGE = `usage: node scripts/ts.mjs scripts/soak.ts [--minutes N] [--rate N] [--leak BYTES] [--json]
  --minutes N   default 1
  --rate N      connections a second, default 1000
  --leak BYTES  makes the neighbour's agent lose so many bytes a second: the run has to fail
  --json        one JSON object on standard output`;

const NUMBERS = { "--minutes": "minutes", "--rate": "rate", "--leak": "leak" } as const;

function parseArguments(list: readonly string[]) {
  const options = { minutes: 1, rate: 1_000, leak: 0, json: false };
  const words = [...list];
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const key = NUMBERS[word as keyof typeof NUMBERS];
    const value = key && Number(words.shift());
    if (word === "--json") options.json = true;
    else if (!key) throw new UsageError(`${word}: not an option`);
    else if (!(Number(value) > 0)) throw new UsageError(`${word}: a number above 0`);
    else options[key] = Number(value);
  }
  return options;
}

const kilobytes = (bytes: number): string => `${(bytes / 1024).toFixed(0)} KB`;

function textOf(result: SoakResult): string {
  const { seconds, connections, failed, tableUsed, tableCells } = result;
  const lines = [
    `${connections} connections in ${seconds.toFixed(0)} s (${(connections / seconds).toFixed(0)} a second), ${failed} failed`,
    `on the link: ${result.bytesPerConnection.toFixed(1)} bytes a connection, ${result.bytesPerExpectation.toFixed(2)} bytes an expectation`,
    `table: ${tableUsed} of ${tableCells} cells (${((100 * tableUsed) / tableCells).toFixed(0)} %)`,
  ];
  for (const { name, cpu, rssStartMb, rssEndMb, growth } of result.processes) {
    const rss = `RSS ${rssStartMb.toFixed(1)} -> ${rssEndMb.toFixed(1)} MB`;
    const slope = `${kilobytes(growth.bytesPerHour)} an hour, ${kilobytes(growth.bytes)} in this run (noise: ${kilobytes(growth.allowedBytes)})`;
    lines.push(`${name}: ${cpu.toFixed(1)} % of a core, ${rss}, ${growth.grows ? "GROWS" : "steady"}: ${slope}`);
  }
  return lines.join("\n");
}

async function main(): Promise<number> {
  const { minutes, rate, leak, json } = parseArguments(process.argv.slice(2));
  if (process.getuid?.() !== 0) throw new Error("the soak needs root: it makes network namespaces and loads BPF");
  const result = await soak({
    minutes,
    rate,
    leakBytesPerSecond: leak,
    cpus: { traffic: availableParallelism() - 1, processes: 0 },
    progress: (text) => {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
    },
  });
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  process.stdout.write(`${json ? JSON.stringify(result) : textOf(result)}\n`);
  return result.failed > 0 || result.processes.some(({ growth }) => growth.grows) ? 1 : 0;
}

await runCommand(USAGE, main);
