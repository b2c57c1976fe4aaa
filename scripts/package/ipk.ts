/** `.ipk`: three members in a gzipped tar, as OpenWrt's scripts/ipkg-build and include/package-pack.mk make it. */
import { type Recipe, withKeepList } from "./recipe.ts";
import { gzip, membersOf, tar } from "./tar.ts";
import { type Entry, type Tree, text } from "./tree.ts";

export interface Origin {
  /** As `0.1.0-r1`. */
  readonly version: string;
  readonly license: string;
  readonly url: string;
  readonly maintainer: string;
  /** Seconds since 1970 of the source. */
  readonly epoch: number;
}

export interface Package {
  readonly fileName: string;
  readonly bytes: Buffer;
}

export function ipk(recipe: Recipe, tree: Tree, architecture: string, origin: Origin): Package {
  const whole = withKeepList(recipe, tree);
  const data = tar(membersOf(whole), origin.epoch);
  const members = [
    { name: "./debian-binary", mode: 0o644, content: Buffer.from("2.0\n") },
    { name: "./data.tar.gz", mode: 0o644, content: gzip(data) },
    { name: "./control.tar.gz", mode: 0o644, content: control(recipe, whole, architecture, origin, data.length) },
  ];
  return {
    fileName: `${recipe.name}_${origin.version}_${architecture}.ipk`,
    bytes: gzip(tar(members, origin.epoch)),
  };
}

function control(recipe: Recipe, tree: Tree, architecture: string, origin: Origin, dataBytes: number): Buffer {
  // Only files: a directory is kept through keep.d.
  const conffiles = recipe.conffiles.filter((path) => tree.some((entry) => entry.path === path)).sort();
  const entries: Entry[] = [
    text("/control", controlText(recipe, architecture, origin, dataBytes)),
    text("/postinst", wrapper("postinst"), 0o755),
    text("/prerm", wrapper("prerm"), 0o755),
    ...(conffiles.length ? [text("/conffiles", `${conffiles.join("\n")}\n`)] : []),
    ...script("/postinst-pkg", recipe.postinst),
    ...script("/prerm-pkg", recipe.prerm),
    ...script("/postrm", recipe.postrm),
  ];
  return gzip(tar(membersOf(entries), origin.epoch));
}

function script(path: string, content: string | undefined): Entry[] {
  return content === undefined ? [] : [text(path, content, 0o755)];
}

/** Fields in the order of package-pack.mk. */
function controlText(recipe: Recipe, architecture: string, origin: Origin, dataBytes: number): string {
  const fields: [name: string, value: string | number][] = [
    ["Package", recipe.name],
    ["Version", origin.version],
    ["Depends", recipe.depends.join(", ")],
    ["Source", `feeds/roamwall/${recipe.name}`],
    ["SourceName", recipe.name],
    ["License", origin.license],
    ["Section", recipe.section],
    ["SourceDateEpoch", origin.epoch],
    ["URL", origin.url],
    ["Maintainer", origin.maintainer],
    ["Architecture", architecture],
    ["Installed-Size", dataBytes],
    ["Description", ` ${recipe.description}`],
  ];
  return fields.map(([name, value]) => (value === "" ? "" : `${name}: ${value}\n`)).join("");
}

/** What every package of OpenWrt runs: init scripts, uci-defaults and our own part are found by the platform's functions. */
function wrapper(kind: "postinst" | "prerm"): string {
  const silent = kind === "postinst" ? `[ "\${IPKG_NO_SCRIPT}" = "1" ] && exit 0\n` : "";
  const functions = "$IPKG_INSTROOT/lib/functions.sh";
  return `#!/bin/sh\n${silent}[ -s ${functions} ] || exit 0\n. ${functions}\ndefault_${kind} $0 $@\n`;
}
