import { describe, expect, it } from "vitest";
import { believedSeconds, earliestSeconds } from "./wall-clock.ts";

describe("the time of day", () => {
  it.each([
    ["in 1970, without a battery", 12, undefined],
    ["of the image, a second before the build", 1_799_999_999, undefined],
    ["of the build", 1_800_000_000, 1_800_000_000],
    ["years later", 1_900_000_000, 1_900_000_000],
  ])("%s is known or not", (_name, seconds, known) => {
    expect(believedSeconds(seconds * 1000 + 250, 1_800_000_000)).toBe(known);
  });

  it("is that of the sources where nothing was built", () => {
    expect(earliestSeconds()).toBe(Date.UTC(2026, 10, 1) / 1000);
  });
});
