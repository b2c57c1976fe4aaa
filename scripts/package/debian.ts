/** Files of Debian's archive, in a directory of our own: nothing of this machine is changed, and root is not needed. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** This machine's. */
const RELEASE = /VERSION_CODENAME=(\w+)/.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "bookworm";
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** `packages` as `zlib1g-dev:arm64`, unpacked below `root`. */
export function unpackPackages(build: string, packages: readonly string[], root: string): void {
  const debs = apt(build, root, ["download", ...packages]);
  for (const deb of debs.filter((name) => name.endsWith(".deb"))) execFileSync("dpkg-deb", ["-x", deb, root]);
  // They point at shared libraries that are not here, and what is linked is static.
  execFileSync("find", [root, "-name", "*.so", "-delete"]);
}

/** The upstream source of a package, unpacked without its first directory. Its checksum is the signed index's. */
export function unpackSource(build: string, name: string, root: string, release = RELEASE): void {
  const files = apt(build, root, ["source", "--download-only", name], release);
  const archive = files.find((file) => /\.orig\.tar\.\w+$/.test(file));
  if (archive === undefined) throw new Error(`${name}: Debian has no upstream archive of it`);
  execFileSync("tar", ["-xf", archive, "-C", root, "--strip-components=1"]);
}

/** Runs apt-get beside `root`; answers what it downloaded. */
function apt(build: string, root: string, words: readonly string[], release = RELEASE): string[] {
  const state = join(build, "apt", release);
  const downloads = `${root}.downloads`;
  for (const directory of [join(state, "lists/partial"), join(state, "cache/archives/partial"), downloads, root]) {
    mkdirSync(directory, { recursive: true });
  }
  const sources = join(state, "sources.list");
  const archive = `[signed-by=${KEYRING}] http://deb.debian.org/debian ${release} main`;
  writeFileSync(sources, `deb ${archive}\ndeb-src ${archive}\n`);
  const options = [
    `Dir::Etc::sourcelist=${sources}`,
    "Dir::Etc::sourceparts=/dev/null",
    `Dir::State::lists=${state}/lists`,
    `Dir::Cache=${state}/cache`,
    "APT::Architectures=amd64,arm64,armhf",
    "APT::Sandbox::User=",
    "APT::Get::List-Cleanup=0",
  ].flatMap((option) => ["-o", option]);
  const hasLists = readdirSync(join(state, "lists")).some((name) => name.includes("_Sources"));
  if (!hasLists) execFileSync("apt-get", [...options, "-qq", "update"], { stdio: ["ignore", "inherit", "inherit"] });
  execFileSync("apt-get", [...options, "-qq", ...words], { cwd: downloads, stdio: ["ignore", "ignore", "inherit"] });
  return readdirSync(downloads).map((name) => join(downloads, name));
}
