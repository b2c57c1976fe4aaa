/** What a package installs: paths below /, each a file or a link. */
export interface Entry {
  /** As `/usr/sbin/roamwalld`. */
  readonly path: string;
  readonly mode: number;
  readonly content: Uint8Array;
}

export type Tree = readonly Entry[];

export function text(path: string, content: string, mode = 0o644): Entry {
  return { path, mode, content: Buffer.from(content) };
}

/** Every directory above the entries, parents first. */
export function directoriesOf(tree: Tree): string[] {
  const all = new Set<string>();
  for (const { path } of tree) {
    for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1)) all.add(path.slice(0, end));
  }
  return [...all].sort();
}
