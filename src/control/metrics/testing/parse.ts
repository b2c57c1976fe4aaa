/** A strict reader of Prometheus' text format 0.0.4, written from its specification, to hold our writer to it. */
export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: { name: string; labels: Record<string, string>; value: number }[];
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const LABEL = `([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\\\\n]|\\\\[\\\\n"])*)"`;
const SAMPLE = new RegExp(
  `^(${NAME})(?:\\{((?:${LABEL})(?:,${LABEL})*)?\\})? (NaN|[+-]Inf|[+-]?[0-9.]+(?:e[+-]?[0-9]+)?)$`,
);

/** Throws with the line that is wrong. */
export function parseExposition(text: string): Map<string, Family> {
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  const families = new Map<string, Family>();
  let help: [name: string, text: string] | undefined;
  let family: Family | undefined;
  for (const line of text.slice(0, -1).split("\n")) {
    const fail = (why: string): never => {
      throw new Error(`${why}: ${line}`);
    };
    const told = new RegExp(`^# (HELP|TYPE) (${NAME}) (.*)$`).exec(line);
    if (told?.[1] === "HELP") help = [told[2]!, told[3]!];
    else if (told?.[1] === "TYPE") {
      if (help?.[0] !== told[2]) fail("TYPE without its HELP");
      if (families.has(told[2]!)) fail("a second TYPE");
      if (!["counter", "gauge", "histogram"].includes(told[3]!)) fail("unknown type");
      family = { name: told[2]!, type: told[3]!, help: help![1], samples: [] };
      families.set(family.name, family);
    } else {
      if (!family) return fail("a sample before its family");
      family.samples.push(parseSample(line, family, fail));
    }
  }
  for (const each of families.values()) checkFamily(each);
  return families;
}

function parseSample(line: string, family: Family, fail: (why: string) => never): Family["samples"][number] {
  const match = SAMPLE.exec(line) ?? fail("no sample");
  const name = match[1]!;
  const base = family.type === "histogram" ? name.replace(/_(bucket|sum|count)$/, "") : name;
  if (base !== family.name) fail(`a sample of another family than ${family.name}`);
  const labels = Object.fromEntries([...(match[2] ?? "").matchAll(new RegExp(LABEL, "g"))].map((m) => [m[1]!, m[2]!]));
  return { name, labels, value: Number(match.at(-1)!.replace("Inf", "Infinity")) };
}

function checkFamily({ name, type, samples }: Family): void {
  const keys = samples.map((sample) => JSON.stringify([sample.name, sample.labels]));
  if (new Set(keys).size !== keys.length) throw new Error(`${name}: a series twice`);
  if (samples.length === 0) throw new Error(`${name}: no sample`);
  if (type === "counter" && samples.some(({ value }) => value < 0)) throw new Error(`${name}: a counter below 0`);
  if (type !== "histogram") return;
  const buckets = samples.filter((sample) => sample.name === `${name}_bucket`);
  const bounds = buckets.map(({ labels }) => Number(labels["le"]!.replace("Inf", "Infinity")));
  const rises = (list: readonly number[]) => list.every((value, i) => i === 0 || value >= list[i - 1]!);
  if (!rises(bounds) || !rises(buckets.map(({ value }) => value))) throw new Error(`${name}: buckets do not rise`);
  const count = samples.find((sample) => sample.name === `${name}_count`)?.value;
  if (bounds.at(-1) !== Number.POSITIVE_INFINITY || buckets.at(-1)!.value !== count) {
    throw new Error(`${name}: the last bucket is not the count`);
  }
}
