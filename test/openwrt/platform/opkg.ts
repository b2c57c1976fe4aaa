/** What opkg does with a package, in the same order: control files, scripts, data, conffiles. */
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";

export interface TarMember {
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly mtime: number;
  readonly isDirectory: boolean;
  readonly content: Buffer;
}

export function untar(bytes: Buffer): TarMember[] {
  const members: TarMember[] = [];
  for (let at = 0; at + 512 <= bytes.length && bytes[at] !== 0; ) {
    const field = (from: number, length: number) =>
      bytes.toString("latin1", at + from, at + from + length).replace(/\0.*$/s, "");
    const octal = (from: number, length: number) => Number.parseInt(field(from, length), 8);
    const size = octal(124, 12);
    members.push({
      name: field(0, 100),
      mode: octal(100, 8),
      uid: octal(108, 8),
      mtime: octal(136, 12),
      isDirectory: field(156, 1) === "5",
      content: bytes.subarray(at + 512, at + 512 + size),
    });
    at += 512 + 512 * Math.ceil(size / 512);
  }
  return members;
}

export interface Ipk {
  readonly outer: readonly TarMember[];
  readonly control: readonly TarMember[];
  readonly data: readonly TarMember[];
  /** Fields of `control`. */
  readonly fields: ReadonlyMap<string, string>;
}

export function readIpk(path: string): Ipk {
  const outer = untar(gunzipSync(readFileSync(path)));
  const inner = (name: string) => untar(gunzipSync(outer.find((member) => member.name === name)!.content));
  const control = inner("./control.tar.gz");
  const text = control.find(({ name }) => name === "./control")!.content.toString();
  const fields = new Map([...text.matchAll(/^([\w-]+): (.*)$/gm)].map(([, name, value]) => [name!, value!]));
  return { outer, control, data: inner("./data.tar.gz"), fields };
}

/** `run`: a script below the root, by its shell, with these variables. */
export class Opkg {
  constructor(
    private readonly root: string,
    private readonly run: (script: string, variables: Readonly<Record<string, string>>) => string,
  ) {
    mkdirSync(this.info(""), { recursive: true });
  }

  install(path: string): string {
    const ipk = readIpk(path);
    const name = ipk.fields.get("Package")!;
    for (const other of (ipk.fields.get("Depends") ?? "").split(", ").filter((one) => one !== "")) {
      if (!existsSync(this.info(`${other}.control`))) throw new Error(`${name} depends on ${other}`);
    }
    const isUpgrade = existsSync(this.info(`${name}.control`));
    const variables = { PKG_UPGRADE: isUpgrade ? "1" : "0" };
    const said = isUpgrade ? this.script(name, "prerm", variables) : "";
    const before = isUpgrade ? this.files(name) : [];
    for (const { name: member, content, mode } of ipk.control.filter((one) => !one.isDirectory)) {
      this.write(`/usr/lib/opkg/info/${name}.${member.slice(2)}`, content, mode);
    }
    const files = ipk.data.filter((one) => !one.isDirectory);
    for (const { name: member, content, mode } of files) this.put(name, member.slice(1), content, mode);
    const list = files.map((one) => one.name.slice(1));
    writeFileSync(this.info(`${name}.list`), list.map((one) => `${one}\n`).join(""));
    for (const gone of before) if (!list.includes(gone)) this.delete(gone);
    return said + this.script(name, "postinst", variables);
  }

  remove(name: string): string {
    const said = this.script(name, "prerm", { PKG_UPGRADE: "0" });
    for (const file of this.files(name)) if (!this.isChanged(name, file)) this.delete(file);
    const after = this.script(name, "postrm", { PKG_UPGRADE: "0" });
    for (const file of readdirSync(this.info(""))) if (file.startsWith(`${name}.`)) rmSync(this.info(file));
    return said + after;
  }

  /** A conffile that its owner changed stays, and the new one is put beside it. */
  private put(name: string, path: string, content: Buffer, mode: number): void {
    const isKept =
      this.conffiles(name).includes(path) && existsSync(join(this.root, path)) && this.isChanged(name, path);
    this.write(isKept ? `${path}-opkg` : path, content, mode);
    if (!isKept && this.conffiles(name).includes(path)) this.remember(path, content);
  }

  private isChanged(name: string, path: string): boolean {
    if (!this.conffiles(name).includes(path)) return false;
    const now = createHash("sha256")
      .update(readFileSync(join(this.root, path)))
      .digest("hex");
    return this.shipped.get(path) !== now;
  }

  private readonly shipped = new Map<string, string>();

  private remember(path: string, content: Buffer): void {
    this.shipped.set(path, createHash("sha256").update(content).digest("hex"));
  }

  private conffiles(name: string): string[] {
    const path = this.info(`${name}.conffiles`);
    return existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : [];
  }

  private files(name: string): string[] {
    return readFileSync(this.info(`${name}.list`), "utf8")
      .trim()
      .split("\n");
  }

  private script(name: string, kind: string, variables: Readonly<Record<string, string>>): string {
    return existsSync(this.info(`${name}.${kind}`)) ? this.run(`/usr/lib/opkg/info/${name}.${kind}`, variables) : "";
  }

  private info(file: string): string {
    return join(this.root, "usr/lib/opkg/info", file);
  }

  private write(path: string, content: Buffer, mode: number): void {
    const target = join(this.root, path);
    mkdirSync(dirname(target), { recursive: true });
    // Not into the old file: a program that runs from it would be disturbed, or refuse.
    rmSync(target, { force: true });
    writeFileSync(target, content);
    chmodSync(target, mode);
  }

  /** And the directories that are empty then. */
  private delete(path: string): void {
    rmSync(join(this.root, path), { force: true });
    for (let above = dirname(path); above !== "/"; above = dirname(above)) {
      const directory = join(this.root, above);
      if (!existsSync(directory) || readdirSync(directory).length > 0) return;
      rmdirSync(directory);
    }
  }
}

/** Every path below a root with its kind, mode and content, but what lives in memory. */
export function snapshot(root: string, leftOut: readonly string[]): string[] {
  const paths = readdirSync(root, { recursive: true, encoding: "utf8" }).sort();
  return paths
    .filter((path) => !leftOut.some((one) => path === one || path.startsWith(`${one}/`)))
    .map((path) => {
      const { mode, size } = lstatSync(join(root, path));
      const isFile = (mode & 0o170000) === 0o100000;
      const sum = isFile
        ? createHash("sha256")
            .update(readFileSync(join(root, path)))
            .digest("hex")
        : "";
      return `${path} ${mode.toString(8)} ${isFile ? size : ""} ${sum}`;
    });
}
