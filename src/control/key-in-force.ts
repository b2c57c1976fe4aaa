/** The key file as it was last accepted: read again while the agent runs, whole or not at all. */
import { badInput } from "../base/errors.ts";
import type { Platform } from "../platform/platform.ts";
import { type KeyFile, readKey } from "./key.ts";

export class KeyInForce {
  /** Why the file was refused when it was last read. */
  problem: string | undefined;
  private file: KeyFile;

  /** Throws ROAMWALL_ERR_FILE or ROAMWALL_ERR_INPUT. */
  constructor(
    private readonly platform: Pick<Platform, "files" | "log">,
    private readonly path: string,
  ) {
    this.file = readKey(platform.files, path);
  }

  get current(): KeyFile {
    return this.file;
  }

  /** Answers the keys if there are any to take over. */
  readAgain(): KeyFile | undefined {
    try {
      const next = readKey(this.platform.files, this.path);
      if (next.seedId !== this.file.seedId) {
        throw badInput(
          this.path,
          "another seed",
          "the one before: all connections would be lost (restart to change it)",
        );
      }
      this.file = next;
      this.problem = undefined;
      return next;
    } catch (error) {
      this.problem = (error as Error).message;
      this.platform.log.error("agent", "key file refused, the keys before stay", { reason: this.problem });
      return undefined;
    }
  }
}
