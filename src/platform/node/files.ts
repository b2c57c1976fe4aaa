import {
  closeSync,
  fsyncSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  watch,
  writeSync,
} from "node:fs";
import { basename, dirname } from "node:path";
import { attempt, exposureOf, type FileFacts, reasonOf } from "../file-errors.ts";
import type { Files, Log } from "../platform.ts";

/** Writers rename, truncate and write in several steps: wait until a file has been quiet for so long. */
const SETTLE_MS = 100;

export function nodeFiles(log: Log): Files {
  return {
    readText: (path) => attempt(path, () => readFileSync(path, "utf8")),
    readBytes: (path) => attempt(path, () => readFileSync(path)),
    writeText: (path, text, mode) => attempt(path, () => replaceFile(path, text, mode)),
    mode: (path) => attempt(path, () => statSync(path).mode & 0o777),
    exposure: (path) => attempt(path, () => exposureOf(factsOf(path), () => statSync(dirname(path)).mode)),
    watch: (path, changed) => watchContent(path, changed, log),
  };
}

function replaceFile(path: string, text: string, mode: number): void {
  const fresh = `${path}.new`;
  const file = openSync(fresh, "w", mode);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(fresh, path);
}

function factsOf(path: string): FileFacts {
  const { mode, uid } = statSync(path);
  return { mode: mode & 0o777, uid, ourUid: process.getuid?.(), isLink: lstatSync(path).isSymbolicLink() };
}

/** Watches the directory, since an editor's rename takes the watched inode away. */
function watchContent(path: string, changed: () => void, log: Log): () => void {
  let content = contentOf(path);
  let timer: NodeJS.Timeout | undefined;
  const look = () => {
    const now = contentOf(path);
    // A file that is gone for a moment is being replaced; one that stays away leaves the last good state.
    if (now === undefined || now === content) return;
    content = now;
    changed();
  };
  try {
    const watcher = watch(dirname(path), (_event, name) => {
      if (name !== null && name !== basename(path)) return;
      clearTimeout(timer);
      timer = setTimeout(look, SETTLE_MS);
    });
    watcher.on("error", (error) => log.warn("files", "no longer watching", { path, error: error.message }));
    return () => {
      clearTimeout(timer);
      watcher.close();
    };
  } catch (cause) {
    log.warn("files", "cannot watch: reload by SIGHUP", { path, error: reasonOf(cause) });
    return () => {};
  }
}

function contentOf(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}
