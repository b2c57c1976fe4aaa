/** What a client may, and who said so: for people. Of filters that came without words only the number is known. */
import type { Mac } from "../base/mac.ts";
import { type Limits, NO_LIMITS } from "../policy/model.ts";
import type { CompiledPolicy, FilterContent, Rule } from "../policy/policy.ts";
import { parseRules } from "../policy/policy.ts";
import { policySources, roleOf } from "../policy/sources.ts";
import type { Grant } from "../proxy/rights.ts";
import type { RadiusGrant } from "../radius/rights.ts";

/** From the weakest to the strongest; `mesh`: RADIUS or an operator said so at another AP. */
export type RightsSource = "unknown" | "file" | "mqtt" | "mesh" | "radius" | "coa" | "none";

export interface ClientRights {
  readonly role: string | undefined;
  readonly source: RightsSource;
  readonly limits: Limits;
  readonly rules: readonly SourcedRule[];
  /** Filters beside the role's, whose rules nobody told. */
  readonly ownFilters: readonly FilterContent[];
  readonly leftSeconds: number | undefined;
}

export interface SourcedRule {
  readonly source: RightsSource;
  readonly rule: Rule;
}

export interface RightsParts {
  readonly policy: CompiledPolicy;
  /** Of this AP's RADIUS. */
  readonly grant: RadiusGrant | undefined;
  /** Rights with authority, wherever they were given. */
  readonly granted: Grant | undefined;
}

export function rightsOf(mac: Mac, { policy, grant, granted }: RightsParts): ClientRights {
  const own = roleOf(policySources(policy), mac);
  const stronger: RightsSource | undefined = grant ? (grant.changed ? "coa" : "radius") : granted && "mesh";
  const said = grant ? grant.role : granted?.role;
  // RADIUS that names no role leaves the policy's own word.
  const role = said !== undefined ? said || undefined : own?.role;
  const source = said !== undefined ? stronger! : ((own?.source as RightsSource) ?? "none");
  const limits = (role !== undefined && policy.source.roles.get(role)?.limits) || NO_LIMITS;
  return {
    role,
    source,
    limits: {
      openOut: granted?.openOut ?? grant?.openOut ?? limits.openOut,
      openIn: granted?.openIn ?? grant?.openIn ?? limits.openIn,
      halfOpen: granted?.halfOpen ?? grant?.halfOpen ?? limits.halfOpen,
    },
    rules: [...ofRole(policy, role), ...ofGrant(policy, grant)],
    ownFilters: granted?.filters ?? [],
    leftSeconds: granted?.leftSeconds ?? grant?.leftSeconds,
  };
}

function ofRole(policy: CompiledPolicy, role: string | undefined): SourcedRule[] {
  const rules = role === undefined ? [] : (policy.source.roles.get(role)?.rules ?? []);
  // With an overlay the roles are the network's: only its list of clients may be the file's.
  const source = policy.fromFile ? "mqtt" : "file";
  return rules.map((rule) => ({ source, rule }));
}

function ofGrant(policy: CompiledPolicy, grant: RadiusGrant | undefined): SourcedRule[] {
  if (!grant?.rules) return [];
  const source = grant.changed ? "coa" : "radius";
  const texts = grant.rules.map((text) => ({ text, place: "RADIUS" }));
  return parseRules(texts, policy.source).map((rule) => ({ source, rule }));
}
