import { RoamwallError } from "../base/errors.ts";

const REASONS: Record<string, string> = {
  ENOENT: "no such file",
  EACCES: "permission denied",
  EISDIR: "is a directory",
  EFBIG: "larger than 256 MiB",
  ERR_FS_FILE_TOO_LARGE: "larger than 2 GiB",
};

/** Runs what touches a file; throws ROAMWALL_ERR_FILE with path and reason. */
export function attempt<T>(path: string, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    throw new RoamwallError("ROAMWALL_ERR_FILE", `${path}: ${reasonOf(cause)}`);
  }
}

export function reasonOf(cause: unknown): string {
  const { code, message } = cause as { code?: string; message: string };
  return (code && REASONS[code]) ?? message;
}

export interface FileFacts {
  /** Permission bits, as 0o600. */
  readonly mode: number;
  readonly uid: number;
  /** Of this process. */
  readonly ourUid: number | undefined;
  readonly isLink: boolean;
}

/** How others than its owner and root could read or replace a file; undefined: they cannot. */
export function exposureOf({ mode, uid, ourUid, isLink }: FileFacts, folderMode: () => number): string | undefined {
  if ((mode & 0o077) !== 0) return `mode ${mode.toString(8).padStart(4, "0")}`;
  if (uid !== 0 && uid !== ourUid) return `its owner, user ${uid},`;
  return isLink && (folderMode() & 0o002) !== 0 ? "a link in a directory that all may write" : undefined;
}
