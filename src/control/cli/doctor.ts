import { CHECKS, diagnose } from "../doctor/doctor.ts";
import { look } from "../doctor/look.ts";
import type { Finding } from "../doctor/world.ts";
import { SOCKET_OPTION } from "./ask.ts";
import { printable, type Style, styleOf } from "./text.ts";
import { EXIT, JSON_OPTION, type Verb } from "./verb.ts";

const CONFIG_DEFAULT = "/etc/roamwall/agent.yaml";

export const doctorVerb: Verb = {
  name: "doctor",
  summary:
    "Looks for what is wrong with this AP, and says what to do about it. It works with agent and roamwalld dead. Exit code 1 when it found something of severity high or medium.",
  arguments: [],
  options: [
    { name: "config", value: "FILE", text: `the agent's settings; default ${CONFIG_DEFAULT}` },
    SOCKET_OPTION,
    JSON_OPTION,
  ],
  async run({ terminal, platform, options }) {
    const world = await look(platform, options.get("config") ?? CONFIG_DEFAULT, options.get("socket"));
    const findings = diagnose(world);
    if (options.has("json")) terminal.out(`${JSON.stringify(findings, null, 2)}\n`);
    else terminal.out(findingsText(findings, styleOf(terminal)));
    return findings.some(({ severity }) => severity !== "low") ? EXIT.failure : EXIT.ok;
  },
};

export function findingsText(findings: readonly Finding[], style: Style): string {
  if (!style.isAligned) {
    const rows = findings.map((one) => [one.severity, one.id, one.finding, one.remedy].map(printable).join("\t"));
    return ["severity\tid\tfinding\tremedy", ...rows, ""].join("\n");
  }
  if (findings.length === 0) return `${style.good("healthy")}: ${CHECKS.length} checks found nothing\n`;
  const paint = { high: style.bad, medium: style.warn, low: style.dim };
  const lines = findings.map(
    ({ severity, id, finding, remedy }) =>
      `${style.pad(paint[severity](severity), 8)}${style.bold(printable(finding))} ${style.dim(`(${id})`)}\n        ${printable(remedy)}\n`,
  );
  return lines.join("\n");
}
