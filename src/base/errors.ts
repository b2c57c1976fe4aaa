/** An error for three readers: text for people, a stable code for programs, a heading in docs/errors.md. */
export class RoamwallError extends Error {
  constructor(
    readonly code: `ROAMWALL_ERR_${string}`,
    message: string,
  ) {
    super(message);
    this.name = "RoamwallError";
  }
}

/** By name: a file beside the agent's brings a class of its own. */
export function isRoamwallError(error: unknown): error is RoamwallError {
  return error instanceof Error && error.name === "RoamwallError";
}

/**
 * Bad input: `place` says where (file:line, field, offset), `accepted` what would have been right, `meant` what the mistyped
 * word probably was.
 */
export function badInput(place: string, found: string, accepted: string, meant?: string): RoamwallError {
  const guess = meant === undefined ? "" : ` (did you mean ${meant}?)`;
  return new RoamwallError("ROAMWALL_ERR_INPUT", `${place}: ${found}${guess}; accepted: ${accepted}`);
}
