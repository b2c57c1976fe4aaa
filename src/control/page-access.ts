import type { Platform } from "../platform/platform.ts";
import type { Page, PageParts } from "./page/page.ts";
import type { PageStatus } from "./status.ts";

const RETRY_MS = 5_000;

/** The status page as the settings want it. An address that is not there yet, or a token that is none, stops no filter: it is said, and tried again. */
export class PageAccess {
  private page: Page | undefined;
  private problem: string | undefined;
  private isStopped = false;
  private cancel = () => {};

  constructor(private readonly parts: PageParts) {}

  get status(): PageStatus {
    const { address, port } = this.page?.listener.local ?? this.parts.settings.listen;
    return { address, port, ...(this.problem !== undefined && { problem: this.problem }) };
  }

  async start(): Promise<void> {
    const { platform } = this.parts;
    try {
      // A file of its own: most access points are looked at from elsewhere, if at all.
      const { startPage } = await import("./page/page.ts");
      const page = await startPage(this.parts);
      this.problem = undefined;
      if (this.isStopped) page.close();
      else this.page = page;
    } catch (error) {
      this.failed(platform, (error as Error).message);
    }
  }

  stop(): void {
    this.isStopped = true;
    this.cancel();
    this.page?.close();
  }

  private failed({ log, clock }: Platform, reason: string): void {
    if (reason !== this.problem) log.error("page", "no status page, trying again", { reason });
    this.problem = reason;
    if (!this.isStopped) this.cancel = clock.after(RETRY_MS, () => void this.start());
  }
}
