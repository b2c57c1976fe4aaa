/** TCP connections that open and close, as fast as one core can, with the filter in between. */
import { forgetFlows, startNft } from "./baseline.ts";
import { type Lab, type Path, withLab } from "./lab.ts";
import { Roamwall } from "./roamwall.ts";
import type { Context, Group, Row } from "./row.ts";
import { figureOf } from "./stats.ts";

const ROUNDS = 7;
const CONNECTIONS = 8_000;

/** A connection leaves up to four cells behind for four minutes: a table for bursts of thousands. */
const TABLE = "4x8192x8/r26";

async function prepare(lab: Lab, context: Context): Promise<{ paths: Path[]; ap: Roamwall }> {
  const paths = ["none", "nft", "roamwall"].map((name) => lab.addPath(name));
  const [, nft, roamwall] = paths as [Path, Path, Path];
  startNft(lab, nft);
  const ap = new Roamwall(lab, {
    namespace: roamwall.namespace,
    id: 1,
    table: TABLE,
    clients: [lab.clientMac(roamwall)],
    mesh: undefined,
    cpu: context.otherCpu,
  });
  await ap.startDaemon();
  await ap.startAgent();
  await lab.start(context.trafficCpu);
  for (const path of paths) await lab.connect(path, 100);
  return { paths, ap };
}

async function measure(lab: Lab, context: Context): Promise<Row[]> {
  const { paths, ap } = await prepare(lab, context);
  const [none, nft, roamwall] = paths as [Path, Path, Path];
  const rates = new Map<Path, number[]>(paths.map((path) => [path, []]));
  for (let round = 0; round < ROUNDS; round++) {
    forgetFlows(lab, nft);
    await ap.wipe();
    for (let i = 0; i < paths.length; i++) {
      const path = paths[(round + i) % paths.length] as Path;
      const done = await lab.connect(path, CONNECTIONS, { alone: true });
      if (done.failed > 0) throw new Error(`${path.name}: ${done.failed} of ${CONNECTIONS} connections failed`);
      rates.get(path)?.push(done.perSecond);
    }
  }
  const rateOf = (path: Path) => figureOf(rates.get(path) ?? []);
  const free = rateOf(none).median;
  return [
    {
      name: "tcp.connects",
      unit: "per second",
      value: rateOf(roamwall),
      baseline: rateOf(nft),
      note: `against nft + conntrack; no filter ${free.toFixed(0)}`,
    },
  ];
}

export const connects: Group = {
  names: ["tcp.connects"],
  measure: (context) => withLab((lab) => measure(lab, context)),
};
