/** GNU tar and gzip without anything that differs between two builds: sorted, owner 0, one time for all. */
import { gzipSync } from "node:zlib";
import { directoriesOf, type Entry, type Tree } from "./tree.ts";

const BLOCK = 512;
/** GNU tar pads an archive to whole records. */
const RECORD = 20 * BLOCK;
const NAME_BYTES = 100;

export interface Member {
  /** As in the archive: `./control`; directories end in `/`. */
  readonly name: string;
  readonly mode: number;
  readonly content: Uint8Array;
}

/** `./` and all below it, in the order of `tar --sort=name`: parents before their members. */
export function membersOf(tree: Tree): Member[] {
  const directories = ["", ...directoriesOf(tree)].map((path): Member => {
    return { name: `.${path}/`, mode: 0o755, content: new Uint8Array() };
  });
  const files = tree.map(({ path, mode, content }: Entry): Member => ({ name: `.${path}`, mode, content }));
  return [...directories, ...files].sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
}

/** Names part by part: `/` before every other character. */
function sortKey({ name }: Member): string {
  return name.replaceAll("/", "\0");
}

/** `epoch`: seconds since 1970, of every member. */
export function tar(members: readonly Member[], epoch: number): Buffer {
  const blocks = members.flatMap((member) => [header(member, epoch), padded(member.content)]);
  const bytes = Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
  return Buffer.concat([bytes, Buffer.alloc((RECORD - (bytes.length % RECORD)) % RECORD)]);
}

/** As `gzip -n`: neither name nor time in the header. */
export function gzip(bytes: Uint8Array): Buffer {
  return gzipSync(bytes, { level: 9 });
}

function header({ name, mode, content }: Member, epoch: number): Buffer {
  if (Buffer.byteLength(name) > NAME_BYTES) throw new Error(`${name}: longer than ${NAME_BYTES} bytes`);
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, bytes: number) => {
    block.write(`${value.toString(8).padStart(bytes - 1, "0")}\0`, at, "latin1");
  };
  block.write(name, 0, "utf8");
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(content.length, 124, 12);
  octal(epoch, 136, 12);
  block.write("        ", 148, "latin1");
  block.write(name.endsWith("/") ? "5" : "0", 156, "latin1");
  // GNU's own magic, not POSIX's.
  block.write("ustar  \0", 257, "latin1");
  block.write(
    `${block
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, "0")}\0 `,
    148,
    "latin1",
  );
  return block;
}

function padded(content: Uint8Array): Buffer {
  return Buffer.concat([content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)]);
}
