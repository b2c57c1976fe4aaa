import { beforeEach, describe, expect, it } from "vitest";
import { RoamwallError } from "../base/errors.ts";
import type { Platform } from "../platform/platform.ts";
import { Adoption } from "./adoption.ts";
import { parseSettings } from "./settings.ts";
import { parseUci, uciQuote } from "./uci/parse.ts";

const WIRELESS = `package wireless
config wifi-iface 'corp'
	option ssid 'Corp'
	option auth_server '192.0.2.10'
	option auth_secret 'shared'
config wifi-iface 'guest'
	option ssid 'Guest'
	list auth_server '192.0.2.1'
	list auth_server '192.0.2.2'
config wifi-iface
	option ssid 'nameless'
`;
const radius = parseSettings("id: 1\nradius: {servers: [192.0.2.10], secret-file: /secret}", "agent.yaml").radius!;

/** A `uci` of one package, with the same answers as libuci's. */
class World {
  text = WIRELESS;
  commits = 0;
  readonly kept = new Map([["/secret", "shared\n"]]);
  readonly files = {
    readText: (path: string) => {
      const text = this.kept.get(path);
      if (text === undefined) throw new RoamwallError("ROAMWALL_ERR_FILE", `${path}: no such file`);
      return text;
    },
    writeText: (path: string, text: string) => void this.kept.set(path, text),
  };
  readonly clock = { nowMs: () => 0, after: () => () => {} };

  spawn: Platform["spawn"] = (command, args, on) => {
    expect(command).toBe("uci");
    const words = args.filter((word) => word !== "-q");
    queueMicrotask(() => {
      const lines = this.run(words[0]!, words[1]!);
      for (const line of lines ?? []) on.line(line);
      on.exit(lines ? 0 : 1);
    });
    return { stop() {} };
  };

  private run(verb: string, word: string): string[] | undefined {
    if (verb === "export") return this.text.split("\n");
    if (verb === "commit") this.commits++;
    const [, name, option, value] = /^wireless\.(\w+)\.(\w+)(?:=(.*))?$/s.exec(word) ?? [];
    if (!name) return verb === "commit" ? [] : undefined;
    const sections = parseUci(this.text, "wireless");
    const lines = sections.flatMap((section) => {
      const own = section.options.flatMap((one) => {
        const isGone = section.name === name && one.name === option && verb !== "add_list";
        return isGone
          ? []
          : one.values.map(({ text }) => `\t${one.isList ? "list" : "option"} ${one.name} ${uciQuote(text)}`);
      });
      const added = section.name === name && verb === "set" ? [`\toption ${option} ${uciQuote(value!)}`] : [];
      const listed = section.name === name && verb === "add_list" ? [`\tlist ${option} ${uciQuote(value!)}`] : [];
      return [`config ${section.type} ${section.name ? uciQuote(section.name) : ""}`, ...own, ...added, ...listed];
    });
    this.text = `${lines.join("\n")}\n`;
    return [];
  }

  values(name: string): Record<string, string | string[]> {
    const section = parseUci(this.text, "wireless").find((one) => one.name === name)!;
    return Object.fromEntries(
      section.options.map((one) => [one.name, one.isList ? one.values.map(({ text }) => text) : one.values[0]!.text]),
    );
  }
}

describe("Adoption", () => {
  let world: World;
  let adoption: Adoption;
  beforeEach(() => {
    world = new World();
    adoption = new Adoption(world, "/adopted.json");
  });

  it("points a wifi-iface at the relay, and changes nothing else", async () => {
    const guest = world.values("guest");
    expect(await adoption.adopt("corp", radius)).toBe(true);
    expect(world.values("corp")).toEqual({
      ssid: "Corp",
      auth_server: "127.0.0.1",
      auth_port: "1812",
      auth_secret: "shared",
      acct_server: "127.0.0.1",
      acct_port: "1813",
      acct_secret: "shared",
    });
    expect(world.values("guest")).toEqual(guest);
    expect(adoption.list()).toEqual(["corp"]);
  });

  it("restores what was there, lists as lists", async () => {
    const before = [world.values("corp"), world.values("guest")];
    for (const name of ["corp", "guest"]) await adoption.adopt(name, radius);
    expect(world.values("guest")).not.toEqual(before[1]);
    for (const name of ["corp", "guest"]) expect(await adoption.release(name)).toBe(true);
    expect([world.values("corp"), world.values("guest")]).toEqual(before);
    expect(adoption.list()).toEqual([]);
  });

  it("does nothing twice, and remembers the first state", async () => {
    const before = world.values("guest");
    await adoption.adopt("guest", radius);
    expect(await adoption.adopt("guest", radius)).toBe(false);
    expect(await adoption.adopt("guest", { ...radius, listen: { address: "127.0.0.1", port: 1912 } })).toBe(true);
    await adoption.release("guest");
    expect(world.values("guest")).toEqual(before);
  });

  it("leaves alone what somebody has changed since", async () => {
    await adoption.adopt("corp", radius);
    world.text = world.text.replace("'127.0.0.1'", "'198.51.100.1'");
    expect(await adoption.release("corp")).toBe(false);
    expect(world.values("corp")["auth_server"]).toBe("198.51.100.1");
    expect(adoption.list()).toEqual([]);
  });

  it("refuses a secret that the relay does not have, and changes nothing", async () => {
    world.kept.set("/secret", "another\n");
    await expect(adoption.adopt("corp", radius)).rejects.toThrow(
      "corp auth_secret: another secret than the relay's; accepted: the first line of /secret",
    );
    expect(world.text).toBe(WIRELESS);
  });

  it.each(["lan", "nameless"])("names the interfaces that there are instead of %s", async (name) => {
    await expect(adoption.adopt(name, radius)).rejects.toThrow(`"${name}"; accepted: corp, guest`);
    await expect(adoption.release(name)).rejects.toThrow("none is");
  });

  it("does not take a broken memory for an empty one", async () => {
    world.kept.set("/adopted.json", "{");
    await expect(adoption.adopt("corp", radius)).rejects.toThrow("/adopted.json: no JSON");
    expect(world.text).toBe(WIRELESS);
  });
});
