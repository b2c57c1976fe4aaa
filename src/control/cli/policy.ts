import { compilePolicy, parsePolicy } from "../../policy/policy.ts";
import { seedsOrDefault } from "../key.ts";
import { bytesText, columns, facts, printable, styleFor } from "./text.ts";
import { type Call, EXIT, JSON_OPTION, usage, type Verb } from "./verb.ts";

export const policyVerb: Verb = {
  name: "policy",
  summary: "Checks a policy file and tells what it compiles to. Changes nothing.",
  arguments: ["check", "FILE"],
  options: [
    { name: "key", value: "FILE", text: "the mesh's key file, for the very filters an AP would load" },
    JSON_OPTION,
  ],
  async run(call) {
    const [action, file] = call.arguments as [string, string];
    if (action !== "check") throw usage(`unknown action "${action}"`, "roamwall policy check FILE");
    const policy = parsePolicy(call.platform.files.readText(file), file);
    const seeds = seedsOrDefault(call.platform.files, call.options.get("key"));
    const compiled = compilePolicy(policy, seeds);
    const roles = [...compiled.roles].map(([name, role]) => {
      const filters = compiled.filters.filter((filter) => role.filters.includes(filter.id));
      return {
        role: name,
        rules: role.rules,
        keys: role.keys,
        filterBytes: filters.reduce((sum, filter) => sum + filter.data.length, 0),
        probes: filters[0]?.probes ?? 0,
        openOut: role.limits.openOut,
        openIn: role.limits.openIn,
        mode: role.monitor ? "monitor" : "enforce",
      };
    });
    const report = {
      file,
      roles,
      clients: compiled.clients.size,
      unknown: compiled.unknown ?? null,
      group: compiled.group ? compiled.group.rules : null,
      zonePrefixes: compiled.zones.length,
      servicePorts: compiled.services.length,
    };
    if (call.options.has("json")) call.terminal.out(`${JSON.stringify(report, null, 2)}\n`);
    else print(call, report);
    return EXIT.ok;
  },
};

interface Report {
  readonly file: string;
  readonly roles: readonly {
    readonly role: string;
    readonly rules: number;
    readonly keys: number;
    readonly filterBytes: number;
    readonly probes: number;
    readonly openOut: number;
    readonly openIn: number;
    readonly mode: string;
  }[];
  readonly clients: number;
  readonly unknown: string | null;
  readonly group: number | null;
  readonly zonePrefixes: number;
  readonly servicePorts: number;
}

function print({ terminal }: Call, report: Report): void {
  const style = styleFor(terminal.isTerminal);
  terminal.out(`${style.good("good")} ${printable(report.file)}\n\n`);
  const rows = report.roles.map((r) => {
    return [r.role, r.rules, r.keys, bytesText(r.filterBytes), r.openOut || "-", r.openIn || "-", r.mode];
  });
  if (rows.length)
    terminal.out(columns([["role", "rules", "keys", "filter", "open-out", "open-in", "mode"], ...rows], style));
  terminal.out("\n");
  terminal.out(
    facts(
      [
        ["clients listed", report.clients],
        ["others", report.unknown === null ? "denied" : `role ${report.unknown}`],
        ["to groups", report.group === null ? "everything may leave a client port" : `${report.group} rules`],
        ["zone prefixes", report.zonePrefixes],
        ["service ports", report.servicePorts],
      ],
      style,
    ),
  );
}
