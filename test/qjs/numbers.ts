/** Prints what the engine's arithmetic makes of fixed numbers. */
import { host } from "../../src/platform/qjs/host.ts";
import { numberLines } from "./arithmetic.ts";

for (const line of numberLines()) host.say(1, host.encode(`${line}\n`));
