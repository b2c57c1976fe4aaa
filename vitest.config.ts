import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    // What a test waits for has bounds of its own; this one is for what hangs, on a machine that is ten times slower.
    testTimeout: 300_000,
    // A lab is opened in hooks, and waits for its neighbours: on a busy machine ten seconds are not enough.
    hookTimeout: 300_000,
    pool: "forks",
  },
});
