import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { nodePlatform } from "../../platform/node/platform.ts";
import { type Platform, PROCESS_LINE_MAX } from "../../platform/platform.ts";
import { paperTerminal, type Said } from "../../platform/testing/paper-terminal.ts";
import { runCli } from "../cli/cli.ts";
import { parseSettings } from "../settings.ts";
import { DAEMON_OPTIONS } from "./daemon-options.ts";
import { parseUci, uciQuote } from "./parse.ts";
import { readUci, type Surroundings } from "./read.ts";
import { UCI_OPTIONS, UCI_SECTIONS } from "./schema.ts";
import { luciOptions, uciDefaultConfig, uciExample, uciTables } from "./text.ts";

const PLACE = "/etc/config/roamwall";
const AROUND: Surroundings = {
  wireless: ["phy0-ap0", "phy1-ap0"],
  address: (network) => (network === "lan" ? "192.168.1.2" : undefined),
};
const read = (text: string) => readUci(text, PLACE, AROUND);
const ON = "config agent 'agent'\n\toption enabled '1'\n\toption id '7'\n";

describe("parseUci", () => {
  it("reads types, names, options and lists with their places", () => {
    const text = "package x\n\nconfig agent 'main'\n\toption id 7 # seven\n\tlist p a\n\tlist p \"b c\"\nconfig port\n";
    const sections = parseUci(text, PLACE);
    expect(sections.map(({ type, name }) => [type, name])).toEqual([
      ["agent", "main"],
      ["port", undefined],
    ]);
    const [id, list] = sections[0]!.options;
    expect(id).toMatchObject({ name: "id", isList: false, values: [{ text: "7" }] });
    expect(text.slice(id!.at, id!.at + 2)).toBe("id");
    expect(list!.values.map((value) => value.text)).toEqual(["a", "b c"]);
  });

  it("takes the last of two options, and begins a list anew after an option", () => {
    const [section] = parseUci("config a\noption x 1\noption x 2\noption y z\nlist y a\n", PLACE);
    expect(section!.options.map(({ values }) => values.map(({ text }) => text))).toEqual([["2"], ["a"]]);
  });

  it.each(["it's", "a b", 'say "x"', "back\\slash", "line\nbreak", "# no comment", ""])(
    "reads back %j as it was quoted",
    (text) => {
      const [section] = parseUci(`config a\noption x ${uciQuote(text)}\n`, PLACE);
      expect(section!.options[0]!.values[0]!.text).toBe(text);
    },
  );

  it.each([
    ["option before any section", "option a b", ":1: ", "config TYPE 'NAME' first"],
    ["an unknown word", "config a\nfoo bar", ':2: "foo bar"', "config, option, list"],
    ["an option without its value", "config a\n\noption x", ':3: "option x"', "option NAME 'VALUE'"],
    ["too many words", "config a\noption x 1 2", ":2: ", "option NAME 'VALUE'"],
    ["an open quote", "config a\noption x 'y\n", ":2: a quote '", "'...'"],
  ])("names line and form of %s", (_phrase, text, found, accepted) => {
    expect(() => parseUci(text, PLACE)).toThrow(found);
    expect(() => parseUci(text, PLACE)).toThrow(accepted);
  });

  it("ends on any text", () => {
    const text = 'config a \'b\'\n\toption c "d\\"e"\n\tlist f g\n# h\n';
    for (let end = 0; end <= text.length; end++) {
      try {
        parseUci(text.slice(0, end), PLACE);
      } catch (error) {
        expect((error as Error).message).toContain(PLACE);
      }
    }
  });
});

describe("readUci", () => {
  it("gives the agent its settings and roamwalld its arguments", () => {
    const { agent, daemon } = read(
      `${ON}config daemon 'daemon'\n\toption table '4x256x8/r26'\n\toption filter_memory '64K'\n` +
        "config port\n\toption device lan1\n\toption zone 3\n\toption tagged 1\n" +
        "config replication 'replication'\n\toption network lan\n\tlist peers 192.168.1.3\n\toption hold 100ms\n",
    );
    const settings = parseSettings(JSON.stringify(agent), "agent.json");
    expect(settings).toMatchObject({ id: 7, replication: { enabled: true, bind: "192.168.1.2", holdMs: 100 } });
    expect(settings.replication.peers).toEqual([{ address: "192.168.1.3", port: 4755 }]);
    expect(daemon.join(" ")).toBe(
      "--table 4x256x8/r26 --filter-memory 64K --socket /run/roamwall/daemon.sock --key /etc/roamwall/key " +
        "--port lan1,zone=3,tagged --port phy0-ap0 --port phy1-ap0",
    );
  });

  it("splits an option into a list, and takes yes for 1", () => {
    const { agent } = read(
      `${ON}config replication 'r'\n\toption enabled yes\n\toption bind 10.0.0.1\n\toption peers '10.0.0.2 10.0.0.3'\n`,
    );
    expect(agent).toMatchObject({ replication: { enabled: "true", peers: ["10.0.0.2", "10.0.0.3"] } });
  });

  it("does not count an empty section, and asks nothing of what is not enabled", () => {
    expect(read(`${ON}config radius 'radius'\n`).agent).toEqual({ id: "7" });
    expect(read(uciDefaultConfig())).toEqual({ enabled: false, agent: {}, daemon: [] });
  });

  it.each([
    ["no id", ON.replace(/.*id.*\n/, ""), "no id"],
    ["a bad number", ON.replace("'7'", "'70000'"), ':3 agent.id: "70000"; accepted: a whole number of 1 to 65534'],
    [
      "an unknown option",
      `${ON}\toption colour red\n`,
      ":4 agent.colour: an unknown option; accepted: enabled, engine",
    ],
    ["an unknown section", `${ON}config wall 'x'\n`, ':4: section of type "wall"; accepted: agent, daemon'],
    ["a second section", `${ON}config agent 'b'\n`, ":4: a second section agent"],
    ["a list where one value is", ON.replace("option id", "list id"), ":3 agent.id: a list; accepted: option id '...'"],
    [
      "a dashed name",
      `${ON}config radius 'r'\n\toption servers 192.0.2.1\n\toption secret_file x\n\toption message_authenticator no\n`,
      ':7 radius.message_authenticator: "no"; accepted: eap, always',
    ],
    [
      "a list's member",
      `${ON}config replication 'r'\n\toption bind 10.0.0.1\n\tlist peers 10.0.0.2\n\tlist peers x\n`,
      ":7 replication.peers[1]",
    ],
    ["a table", `${ON}config daemon 'd'\n\toption table 4x1000x8/r26\n`, ":5 daemon.table"],
    ["a port without device", `${ON}config port\n\toption zone 1\n`, ":4: a port without a device"],
    [
      "a port twice",
      `${ON}config port\n\toption device a\nconfig port\n\toption device a\n`,
      ':7 port.device: "a" twice',
    ],
    [
      "a network that is down",
      `${ON}config replication 'r'\n\toption network mesh\n`,
      ':5 replication.network: network "mesh" has no address',
    ],
    ["no port at all", `${ON}config daemon 'd'\n\toption wireless 0\n`, "no client port"],
  ])("names file, line, section and option, and what is accepted: %s", (_phrase, text, message) => {
    expect(() => read(text)).toThrow(message);
    expect(() => read(text)).toThrow(PLACE);
  });
});

/** What must stand beside an option so that it counts. */
const BESIDE: Record<string, string> = {
  replication: "option bind 10.9.0.1\n\tlist peers 10.9.0.2",
  identities: `option mesh m\n\tlist keys ${"5a".repeat(32)}`,
  mqtt: `option url mqtt://b\n\toption mesh m\n\tlist keys ${"5a".repeat(32)}`,
  radius: "list servers 192.0.2.1\n\toption secret_file /x",
  page: "option listen 127.0.0.1",
  port: "option device lan9",
};

function withOption(row: (typeof UCI_OPTIONS)[number], value: string): string {
  const line = `\t${row.isList ? "list" : "option"} ${row.name} ${uciQuote(value)}\n`;
  const beside = (BESIDE[row.section] ?? "").replace(new RegExp(`.*\\b${row.name} .*`), "");
  return row.section === "agent" ? `${ON}${line}` : `${ON}config ${row.section}\n\t${beside}\n${line}`;
}

describe("the table of options", () => {
  it.each(UCI_OPTIONS.map((row) => [`${row.section}.${row.name}`, row] as const))(
    "gives %s an example that is accepted",
    (_name, row) => {
      expect(read(withOption(row, uciExample(row))).enabled).toBe(row.name !== "enabled" || row.section !== "agent");
    },
  );

  const FREE = [
    "text",
    "path",
    "name of a network",
    "mqtt://host:port, mqtts://host:port",
    "address, or %name for IPv6",
  ];
  const checked = UCI_OPTIONS.filter((row) => !FREE.includes(row.form));
  it.each(checked.map((row) => [`${row.section}.${row.name}`, row] as const))(
    "refuses nonsense in %s by its place",
    (name, row) => {
      expect(() => read(withOption(row, "no!sense"))).toThrow(new RegExp(`^${PLACE}:\\d+ ${name}\\b.*accepted: `));
    },
  );

  it("has every option of roamwalld's help, but those for tests", () => {
    const help = readFileSync("firmware/options.c", "utf8");
    const text = help.slice(help.indexOf("static const char help_text"), help.indexOf("For tests only"));
    const offered = [...text.matchAll(/^\t" {2}--([a-z-]+)/gm)].map(([, name]) => name!);
    const others = ["port", "key", "socket", "remove", "print-rules", "help"];
    const known = [...DAEMON_OPTIONS.map(({ name }) => name), ...others];
    expect(known.sort()).toEqual([...offered].sort());
  });

  it("is what the default configuration and docs/uci.md say: run scripts/gen-settings.ts", () => {
    expect(readFileSync("openwrt/roamwall/files/roamwall.config", "utf8")).toBe(uciDefaultConfig());
    expect(readFileSync("docs/uci.md", "utf8")).toContain(uciTables());
    const luci = "openwrt/luci-app-roamwall/htdocs/luci-static/resources/roamwall/options.js";
    expect(readFileSync(luci, "utf8")).toBe(luciOptions());
  });

  it("gives every row effect, form and default", () => {
    for (const { effect, form, default: fallback } of UCI_OPTIONS) expect([effect, form, fallback]).not.toContain("");
    expect(UCI_SECTIONS).toEqual(expect.arrayContaining(["agent", "port", "daemon", "replication", "mqtt", "radius"]));
  });
});

describe("roamwall uci apply", () => {
  const directory = mkdtempSync(join(tmpdir(), "roamwall-uci-"));
  afterAll(() => rmSync(directory, { recursive: true }));
  const file = join(directory, "roamwall");
  const accepted = join(directory, "accepted");
  let said: Said = { out: "", err: "" };
  const platform: Platform = {
    ...nodePlatform({ write: () => {} }),
    spawn(_command, args, on) {
      const answers: Record<string, string> = {
        dev: "phy#0\n\tInterface phy0-mesh0\n\t\tifindex 9\n\t\ttype mesh point\n\tInterface phy0-ap0\n\t\tifindex 8\n\t\ttype AP\n\tInterface phy0-ap0.sta1\n\t\ttype AP/VLAN",
        "call network.interface dump":
          '{"interface":[{"interface":"lan","ipv4-address":[{"address":"10.9.0.1","mask":24}]}]}',
      };
      const answer = answers[args.join(" ")];
      queueMicrotask(() => {
        for (const line of answer?.split("\n") ?? []) on.line(line);
        on.exit(answer ? 0 : 1);
      });
      return { stop() {} };
    },
  };
  const run = (...words: string[]) => runCli(paperTerminal(["uci", ...words, "--file", file], said), platform);
  const apply = () => run("apply", "--accepted", accepted);

  beforeEach(() => {
    said = { out: "", err: "" };
    rmSync(accepted, { recursive: true, force: true });
    mkdirSync(accepted);
  });

  it("keeps what is good, and writes nothing that is the same", async () => {
    writeFileSync(file, `${ON}config replication 'replication'\n\toption network lan\n\toption group 239.255.77.77\n`);
    expect(await apply()).toBe(0);
    expect(said.out).toContain("roamwalld and agent changed");
    expect(readFileSync(join(accepted, "roamwalld"), "utf8")).toContain("--port\nphy0-ap0\n");
    expect(readFileSync(join(accepted, "roamwalld"), "utf8")).not.toContain("mesh0");
    expect(JSON.parse(readFileSync(join(accepted, "agent.json"), "utf8")).replication.bind).toBe("10.9.0.1");
    expect(await apply()).toBe(0);
    expect(said.out).toContain("nothing changed");
  });

  it("keeps a port whose netdev is gone for the moment", async () => {
    writeFileSync(file, ON);
    writeFileSync(join(accepted, "roamwalld"), "--port\nrw-gone-ap7\n--port\nlo\n--port\nrw-wired,zone=3\n");
    await apply();
    const ports = readFileSync(join(accepted, "roamwalld"), "utf8").split("--port\n").slice(1);
    expect(ports.map((port) => port.trim())).toEqual(["phy0-ap0", "phy0-ap0.sta1", "rw-gone-ap7"]);
  });

  it("refuses what is broken, and lets the last good one stay", async () => {
    writeFileSync(file, ON);
    await apply();
    const before = readFileSync(join(accepted, "roamwalld"), "utf8");
    writeFileSync(file, ON.replace("'7'", "'seven'"));
    expect(await apply()).toBe(1);
    expect(said.err).toMatch(/:3 agent\.id: "seven"; accepted: .*; the accepted one stays/);
    expect(readFileSync(join(accepted, "roamwalld"), "utf8")).toBe(before);
  });

  it("says so when there is no last good one", async () => {
    writeFileSync(file, "nonsense\n");
    expect(await apply()).toBe(1);
    expect(said.err).toContain("none was accepted before");
    expect(await run("check")).toBe(1);
  });

  it("bounds the text", () => {
    expect(() => parseUci("#".repeat(PROCESS_LINE_MAX + 1), PLACE)).toThrow("characters");
  });
});
