import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { apkSource } from "../../scripts/package/apk.ts";
import { ipk, type Origin } from "../../scripts/package/ipk.ts";
import { RECIPES, type Recipe } from "../../scripts/package/recipe.ts";
import { membersOf, tar } from "../../scripts/package/tar.ts";
import { text } from "../../scripts/package/tree.ts";
import { PROBES } from "../../src/control/risks/probes.ts";
import { UCI_OPTIONS } from "../../src/control/uci/schema.ts";
import { readIpk } from "./platform/opkg.ts";

const directory = mkdtempSync(join(tmpdir(), "roamwall-ipk-"));
afterAll(() => rmSync(directory, { recursive: true }));

const ORIGIN: Origin = {
  version: "1.2.3_beta1-r1",
  license: "MIT",
  url: "https://x",
  maintainer: "a <a@b>",
  epoch: 1_234_567_890,
};
const BINARIES = new Map([
  ["roamwalld", Buffer.from("\x7fELF")],
  ["roamwall-qjs", Buffer.from("\x7fELF")],
  ["sfr.bpf.o", Buffer.from("filter")],
]);
const architectureOf = (recipe: Recipe) => (recipe.isForAll ? "all" : "mipsel_24kc");

function write(recipe: Recipe): string {
  const { fileName, bytes } = ipk(recipe, recipe.tree(BINARIES), architectureOf(recipe), ORIGIN);
  const path = join(directory, fileName);
  writeFileSync(path, bytes);
  return path;
}

const shell = (line: string) => execFileSync("sh", ["-c", line], { encoding: "utf8", cwd: directory });

describe.each(RECIPES.map((recipe) => [recipe.name, recipe] as const))("%s.ipk", (name, recipe) => {
  const path = write(recipe);
  const package_ = readIpk(path);

  it("is a gzipped tar of three members in the platform's order, readable by GNU tar", () => {
    expect(shell(`tar -tzf ${path}`)).toBe("./debian-binary\n./data.tar.gz\n./control.tar.gz\n");
    expect(shell(`tar -xzOf ${path} ./debian-binary`)).toBe("2.0\n");
    expect(path).toContain(`${name}_1.2.3_beta1-r1_${architectureOf(recipe)}.ipk`);
  });

  it("has members as `tar --sort=name --numeric-owner` writes them, owned by root, of one time", () => {
    const list = shell(`tar -xzOf ${path} ./data.tar.gz | tar -tzvf - --numeric-owner --utc`).trim().split("\n");
    for (const line of list) expect(line).toMatch(/^[-d]rw[-x][-rwx]{6} 0\/0 +\d+ 2009-02-13 23:31 \.\//);
    // What GNU tar itself makes of the unpacked files, in the same order.
    const unpacked = mkdtempSync(join(directory, "unpacked-"));
    shell(`tar -xzOf ${path} ./data.tar.gz | tar -xzf - -C ${unpacked}`);
    const theirs = shell(`tar --format=gnu --sort=name -C ${unpacked} -cf - . | tar -tf -`);
    expect(package_.data.map((member) => `${member.name}\n`).join("")).toBe(theirs);
  });

  it("has the control fields that opkg reads, and the size of the data", () => {
    const fields = [...package_.fields.keys()];
    expect(fields.filter((field) => field !== "Depends")).toEqual([
      "Package",
      "Version",
      "Source",
      "SourceName",
      "License",
      "Section",
      "SourceDateEpoch",
      "URL",
      "Maintainer",
      "Architecture",
      "Installed-Size",
      "Description",
    ]);
    expect(package_.fields.get("Package")).toMatch(/^[a-zA-Z0-9_.+-]+$/);
    const bytes = shell(`tar -xzOf ${path} ./data.tar.gz | gzip -d | wc -c`).trim();
    expect(package_.fields.get("Installed-Size")).toBe(bytes);
    const known = [...RECIPES.map((one) => one.name), "luci-base"];
    for (const other of recipe.depends) expect(known).toContain(other);
  });

  it("has wrappers that hand over to the platform's functions, as scripts", () => {
    const files = new Map(package_.control.map((member) => [member.name, member]));
    for (const [kind, call] of [
      ["./postinst", "default_postinst $0 $@"],
      ["./prerm", "default_prerm $0 $@"],
    ] as const) {
      expect(files.get(kind)!.mode).toBe(0o755);
      expect(files.get(kind)!.content.toString()).toMatch(
        /^#!\/bin\/sh\n[\s\S]*\. \$IPKG_INSTROOT\/lib\/functions\.sh\n/,
      );
      expect(files.get(kind)!.content.toString()).toContain(call);
    }
    for (const [file, own] of [
      ["./postinst-pkg", recipe.postinst],
      ["./prerm-pkg", recipe.prerm],
      ["./postrm", recipe.postrm],
    ] as const)
      expect(files.get(file)?.content.toString()).toBe(own);
  });

  it("names as conffiles only files that are there, sorted; the rest is kept through a list", () => {
    const paths = package_.data.map((member) => member.name.slice(1));
    const control = package_.control.find((member) => member.name === "./conffiles");
    const conffiles = control?.content.toString().trim().split("\n") ?? [];
    expect(conffiles).toEqual([...conffiles].sort());
    for (const file of conffiles) expect(paths).toContain(file);
    const kept = package_.data.find((member) => member.name.startsWith("./lib/upgrade/keep.d/") && !member.isDirectory);
    const listed = kept?.content.toString().trim().split("\n") ?? [];
    expect([...conffiles, ...listed].sort()).toEqual([...recipe.conffiles].sort());
  });

  it("is the same when it is made again", () => {
    const sum = () =>
      createHash("sha256")
        .update(readFileSync(write(recipe)))
        .digest("hex");
    expect(sum()).toBe(sum());
  });

  it("has the lists for apk that default_postinst reads, and a command as the SDK's", () => {
    const source = apkSource(recipe, recipe.tree(BINARIES), architectureOf(recipe), ORIGIN);
    const list = source.files.find((entry) => entry.path === `/lib/apk/packages/${name}.list`)!;
    const paths = recipe.tree(BINARIES).map((entry) => entry.path);
    expect(Buffer.from(list.content).toString().trim().split("\n")).toEqual(expect.arrayContaining(paths));
    const command = source.command("D", "out.apk").join(" ");
    expect(command).toContain(`--info arch:${recipe.isForAll ? "noarch" : "mipsel_24kc"}`);
    expect(command).toContain("--script post-upgrade:D/post-upgrade");
    // Of apk's grammar: N{.N}{letter}{_suffix}{-r#}, a suffix being one of its own words.
    expect(ORIGIN.version).toMatch(/^\d+(\.\d+)*[a-z]?(_(alpha|beta|pre|rc|cvs|svn|git|hg|p)\d*)*-r\d+$/);
    expect(source.scripts.get("post-upgrade")).toContain("PKG_UPGRADE=1");
    expect(source.scripts.get("pre-deinstall")).toContain("default_prerm");
    expect(source.scripts.get("post-deinstall")).toBe(recipe.postrm);
    expect(source.scripts.get("post-install")).toContain(recipe.postinst?.replace(/^#!.*\n/, "") ?? "");
  });
});

describe("tar", () => {
  it("refuses a name that its header cannot hold", () => {
    expect(() => tar(membersOf([text(`/${"x".repeat(120)}`, "")]), 0)).toThrow("longer than 100 bytes");
  });

  it("gives what GNU tar gives, to the byte", () => {
    const tree = [text("/b/c", "hello\n", 0o755), text("/b-a", "x"), text("/b.d/e", "y".repeat(600))];
    const from = mkdtempSync(join(directory, "same-"));
    for (const { path, content, mode } of tree) {
      shell(`mkdir -p ${join(from, path, "..")}`);
      writeFileSync(join(from, path), content, { mode });
    }
    shell(`chmod 755 ${from} ${from}/b ${from}/b.d && chmod 644 ${from}/b-a ${from}/b.d/e && chmod 755 ${from}/b/c`);
    const theirs = execFileSync("tar", [
      "--format=gnu",
      "--numeric-owner",
      "--owner=0",
      "--group=0",
      "--sort=name",
      "--mtime=@1234567890",
      "-C",
      from,
      "-cf",
      "-",
      ".",
    ]);
    expect(tar(membersOf(tree), 1_234_567_890).equals(theirs)).toBe(true);
  });
});

describe("shell of the packages", () => {
  const scripts = readdirSync("openwrt", { recursive: true, encoding: "utf8" })
    .map((path) => join("openwrt", path))
    .filter((path) => /\.(init|sh|rpcd|prerm|reload-rpcd|uci-defaults|hotplug)$/.test(path));
  it.each(scripts)("%s is read by a POSIX shell, and by busybox's", (path) => {
    shell(`sh -n ${join(process.cwd(), path)}`);
    if (existsSync("/usr/bin/busybox")) shell(`busybox sh -n ${join(process.cwd(), path)}`);
  });
});

describe("the jail", () => {
  const mountsOf = (service: string) => {
    const script = readFileSync(`openwrt/${service}/files/${service}.init`, "utf8");
    const of = (kind: string) => new RegExp(`${kind} (.*)`).exec(script)![1]!.split(" ");
    return { readable: of("procd_add_jail_mount"), writable: of("procd_add_jail_mount_rw") };
  };
  const isBelow = (path: string, mounts: readonly string[]) => mounts.some((at) => `${path}/`.startsWith(`${at}/`));
  const paths = UCI_OPTIONS.map((row) => row.default).filter((text) => /^\/[a-z]/.test(text ?? "")) as string[];

  it("has what the settings name by default, and lets it be written where it is written", () => {
    expect(paths).toEqual(expect.arrayContaining(["/run/roamwall/daemon.sock", "/etc/roamwall/key"]));
    const [daemon, agent] = [mountsOf("roamwalld"), mountsOf("roamwall")];
    for (const path of paths)
      expect(isBelow(path, [...daemon.readable, ...daemon.writable, ...agent.readable, ...agent.writable]), path).toBe(
        true,
      );
    for (const { writable } of [daemon, agent]) expect(isBelow("/run/roamwall/agent.sock", writable)).toBe(true);
    expect(isBelow("/sys/fs/bpf/roamwall", daemon.writable)).toBe(true);
    expect(isBelow("/etc/roamwall/key", daemon.readable)).toBe(true);
    expect(isBelow("/usr/lib/roamwall/sfr.bpf.o", daemon.readable)).toBe(true);
    expect(isBelow("/etc/roamwall/accepted/agent.json", agent.writable)).toBe(true);
    // The control: the same directory by its other name is another place in there.
    expect(isBelow("/run/roamwall/agent.sock", ["/var/run/roamwall"])).toBe(false);
  });
});

describe.each(RECIPES.map((recipe) => [recipe.name, recipe] as const))("feed's Makefile of %s", (name, recipe) => {
  const makefile = readFileSync(`openwrt/${name}/Makefile`, "utf8");
  const { version, license } = JSON.parse(readFileSync("package.json", "utf8"));

  it("has the project's version and license, and the dependencies of the recipe", () => {
    expect(makefile).toContain(`PKG_VERSION:=${version}\n`);
    expect(makefile).toContain(`PKG_LICENSE:=${license}\n`);
    for (const other of recipe.depends) expect(makefile).toMatch(new RegExp(`DEPENDS:=.*\\+${other}\\b`));
  });

  // LuCI's own include installs htdocs and root as they lie.
  it.skipIf(name.startsWith("luci-"))("installs the files of the recipe, with their modes, and keeps the same", () => {
    const dist = (path: string) => path.startsWith("/usr/lib/roamwall/roamwall");
    for (const { path, mode } of recipe
      .tree(BINARIES)
      .filter((entry) => !dist(entry.path) && !entry.path.endsWith(".o"))) {
      const line = makefile
        .split("\n")
        .find(
          (one) =>
            new RegExp(`\\$\\(1\\)(${path}|${path.replace(/[^/]+$/, "")})$`).test(one) && one.includes("INSTALL_"),
        );
      expect(line, path).toBeDefined();
      expect(line, path).toContain(mode === 0o755 ? "INSTALL_BIN" : mode === 0o600 ? "INSTALL_CONF" : "INSTALL_DATA");
    }
    const kept = /\/conffiles\n([\s\S]*?)endef/.exec(makefile)?.[1]?.trim().split("\n") ?? [];
    expect(kept).toEqual(recipe.conffiles);
    for (const script of ["postinst", "prerm", "postrm"] as const)
      expect(makefile.includes(`/${script}\n`)).toBe(recipe[script] !== undefined);
  });
});

describe("docs/openwrt.md", () => {
  const text = readFileSync("docs/openwrt.md", "utf8");

  it("has a line for every risk, and one for every file that is not code", () => {
    for (const { id } of PROBES) expect(text).toContain(`\`${id}\``);
    const code = /^\/(usr\/(lib|sbin|bin)\/|www\/|usr\/share\/)/;
    const paths = RECIPES.flatMap((recipe) => recipe.tree(BINARIES)).map(({ path }) => path);
    for (const path of paths.filter((one) => !code.test(one))) expect(text).toContain(path.split("/").at(-1));
  });

  it("names the options that it sets as they are", () => {
    for (const [, section, name] of text.matchAll(/roamwall\.(agent|replication|radius)\.(\w+)=/g)) {
      expect(
        UCI_OPTIONS.find((row) => row.section === section && row.name === name),
        `${section}.${name}`,
      ).toBeDefined();
    }
  });
});
