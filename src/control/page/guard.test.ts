import { describe, expect, it } from "vitest";
import { portableCrypto } from "../../platform/portable-crypto.ts";
import { Guard } from "./guard.ts";
import type { Request } from "./http.ts";

const TOKEN = "0123456789abcdef";
const asking = (headers: Record<string, string>): Request => ({ path: "/", headers: new Map(Object.entries(headers)) });
const guard = new Guard({ token: TOKEN, names: ["ap1.mesh.example"] }, portableCrypto);

describe("Guard", () => {
  it.each([
    ["127.0.0.1:9477", true],
    ["localhost", true],
    ["[::1]:9477", true],
    ["AP1.mesh.example:9477", true],
    ["attacker.example", false],
    ["127.0.0.1.attacker.example", false],
    ["localhost.attacker.example:9477", false],
    ["", false],
  ])("asked for as %s: %s", (host, isKnown) => {
    expect(guard.isHostKnown(asking({ host }))).toBe(isKnown);
  });

  it.each([
    ["the token", `Bearer ${TOKEN}`, true],
    ["no token", "", false],
    ["a part of it", `Bearer ${TOKEN.slice(0, -1)}`, false],
    ["more than it", `Bearer ${TOKEN}0`, false],
    ["another scheme", `Basic ${TOKEN}`, false],
    ["an endless one", `Bearer ${"a".repeat(600)}`, false],
  ])("shown %s: %s", (_phrase, authorization, isAllowed) => {
    expect(guard.isAllowed(asking({ authorization }))).toBe(isAllowed);
  });

  it("asks for none where none is set", () => {
    expect(new Guard({ names: [] }, portableCrypto).isAllowed(asking({}))).toBe(true);
  });
});
