/** The file tree and the command for `apk mkpkg` (OpenWrt 25.12 and newer), as include/package-pack.mk calls it. */
import { createHash } from "node:crypto";
import type { Origin } from "./ipk.ts";
import { type Recipe, withKeepList } from "./recipe.ts";
import { type Tree, text } from "./tree.ts";

export interface ApkSource {
  readonly files: Tree;
  /** by phase, as `post-install` */
  readonly scripts: ReadonlyMap<string, string>;
  /** Arguments of `apk mkpkg`; paths are below `directory`. */
  command(directory: string, output: string): string[];
}

export function apkSource(recipe: Recipe, tree: Tree, architecture: string, origin: Origin): ApkSource {
  const whole = withKeepList(recipe, tree);
  const lists = `/lib/apk/packages/${recipe.name}`;
  const conffiles = recipe.conffiles;
  const sums = conffiles.flatMap((path) => {
    const entry = whole.find((one) => one.path === path);
    return entry ? [`${path} ${createHash("sha256").update(entry.content).digest("hex")}\n`] : [];
  });
  const files = [
    ...whole,
    // Without it the init script is neither enabled nor stopped: default_postinst reads it.
    text(`${lists}.list`, lines(whole.map(({ path }) => path).sort())),
    ...(conffiles.length ? [text(`${lists}.conffiles`, lines(conffiles))] : []),
    ...(sums.length ? [text(`${lists}.conffiles_static`, sums.join(""))] : []),
  ];
  const scripts = scriptsOf(recipe);
  const command = (directory: string, output: string) => [
    "mkpkg",
    ...infos(recipe, architecture, origin).flatMap(([key, value]) => ["--info", `${key}:${value}`]),
    ...[...scripts.keys()].flatMap((phase) => ["--script", `${phase}:${directory}/${phase}`]),
    "--files",
    `${directory}/files`,
    "--output",
    output,
  ];
  return { files, scripts, command };
}

function lines(words: readonly string[]): string {
  return words.map((word) => `${word}\n`).join("");
}

function infos(recipe: Recipe, architecture: string, origin: Origin): [string, string][] {
  return [
    ["name", recipe.name],
    ["version", origin.version],
    ["description", recipe.description],
    ["arch", architecture === "all" ? "noarch" : architecture],
    ["license", origin.license],
    ["origin", `feeds/roamwall/${recipe.name}`],
    ["url", origin.url],
    ["maintainer", origin.maintainer],
    ["depends", recipe.depends.join(" ")],
  ];
}

function scriptsOf(recipe: Recipe): Map<string, string> {
  const head = `[ -s "\${IPKG_INSTROOT}/lib/functions.sh" ] || exit 0\n. \${IPKG_INSTROOT}/lib/functions.sh\nexport root="\${IPKG_INSTROOT}"\nexport pkgname="${recipe.name}"\n`;
  const install = `[ "\${IPKG_NO_SCRIPT}" = "1" ] && exit 0\n${head}add_group_and_user\ndefault_postinst\n`;
  // Here the platform's default runs first; it runs our part itself only for opkg.
  const own = (script: string | undefined) => (script ?? "").replace(/^#!.*\n/, "");
  const after = own(recipe.postinst);
  return new Map([
    ["post-install", `#!/bin/sh\n${install}${after}`],
    ["post-upgrade", `#!/bin/sh\nexport PKG_UPGRADE=1\n${install}${after}`],
    ["pre-deinstall", `#!/bin/sh\n${head}default_prerm\n${own(recipe.prerm)}`],
    ...(recipe.postrm === undefined ? [] : [["post-deinstall", recipe.postrm] as const]),
  ]);
}
