/** What an operator should know before anything else, and what to do about it. */
import type { Now } from "../src/control/page/view.ts";
import { find, h, keyed } from "./dom.ts";
import { duration, percent } from "./format.ts";

export interface Problem {
  readonly id: string;
  readonly level: "bad" | "warn";
  readonly text: string;
  readonly remedy: string;
}

const FULL = 0.88;
const GREEDY = 0.8;
const EARLY = 0.7;
const LAG_MS = 2_000;

export function problemsOf({ status, neighbours }: Now): Problem[] {
  const { datapath, policy } = status;
  if (!datapath) {
    return [
      problem(
        "away",
        "bad",
        "roamwalld does not answer",
        "Restart roamwalld. An eBPF filter goes on by the last policy; without eBPF packets pass or are dropped, as --fail says. Nothing is replicated.",
      ),
    ];
  }
  const list: Problem[] = [];
  const fill = datapath.usedCells / datapath.cells;
  if (fill > EARLY) list.push(tableProblem(fill));
  if (policy.problem !== undefined)
    list.push(
      problem("policy", "warn", `The newest policy is refused: ${policy.problem}`, "The one before stays in force."),
    );
  for (const port of datapath.ports.filter(({ attached }) => !attached)) {
    list.push(
      problem(
        `port ${port.name}`,
        "bad",
        `Port ${port.name} is not filtered`,
        "It is gone, or roamwalld could not attach: its log says why.",
      ),
    );
  }
  for (const n of neighbours) {
    const name = n.name || `access point ${n.id}`;
    if (n.state === "dead" || n.state === "suspect") {
      list.push(
        problem(
          `gone ${n.id}`,
          "warn",
          `${name} has been silent for ${duration(n.silentMs)}`,
          "Clients that come from there keep what is mirrored of them.",
        ),
      );
    } else if (!n.compatible)
      list.push(
        problem(
          `differs ${n.id}`,
          "warn",
          `${name} cannot be mirrored: ${n.differences.join("; ")}`,
          "Both must be set up alike.",
        ),
      );
    else if (n.lagMs > LAG_MS)
      list.push(
        problem(
          `lag ${n.id}`,
          "warn",
          `Changes of ${name} are ${duration(n.lagMs)} late`,
          "The mesh link loses too much; flows that roam now may be lost.",
        ),
      );
  }
  for (const { address, reason } of datapath.unheard) {
    list.push(
      problem(
        `unheard ${address}`,
        "warn",
        `${address} says hello and cannot be read: ${reason}`,
        "Give it the mesh key, or leave a stranger's mesh be.",
      ),
    );
  }
  if (status.mqtt && !status.mqtt.connected)
    list.push(problem("broker", "warn", `The broker is away: ${status.mqtt.problem}`, "The policy in force stays."));
  if (datapath.readiness === "restoring")
    list.push(
      problem(
        "restoring",
        "warn",
        "The table is new; what neighbours kept of the old one is on its way",
        "Packets are filtered meanwhile.",
      ),
    );
  return list;
}

function tableProblem(fill: number): Problem {
  const text = `The table is ${percent(fill)} full`;
  if (fill > FULL)
    return problem(
      "table",
      "bad",
      `${text}: nobody opens anything new`,
      "What is open stays open. Take a larger table: roamwall size.",
    );
  if (fill > GREEDY)
    return problem(
      "table",
      "bad",
      `${text}: clients above their share open nothing new`,
      "Look for a scan among the clients below, or take a larger table: roamwall size.",
    );
  return problem(
    "table",
    "warn",
    text,
    "From 80 % greedy clients open nothing new. Take a larger table: roamwall size.",
  );
}

function problem(id: string, level: Problem["level"], text: string, remedy: string): Problem {
  return { id, level, text, remedy };
}

let told = new Set<string>();

/** Changes are said aloud, figures that move within a text are not. */
export function showProblems(now: Now): void {
  const problems = problemsOf(now);
  find("#problems").classList.toggle("on", problems.length > 0);
  keyed(find("#problems ul"), problems, {
    key: ({ id }) => id,
    make: ({ level }) => h("li", { class: level }, h("b"), h("span", { class: "remedy" })),
    update(element, { text, remedy }) {
      for (const [child, words] of [
        [element.firstElementChild!, text],
        [element.lastElementChild!, remedy],
      ] as const) {
        if (child.textContent !== words) child.textContent = words;
      }
    },
  });
  const fresh = problems.filter(({ id }) => !told.has(id)).map(({ text }) => text);
  const gone = told.size > 0 && problems.length === 0 ? ["All is well again."] : [];
  told = new Set(problems.map(({ id }) => id));
  const words = [...fresh, ...gone].join(". ");
  if (words) find("#said").textContent = words;
}
