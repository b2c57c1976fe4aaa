/** Files of Debian's archive, in a directory of our own: nothing of this machine is changed, and root is not needed. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

/** This machine's. */
const RELEASE = /VERSION_CODENAME=(\w+)/.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "bookworm";
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** Of what is compiled, once for all builds. */
const SOURCES = resolve("build/sources");

/** `packages` as `zlib1g-dev:arm64`, unpacked below `root`. */
export function unpackPackages(build: string, packages: readonly string[], root: string): void {
  const debs = apt(join(build, "apt"), root, `deb ${archive(RELEASE)}`, ["download", ...packages]);
  for (const deb of debs.filter((name) => name.endsWith(".deb"))) execFileSync("dpkg-deb", ["-x", deb, root]);
  // They point at shared libraries that are not here, and what is linked is static.
  execFileSync("find", [root, "-name", "*.so", "-delete"]);
}

/** The upstream source of a package, without its first directory; its checksum is the signed index's. Answers where it is. */
export function sourceOf(name: string, release = RELEASE): string {
  const root = join(SOURCES, name);
  const complete = join(root, ".complete");
  if (existsSync(complete)) return root;
  const state = join(SOURCES, `apt-${release}`);
  const files = apt(state, root, `deb-src ${archive(release)}`, ["source", "--download-only", name]);
  const upstream = files.find((file) => /\.orig\.tar\.\w+$/.test(file));
  if (upstream === undefined) throw new Error(`${name}: Debian has no upstream archive of it`);
  execFileSync("tar", ["-xf", upstream, "-C", root, "--strip-components=1"]);
  writeFileSync(complete, "");
  return root;
}

function archive(release: string): string {
  return `[signed-by=${KEYRING}] http://deb.debian.org/debian ${release} main`;
}

/** Runs apt-get beside `root`; answers what it downloaded. */
function apt(state: string, root: string, source: string, words: readonly string[]): string[] {
  const downloads = `${root}.downloads`;
  for (const directory of [join(state, "lists/partial"), join(state, "cache/archives/partial"), downloads, root]) {
    mkdirSync(directory, { recursive: true });
  }
  const sources = join(state, "sources.list");
  writeFileSync(sources, `${source}\n`);
  const options = [
    `Dir::Etc::sourcelist=${sources}`,
    "Dir::Etc::sourceparts=/dev/null",
    `Dir::State::lists=${state}/lists`,
    `Dir::Cache=${state}/cache`,
    "APT::Architectures=amd64,arm64,armhf",
    "APT::Sandbox::User=",
    "APT::Get::List-Cleanup=0",
  ].flatMap((option) => ["-o", option]);
  const hasLists = readdirSync(join(state, "lists")).some((name) => /_(Sources|Packages)/.test(name));
  if (!hasLists) execFileSync("apt-get", [...options, "-qq", "update"], { stdio: ["ignore", "inherit", "inherit"] });
  execFileSync("apt-get", [...options, "-qq", ...words], { cwd: downloads, stdio: ["ignore", "ignore", "inherit"] });
  return readdirSync(downloads).map((name) => join(downloads, name));
}
