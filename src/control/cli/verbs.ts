/** The table of verbs: a file beside the program's, which the agent never reads. */
import { agentVerb } from "./agent.ts";
import { applyVerb, confirmVerb, revertVerb } from "./apply.ts";
import { captureVerb } from "./capture.ts";
import { clientVerb } from "./client.ts";
import { clientsVerb } from "./clients.ts";
import { completionVerb } from "./completion.ts";
import { deniedVerb } from "./denied.ts";
import { doctorVerb } from "./doctor.ts";
import { identityVerb } from "./identity.ts";
import { keyVerb } from "./key.ts";
import { learnVerb } from "./learn.ts";
import { manualVerb } from "./manual.ts";
import { membersVerb } from "./members.ts";
import { modeVerb } from "./mode.ts";
import { monitorVerb } from "./monitor.ts";
import { neighboursVerb } from "./neighbours.ts";
import { policyVerb } from "./policy.ts";
import { radiusVerb } from "./radius.ts";
import { reloadVerb } from "./reload.ts";
import { replayVerb } from "./replay.ts";
import { sessionsVerb } from "./sessions.ts";
import { simulateVerb } from "./simulate.ts";
import { sizeVerb } from "./size.ts";
import { statusVerb } from "./status.ts";
import { tableVerb } from "./table.ts";
import { topVerb } from "./top.ts";
import { traceVerb } from "./trace.ts";
import { uciVerb } from "./uci.ts";
import type { Verb } from "./verb.ts";
import { whyVerb } from "./why.ts";

/** In the order of the help: what one looks at, what one changes, what needs no agent. */
export const VERBS: readonly Verb[] = [
  agentVerb,
  statusVerb,
  topVerb,
  doctorVerb,
  clientsVerb,
  clientVerb,
  whyVerb,
  monitorVerb,
  traceVerb,
  deniedVerb,
  captureVerb,
  neighboursVerb,
  sessionsVerb,
  tableVerb,
  modeVerb,
  learnVerb,
  applyVerb,
  confirmVerb,
  revertVerb,
  reloadVerb,
  replayVerb,
  simulateVerb,
  sizeVerb,
  policyVerb,
  keyVerb,
  identityVerb,
  membersVerb,
  radiusVerb,
  uciVerb,
  manualVerb(() => VERBS),
  completionVerb(() => VERBS),
];
