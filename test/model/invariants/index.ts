import type { Simulation, Watch } from "../simulation.ts";
import { mirrorsEqual } from "./i1-mirrors-equal.ts";
import { ownTableIsTold } from "./i2-own-table.ts";
import { nothingValidDenied } from "./i3-nothing-valid-denied.ts";
import { noRightsWithoutGrant } from "./i4-no-rights.ts";
import { numbersOnce } from "./i5-numbers-once.ts";
import { nothingOutlives } from "./i6-no-outliving.ts";
import { onlyHellosAtRest } from "./i7-silence.ts";

/** What must hold whatever happens; each is one file and one sentence. */
export const INVARIANTS: Readonly<Record<string, (sim: Simulation) => Watch>> = {
  I1: mirrorsEqual,
  I2: ownTableIsTold,
  I3: nothingValidDenied,
  I4: noRightsWithoutGrant,
  I5: numbersOnce,
  I6: nothingOutlives,
  I7: onlyHellosAtRest,
};
