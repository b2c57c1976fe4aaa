import { expect, it } from "vitest";
import type { Mac } from "../base/mac.ts";
import { compilePolicy, parsePolicy } from "./policy.ts";
import { policySources, type RoleSource, roleOf } from "./sources.ts";

const LISTED = "02:00:00:00:00:01" as Mac;
const OTHER = "02:00:00:00:00:02" as Mac;
const policy = (text: string) => compilePolicy(parsePolicy(text, "p"), [1, 2, 3, 4]);

it("asks sources in order, and takes the first that knows the client", () => {
  const file = policySources(policy(`roles: {a: {}, b: {}}\nclients: {"${LISTED}": a}\nunknown: b`));
  const radius: RoleSource = { name: "radius", roleOf: (mac) => (mac === OTHER ? "vip" : undefined) };
  expect(roleOf(file, LISTED)).toEqual({ role: "a", source: "file" });
  expect(roleOf(file, OTHER)).toEqual({ role: "b", source: "unknown" });
  expect(roleOf([radius, ...file], OTHER)).toEqual({ role: "vip", source: "radius" });
  expect(roleOf([radius, ...file], LISTED)).toEqual({ role: "a", source: "file" });
});

it("knows nobody who is not listed when the policy says nothing of others", () => {
  expect(roleOf(policySources(policy("roles: {a: {}}")), OTHER)).toBeUndefined();
});
