import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    testTimeout: 120_000,
    // A lab is opened in hooks, and waits for its neighbours: on a busy machine ten seconds are not enough.
    hookTimeout: 120_000,
    pool: "forks",
  },
});
