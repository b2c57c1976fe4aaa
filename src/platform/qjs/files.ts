import { attempt, exposureOf, reasonOf } from "../file-errors.ts";
import type { Files, Log } from "../platform.ts";
import { host } from "./host.ts";

/** Writers rename, truncate and write in several steps: wait until a file has been quiet for so long. */
const SETTLE_MS = 100;

export function hostFiles(log: Log): Files {
  return {
    readText: (path) => attempt(path, () => host.decode(host.read(path))),
    readBytes: (path) => attempt(path, () => host.read(path)),
    writeText: (path, text, mode) => attempt(path, () => host.replace(path, host.encode(text), mode)),
    mode: (path) => attempt(path, () => host.stat(path).mode),
    exposure: (path) => attempt(path, () => exposureOf(host.stat(path), () => host.stat(folderOf(path)).mode)),
    watch: (path, changed) => watchContent(path, changed, log),
  };
}

/** Watches the folder, since an editor's rename takes the watched inode away. */
function watchContent(path: string, changed: () => void, log: Log): () => void {
  let content = digestOf(path);
  let timer = 0;
  const look = () => {
    const now = digestOf(path);
    // A file that is gone for a moment is being replaced; one that stays away leaves the last good state.
    if (now === undefined || now === content) return;
    content = now;
    changed();
  };
  try {
    const id = host.watch(folderOf(path), (name) => {
      if (name !== "" && name !== path.slice(path.lastIndexOf("/") + 1)) return;
      host.cancel(timer);
      timer = host.after(SETTLE_MS, look);
    });
    return () => {
      host.cancel(timer);
      host.unwatch(id);
    };
  } catch (cause) {
    log.warn("files", "cannot watch: reload by SIGHUP", { path, error: reasonOf(cause) });
    return () => {};
  }
}

/** Of the content: a policy may be large, and is only compared. */
function digestOf(path: string): string | undefined {
  try {
    return host.sha256(host.read(path)).join();
  } catch {
    return undefined;
  }
}

export function folderOf(path: string): string {
  const end = path.lastIndexOf("/");
  return end < 0 ? "." : path.slice(0, end) || "/";
}
