/** The packages: what is in each, in the words of the feed's Makefiles. One table for .ipk, .apk and the tests. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { type Entry, type Tree, text } from "./tree.ts";

export interface Recipe {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  /** `all`: the same on every device. */
  readonly isForAll: boolean;
  readonly depends: readonly string[];
  readonly section: string;
  /** Files that the owner may change, and directories that a sysupgrade keeps. */
  readonly conffiles: readonly string[];
  /** Shell, run before a removal (also before the old version of an upgrade by opkg goes). */
  readonly prerm?: string;
  /** Shell, run when the files are there, before the services start. */
  readonly postinst?: string;
  /** Shell, run when the files are gone. */
  readonly postrm?: string;
  /** `binaries`: of the architecture, by name. */
  tree(binaries: ReadonlyMap<string, Uint8Array>): Tree;
}

const FEED = "openwrt";

function file(path: string, from: string, mode = 0o644): Entry {
  return { path, mode, content: readFileSync(from) };
}

/** `<feed>/<package>/files/<name>` */
function own(name: string, path: string, from: string, mode = 0o644): Entry {
  return file(path, `${FEED}/${name}/files/${from}`, mode);
}

function binary(binaries: ReadonlyMap<string, Uint8Array>, name: string, path: string, mode = 0o755): Entry {
  const content = binaries.get(name);
  if (!content) throw new Error(`${name} was not built`);
  return { path, mode, content };
}

function below(directory: string, to: string): Entry[] {
  const names = readdirSync(directory, { recursive: true, withFileTypes: true });
  return names
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`.slice(directory.length + 1))
    .sort()
    .map((name) => file(`${to}/${name}`, `${directory}/${name}`));
}

const roamwalld: Recipe = {
  name: "roamwalld",
  title: "Roamwall's filter on the client ports",
  description:
    "Loads and attaches the eBPF filter of Roamwall, keeps its state over restarts, and carries it to the agent.",
  isForAll: false,
  depends: [],
  section: "net",
  conffiles: [],
  prerm: readFileSync(`${FEED}/roamwalld/files/roamwalld.prerm`, "utf8"),
  tree: (binaries) => [
    binary(binaries, "roamwalld", "/usr/sbin/roamwalld"),
    ...[...binaries.keys()]
      .filter((name) => name.endsWith(".o"))
      .map((name) => binary(binaries, name, `/usr/lib/roamwall/${name}`, 0o644)),
    own("roamwalld", "/etc/init.d/roamwalld", "roamwalld.init", 0o755),
    own("roamwalld", "/etc/capabilities/roamwalld.json", "roamwalld.capabilities.json"),
  ],
};

const RELOAD_RPCD = readFileSync(`${FEED}/roamwall/files/roamwall.reload-rpcd`, "utf8");

const roamwall: Recipe = {
  name: "roamwall",
  title: "A firewall that roams with the client",
  description:
    "Filters on each access point what its own clients send and receive, and streams the filter's state to the neighbours, so that a client that roams keeps its flows and its rights. Needs an engine: roamwall-qjs, or node 20 or newer.",
  isForAll: true,
  depends: ["roamwalld"],
  section: "net",
  conffiles: ["/etc/config/roamwall", "/etc/roamwall/policy.yaml", "/etc/roamwall/"],
  prerm: readFileSync(`${FEED}/roamwall/files/roamwall.prerm`, "utf8"),
  postinst: RELOAD_RPCD,
  postrm: RELOAD_RPCD,
  tree: () => [
    ...readdirSync("dist")
      .filter((name) => /^roamwall.*\.(cjs|js|html|css)$/.test(name))
      .sort()
      .map((name) => file(`/usr/lib/roamwall/${name}`, `dist/${name}`)),
    own("roamwall", "/usr/bin/roamwall", "roamwall.sh", 0o755),
    own("roamwall", "/etc/init.d/roamwall", "roamwall.init", 0o755),
    own("roamwall", "/etc/config/roamwall", "roamwall.config"),
    own("roamwall", "/etc/roamwall/policy.yaml", "policy.yaml", 0o600),
    own("roamwall", "/etc/hotplug.d/net/20-roamwall", "roamwall.hotplug"),
    own("roamwall", "/etc/uci-defaults/60-roamwall", "roamwall.uci-defaults", 0o755),
    own("roamwall", "/usr/libexec/rpcd/roamwall", "roamwall.rpcd", 0o755),
  ],
};

const qjs: Recipe = {
  name: "roamwall-qjs",
  title: "Roamwall's agent without Node",
  description:
    "A small JavaScript engine with what Roamwall's agent needs of its machine, for access points that cannot run Node.",
  isForAll: false,
  depends: [],
  section: "net",
  conffiles: [],
  tree: (binaries) => [binary(binaries, "roamwall-qjs", "/usr/bin/roamwall-qjs")],
};

const LUCI = `${FEED}/luci-app-roamwall`;

const luci: Recipe = {
  name: "luci-app-roamwall",
  title: "LuCI pages of Roamwall",
  description: "Settings of Roamwall, and what it does now: clients, neighbours, fill, denials.",
  isForAll: true,
  depends: ["luci-base", "roamwall"],
  section: "luci",
  conffiles: [],
  tree: () => [...below(`${LUCI}/htdocs`, "/www"), ...below(`${LUCI}/root`, "")],
};

export const RECIPES: readonly Recipe[] = [roamwalld, roamwall, qjs, ...(existsSync(`${LUCI}/htdocs`) ? [luci] : [])];

/** As the build of OpenWrt does: what is no file of the package itself is kept by sysupgrade through a list. */
export function withKeepList(recipe: Recipe, tree: Tree): Tree {
  const kept = recipe.conffiles.filter((path) => !tree.some((entry) => entry.path === path));
  return kept.length ? [...tree, text(`/lib/upgrade/keep.d/${recipe.name}`, `${kept.join("\n")}\n`)] : tree;
}
