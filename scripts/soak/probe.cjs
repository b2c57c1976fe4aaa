/**
 * Preloaded into an agent that is soaked (NODE_OPTIONS="--expose-gc --require .../probe.cjs"): on SIGUSR2 it collects
 * garbage and writes what is left, in bytes, into SOAK_FILE. SOAK_LEAK bytes a second are kept for ever: the control.
 */
const { writeFileSync, renameSync } = require("node:fs");

const { SOAK_FILE, SOAK_LEAK } = process.env;
const LEAKS_A_SECOND = 10;

process.on("SIGUSR2", () => {
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  writeFileSync(`${SOAK_FILE}.new`, `${heapUsed + external}`);
  renameSync(`${SOAK_FILE}.new`, SOAK_FILE);
});

if (Number(SOAK_LEAK) > 0) {
  const kept = [];
  const leak = () => kept.push(new Array(Math.ceil(Number(SOAK_LEAK) / LEAKS_A_SECOND / 8)).fill(kept.length + 0.5));
  setInterval(leak, 1000 / LEAKS_A_SECOND).unref();
}
