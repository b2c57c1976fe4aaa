/** Error-Cause of RFC 5176 section 3.5: what a refusal means to the server. */
export const CAUSE = {
  residualContextRemoved: 201,
  unsupportedAttribute: 401,
  missingAttribute: 402,
  nasMismatch: 403,
  invalidRequest: 404,
  unsupportedService: 405,
  invalidValue: 407,
  prohibited: 501,
  noSession: 503,
  noResources: 506,
  severalSessions: 508,
} as const;
