import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Prng } from "../conformance/prng.ts";
import { attack, type Outcome, takeValid } from "./attack.ts";
import { attackClasses } from "./classes.ts";
import { recordedMesh } from "./world.ts";

/**
 * What somebody can do who hears everything of two meshes and has no key:
 *
 *   node scripts/ts.mjs test/attacks/run.ts [--messages 1000000] [--seed N] [--identities]
 *
 * `--identities`: each access point has a key of its own. Exit code 1 when anything that an access point knows has changed, or when it answered beyond the bound.
 */
const ROUND = 5_000;
/** One answer a recorded number, at most four a second and epoch. */
const ANSWERS_MAX = 64;
const KEPT_BYTES_MAX = 4 << 20;

const { values } = parseArgs({
  options: {
    messages: { type: "string", default: "1000000" },
    seed: { type: "string", default: "1" },
    identities: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log("node scripts/ts.mjs test/attacks/run.ts [--messages 1000000] [--seed N] [--identities]");
  process.exit(0);
}
const { identities } = values;
const messages = Number(values.messages);
const random = new Prng(Number(values.seed));

function heapBytes(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage().heapUsed;
}

function add(sum: Outcome | undefined, more: Outcome): Outcome {
  if (!sum) return more;
  const refused = { ...sum.refused };
  for (const [reason, count] of Object.entries(more.refused)) refused[reason] = (refused[reason] ?? 0) + count;
  return {
    name: sum.name,
    messages: sum.messages + more.messages,
    changed: [...sum.changed, ...more.changed],
    answers: sum.answers + more.answers,
    refused,
    // Of the rounds: the middle one's median, the worst of the others.
    us: {
      median: (sum.us.median * sum.messages + more.us.median * more.messages) / (sum.messages + more.messages),
      p999: Math.max(sum.us.p999, more.us.p999),
      max: Math.max(sum.us.max, more.us.max),
    },
  };
}

const mesh = await recordedMesh({ seed: random.below(1_000), identities });
const other = await recordedMesh({ key: 2, seed: random.below(1_000), identities });
const classes = attackClasses(mesh, other, random);
const each = Math.ceil(messages / classes.length);
const outcomes: Outcome[] = [];
// What is compiled, allocated and cached at first use is no growth.
for (const one of classes) attack(mesh, one, 200);
const heapBefore = heapBytes();
for (const one of classes) {
  let sum: Outcome | undefined;
  for (let done = 0; done < each; done += ROUND) sum = add(sum, attack(mesh, one, Math.min(ROUND, each - done)));
  outcomes.push(sum!);
}
const kept = heapBytes() - heapBefore;
const valid = takeValid(mesh);

const row = (cells: readonly string[]) =>
  console.log(cells.map((cell, i) => (i ? cell.padStart(11) : cell.padEnd(34))).join(""));
row(["", "messages", "to the tag", "answers", "changed", "median us", "p99.9", "max", "of valid"]);
for (const { name, messages: sent, answers, changed, refused, us } of outcomes) {
  const { median, p999, max } = us;
  const times = [median.toFixed(2), p999.toFixed(0), max.toFixed(0), (median / valid.median).toFixed(2)];
  const tags = (refused["forged"] ?? 0) + (refused["not for us"] ?? 0);
  row([name, String(sent), String(tags), String(answers), String(changed.length), ...times]);
}
const { median, p999, max, taken } = valid;
row([`a valid datagram (${taken} taken)`, "", "", "", "", median.toFixed(2), p999.toFixed(0), max.toFixed(0), "1.00"]);
const total = outcomes.reduce((sum, one) => sum + one.messages, 0);
const answers = outcomes.reduce((sum, one) => sum + one.answers, 0);
const changed = outcomes.flatMap(({ name, changed: paths }) => paths.map((path) => `${name}: ${path}`));
console.log(
  `\n${total} messages, ${answers} answers, ${changed.length} changes, ${Math.round(kept / 1024)} KiB more on the heap`,
);
for (const line of changed.slice(0, 10)) console.log(line);
if (changed.length > 0 || answers > ANSWERS_MAX || kept > KEPT_BYTES_MAX || taken < mesh.valid.length)
  process.exitCode = 1;
