import { hex } from "../../base/bytes.ts";
import { type Advice, adviceOn } from "../../policy/advice.ts";
import { type CompiledPolicy, compilePolicy, type Policy, parsePolicy } from "../../policy/policy.ts";
import { seedsOrDefault } from "../key.ts";
import type { PolicyAction } from "./policy.ts";
import { bytesText, columns, facts, printable, styleOf } from "./text.ts";
import { type Call, EXIT } from "./verb.ts";

/** The file, and what an AP with this key would make of it. Throws ROAMWALL_ERR_INPUT with the place. */
export function readCompiled({ platform, options }: Call, file: string) {
  const policy = parsePolicy(platform.files.readText(file), file);
  const seeds = seedsOrDefault(platform.files, options.get("key"));
  return { policy, seeds, compiled: compilePolicy(policy, seeds) };
}

export const checkAction: PolicyAction = {
  form: "check FILE",
  least: 1,
  most: 1,
  run(call, [file]) {
    const { policy, compiled } = readCompiled(call, file!);
    const report = { ...reportOf(file!, compiled), advice: adviceOn(policy) };
    if (call.options.has("json")) call.terminal.out(`${JSON.stringify(report, null, 2)}\n`);
    else print(call, report);
    return EXIT.ok;
  },
};

/** Everything that an AP would load, for those who compare or archive: always JSON. */
export const compileAction: PolicyAction = {
  form: "compile FILE",
  least: 1,
  most: 1,
  run(call, [file]) {
    const { policy, compiled } = readCompiled(call, file!);
    call.terminal.out(`${JSON.stringify(loadOf(policy, compiled), null, 2)}\n`);
    return EXIT.ok;
  },
};

function loadOf(policy: Policy, { filters, roles, group, zones, services, clients, unknown }: CompiledPolicy) {
  return {
    rate: policy.rate,
    // As the kernel has them: bit i in byte i >> 3 at i & 7.
    filters: filters.map(({ data, ...filter }) => ({ ...filter, data: hex(data) })),
    roles: Object.fromEntries(roles),
    group: group ?? null,
    clients: Object.fromEntries(clients),
    unknown: unknown ?? null,
    zones: zones.map(({ address, ...zone }) => ({ ...zone, address: hex(address) })),
    services,
  };
}

function reportOf(file: string, compiled: CompiledPolicy) {
  const roles = [...compiled.roles].map(([name, role]) => {
    const filters = compiled.filters.filter((filter) => role.filters.includes(filter.id));
    return {
      role: name,
      rules: role.rules,
      keys: role.keys,
      filterBytes: filters.reduce((sum, filter) => sum + filter.data.length, 0),
      probes: filters[0]?.probes ?? 0,
      digest: role.digest,
      openOut: role.limits.openOut,
      openIn: role.limits.openIn,
      halfOpen: role.limits.halfOpen,
      mode: role.monitor ? "monitor" : "enforce",
    };
  });
  return {
    file,
    roles,
    clients: compiled.clients.size,
    unknown: compiled.unknown ?? null,
    group: compiled.group ? compiled.group.rules : null,
    zonePrefixes: compiled.zones.length,
    servicePorts: compiled.services.length,
  };
}

function print({ terminal }: Call, report: ReturnType<typeof reportOf> & { advice: readonly Advice[] }): void {
  const style = styleOf(terminal);
  terminal.out(`${style.good("good")} ${printable(report.file)}\n\n`);
  const rows = report.roles.map((r) => {
    const limits = [r.openOut, r.openIn, r.halfOpen].map((limit) => limit || "-");
    return [r.role, r.rules, r.keys, bytesText(r.filterBytes), r.digest || "-", ...limits, r.mode];
  });
  if (rows.length)
    terminal.out(
      columns(
        [["role", "rules", "keys", "filter", "digest", "open-out", "open-in", "half-open", "mode"], ...rows],
        style,
      ),
    );
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
  if (report.advice.length === 0) return;
  terminal.out(`\n${style.bold("often forgotten")}\n`);
  for (const { role, text, remedy } of report.advice) {
    terminal.out(`  ${role === undefined ? "" : `role ${role}: `}${text}\n    ${style.dim(remedy)}\n`);
  }
}
