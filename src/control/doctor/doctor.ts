/** What is wrong with this AP, and what to do about it: a table of checks over one look at the world. */
import { SEVERITIES } from "../risks/risk.ts";
import { AGENT_CHECKS } from "./agent-checks.ts";
import { MACHINE_CHECKS } from "./machine-checks.ts";
import { MESH_CHECKS } from "./mesh-checks.ts";
import { type Check, type Finding, held, type World } from "./world.ts";

export const CHECKS: readonly Check[] = [...MACHINE_CHECKS, ...AGENT_CHECKS, ...MESH_CHECKS];

/** The worst first. */
export function diagnose(world: World): Finding[] {
  const found = CHECKS.flatMap(({ id, severity, find }) => find(world).map((one) => ({ id, severity, ...one })));
  const rank = ({ severity }: Finding) => SEVERITIES.indexOf(severity);
  return [...withoutConsequences(found, world), ...world.risks].sort((a, b) => rank(a) - rank(b));
}

/** One cause, one finding: an agent whose settings are wrong does not run, and needs no line of its own. */
function withoutConsequences(found: readonly Finding[], { settings, agent }: World): Finding[] {
  const has = (id: string) => found.some((one) => one.id === id);
  const isDead = !held(agent);
  return found.filter(({ id }) => {
    // Where it listens the settings say.
    if (id === "daemon") return !has("settings");
    if (id === "agent") return !(has("settings") || has("key") || has("policy"));
    if (id === "policy") return isDead || !has("policy-refused") || !held(settings);
    if (id === "mesh-socket") return !has("mesh-address");
    if (id === "radius-clock") return !has("clock");
    return true;
  });
}
