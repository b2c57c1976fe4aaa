/** The table of verbs: a file beside the program's, which the agent never reads. */
import { agentVerb } from "./agent.ts";
import { clientVerb } from "./client.ts";
import { clientsVerb } from "./clients.ts";
import { deniedVerb } from "./denied.ts";
import { keyVerb } from "./key.ts";
import { monitorVerb } from "./monitor.ts";
import { neighboursVerb } from "./neighbours.ts";
import { policyVerb } from "./policy.ts";
import { radiusVerb } from "./radius.ts";
import { reloadVerb } from "./reload.ts";
import { replayVerb } from "./replay.ts";
import { sessionsVerb } from "./sessions.ts";
import { statusVerb } from "./status.ts";
import { uciVerb } from "./uci.ts";
import type { Verb } from "./verb.ts";
import { whyVerb } from "./why.ts";

export const VERBS: readonly Verb[] = [
  agentVerb,
  statusVerb,
  clientsVerb,
  clientVerb,
  whyVerb,
  monitorVerb,
  deniedVerb,
  sessionsVerb,
  neighboursVerb,
  reloadVerb,
  replayVerb,
  policyVerb,
  keyVerb,
  radiusVerb,
  uciVerb,
];
