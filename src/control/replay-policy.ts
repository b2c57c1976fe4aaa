import { type CompiledPolicy, compilePolicy, type Policy, parsePolicy } from "../policy/policy.ts";

/** Secret on an AP; in a replay the same every time, so that two runs say the same. */
export const REPLAY_SEEDS = [0x52a4d001, 0x52a4d002, 0x52a4d003, 0x52a4d004] as const;

const PERMISSIVE = "roles: { client: { rules: [out any to any] } }\nunknown: client\n";

export function permissivePolicy(): Policy {
  return parsePolicy(PERMISSIVE, "default policy");
}

/** Without a policy: clients may open anything, their peers nothing. */
export function replayPolicy(text = PERMISSIVE, place = "default policy"): CompiledPolicy {
  return compilePolicy(parsePolicy(text, place), REPLAY_SEEDS);
}
