import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { STATUS } from "../../src/control/metrics/testing/figures.ts";
import { UCI_OPTIONS, UCI_SECTIONS } from "../../src/control/uci/schema.ts";

const APP = "openwrt/luci-app-roamwall";
const RESOURCES = `${APP}/htdocs/luci-static/resources`;

/** An element of the page, or its text. */
type Node = string | { readonly tag: string; readonly attributes: Record<string, unknown>; children: Node[] };

interface Option {
  readonly kind: string;
  readonly name: string;
  readonly help: string;
  readonly values: string[];
  [property: string]: unknown;
}
interface Section {
  readonly kind: string;
  readonly type: string;
  readonly options: Option[];
  [property: string]: unknown;
}

function textOf(node: Node | Node[]): string {
  if (Array.isArray(node)) return node.map(textOf).join(" ");
  return typeof node === "string" ? node : textOf(node.children);
}

const E = (tag: string, attributes: Record<string, unknown>, children: unknown = []): Node => {
  const list = (Array.isArray(children) ? children : [children]) as Node[];
  for (const child of list) if (typeof child !== "string" && !child?.tag) throw new Error(`<${tag}>: ${child}`);
  return { tag, attributes, children: list };
};

/** LuCI's `String.prototype.format`, as far as the pages use it. */
function format(this: string, ...values: unknown[]): string {
  return this.replace(/%([sd%])/g, (_, kind) =>
    kind === "%" ? "%" : String(kind === "d" ? Math.trunc(Number(values.shift())) : values.shift()),
  );
}

/** `answers`: of ubus, by method; none: nobody answers. */
class Luci {
  readonly sections: Section[] = [];
  readonly polls: (() => Promise<unknown>)[] = [];

  constructor(private readonly answers: Record<string, unknown> = {}) {}

  /** As LuCI's loader: the `require` lines name what the rest gets. */
  load(path: string): Record<string, (...values: unknown[]) => unknown> {
    const source = readFileSync(join(RESOURCES, `${path}.js`), "utf8");
    const required = [...source.matchAll(/^"require ([\w.]+)(?: as (\w+))?";$/gm)];
    const names = required.map(([, module, alias]) => alias ?? module!);
    const modules = required.map(([, module]) => this.module(module!));
    Object.assign(String.prototype, { format });
    return new Function("E", "_", ...names, source)(E, (text: string) => text, ...modules);
  }

  private module(name: string): unknown {
    const known: Record<string, unknown> = {
      view: { extend: (body: unknown) => body },
      baseclass: { extend: (body: unknown) => body },
      form: this.form(),
      poll: { add: (run: () => Promise<unknown>) => this.polls.push(run) },
      dom: {
        content(node: { children: Node[] }, children: Node[]) {
          node.children = children;
        },
      },
      rpc: { declare: (call: Call) => () => Promise.resolve(expected(this.answers[call.method], call)) },
    };
    return known[name] ?? this.load(name.replaceAll(".", "/"));
  }

  private form(): unknown {
    const { sections } = this;
    const kinds = ["Value", "Flag", "ListValue", "DynamicList", "NamedSection", "GridSection"];
    class FormMap {
      section(kind: string, name: string, type: string): Section {
        const section: Section = {
          kind,
          type: kind === "NamedSection" ? type : name,
          options: [],
          option: (widget: string, option: string, _title: string, help: string): Option => {
            const made: Option = {
              kind: widget,
              name: option,
              help,
              values: [],
              value: (key: string) => made.values.push(key),
            };
            section.options.push(made);
            return made;
          },
        };
        sections.push(section);
        return section;
      }
      render() {
        return "rendered";
      }
    }
    return { Map: FormMap, ...Object.fromEntries(kinds.map((kind) => [kind, kind])) };
  }
}

interface Call {
  readonly method: string;
  readonly expect: Record<string, unknown>;
}

/** LuCI's rule: what is absent or of another type than the fallback is the fallback. */
function expected(answer: unknown, { expect: wanted }: Call): unknown {
  const [[key, fallback]] = Object.entries(wanted) as [[string, unknown]];
  const value = (answer as Record<string, unknown> | undefined)?.[key];
  const kind = (one: unknown) => Object.prototype.toString.call(one);
  return value === undefined || kind(value) !== kind(fallback) ? fallback : value;
}

describe("settings page", () => {
  const luci = new Luci();
  const page = luci.load("view/roamwall/settings");

  it("shows every option of the table once, in its section, with what is accepted", () => {
    expect(page["render"]!()).toBe("rendered");
    expect(luci.sections.map(({ type }) => type)).toEqual(UCI_SECTIONS);
    for (const section of luci.sections) {
      const rows = UCI_OPTIONS.filter((row) => row.section === section.type);
      expect(section.options.map(({ name }) => name)).toEqual(rows.map(({ name }) => name));
      for (const [i, option] of section.options.entries()) {
        if (!rows[i]!.isSwitch) expect(option.help).toContain(`Accepted: ${rows[i]!.form}.`);
      }
    }
  });

  it("uses the widget that the option's form asks for", () => {
    const find = (path: string) => {
      const [type, name] = path.split(".");
      return luci.sections.find((section) => section.type === type)!.options.find((option) => option.name === name)!;
    };
    expect(find("agent.enabled")).toMatchObject({ kind: "Flag", default: "0" });
    expect(find("agent.mode")).toMatchObject({ kind: "ListValue", values: ["", "enforce", "monitor"] });
    expect(find("agent.id")).toMatchObject({ kind: "Value", datatype: "range(1,65534)" });
    expect(find("replication.peers").kind).toBe("DynamicList");
    expect(find("replication.hold")).toMatchObject({ kind: "Value", placeholder: "200ms" });
    expect(luci.sections.find(({ type }) => type === "port")).toMatchObject({ kind: "GridSection", addremove: true });
  });
});

const CLIENT = { mac: "02:00:00:00:0a:01", role: "staff", here: true, revoked: false, passed: 12, denied: 3, cells: 4 };
const NEIGHBOUR = { name: "hall", id: 9, state: "alive", fill: 0.25, lagMs: 7 };
const DENIED = {
  mac: CLIENT.mac,
  reason: "acl",
  direction: "to client",
  client: "10.0.0.9:22",
  peer: "192.0.2.1:5000",
  proto: 6,
};
const RISK = { id: "wed", severity: "high", finding: "WED is on", remedy: "switch it off" };

describe("status page", () => {
  const answers = {
    status: { value: { ...STATUS, risks: [RISK] } },
    clients: { value: [CLIENT] },
    neighbours: { value: [NEIGHBOUR] },
    denied: { value: [DENIED] },
  };
  const show = async (given: Record<string, unknown>) => {
    const luci = new Luci(given);
    const page = luci.load("view/roamwall/status");
    const node = page["render"]!(await page["load"]!()) as Node;
    return { luci, node, text: textOf(node) };
  };

  it("shows clients, neighbours, fill, denials and risks", async () => {
    const { text, node } = await show(answers);
    for (const part of [
      "02:00:00:00:0a:01 staff here 12 3 4",
      "hall 9 alive 25% 7 ms",
      "acl to client 10.0.0.9:22 192.0.2.1:5000 6",
      "WED is on switch it off",
    ]) {
      expect(text).toContain(part);
    }
    expect(JSON.stringify(node)).toContain(`${STATUS.datapath!.usedCells} / ${STATUS.datapath!.cells}`);
  });

  it("says so when the agent, or roamwalld, is away", async () => {
    expect((await show({})).text).toContain("The agent does not answer");
    const { datapath: _, ...away } = STATUS;
    expect((await show({ status: { value: away } })).text).toContain("roamwalld does not answer");
  });

  it("is drawn anew from what a later question is answered", async () => {
    const given: Record<string, unknown> = { ...answers };
    const { luci, node } = await show(given);
    given["clients"] = { value: [] };
    await luci.polls[0]!();
    expect(textOf(node)).not.toContain(`${CLIENT.mac} staff`);
    expect(textOf(node)).toContain("Clients none");
  });
});

describe("LuCI's files", () => {
  const json = (path: string) => JSON.parse(readFileSync(`${APP}/root/usr/share/${path}`, "utf8"));

  it("have a menu whose views are there", () => {
    const views = Object.values(
      json("luci/menu.d/luci-app-roamwall.json") as Record<string, { action: { type: string; path: string } }>,
    ).filter(({ action }) => action.type === "view");
    const files = readdirSync(`${RESOURCES}/view/roamwall`);
    expect(views.map(({ action }) => `${action.path.replace("roamwall/", "")}.js`).sort()).toEqual(files.sort());
  });

  it("allow each question that the pages ask, and that the plugin of rpcd answers", () => {
    const { read } = json("rpcd/acl.d/luci-app-roamwall.json")["luci-app-roamwall"];
    const asked = [...readFileSync(`${RESOURCES}/view/roamwall/status.js`, "utf8").matchAll(/ask\("(\w+)"/g)].map(
      ([, verb]) => verb,
    );
    const answered = /^verbs="(.*)"$/m
      .exec(readFileSync("openwrt/roamwall/files/roamwall.rpcd", "utf8"))![1]!
      .split(" ");
    expect(read.ubus.roamwall).toEqual(expect.arrayContaining(asked));
    expect(answered).toEqual(expect.arrayContaining(read.ubus.roamwall));
  });
});
