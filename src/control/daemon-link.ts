/** The agent's way to roamwalld: one connection at a time, tried again until there is one, and a session over each. */
import { RoamwallError } from "../base/errors.ts";
import type { Datapath } from "../datapath/datapath.ts";
import type { Platform } from "../platform/platform.ts";
import type { Session } from "./session.ts";

const ROOM = "agent";
/** roamwalld is back within a second when something restarts it; then ask less and less often. */
const RETRY_FIRST_MS = 250;
const RETRY_MOST_MS = 5_000;

export interface DaemonLinkParts {
  readonly platform: Pick<Platform, "clock" | "log">;
  /** roamwalld's socket. */
  readonly path: string;
  readonly replicates: boolean;
  connectDatapath(): Promise<Datapath>;
  openSession(datapath: Datapath): Promise<Session>;
  /** There is another session than before, or none. */
  changed(session: Session | undefined): Promise<void> | undefined;
  /** After what is under way: a reload compares with what a connection has loaded, and the other way round. */
  inTurn(run: () => Promise<void>): Promise<void>;
}

export class DaemonLink {
  /** Undefined while roamwalld is away. */
  session: Session | undefined;
  private stopped = false;
  private cancelRetry = () => {};
  private waitReason = "";

  constructor(private readonly parts: DaemonLinkParts) {}

  /** Throws ROAMWALL_ERR_CONNECT while roamwalld is away. */
  get live(): Session {
    if (this.session) return this.session;
    throw new RoamwallError("ROAMWALL_ERR_CONNECT", `${this.parts.path}: the agent waits for roamwalld`);
  }

  /** Resolves after the first attempt, however it ended. */
  start(): Promise<void> {
    return this.parts.inTurn(() => this.connect(RETRY_FIRST_MS));
  }

  /** roamwalld went. The kernel goes on; a new connection starts from comparison, so nothing of this one is kept. */
  lost(): void {
    if (this.stopped) return;
    void this.parts.inTurn(async () => {
      if (!this.session) return;
      this.parts.platform.log.warn(ROOM, "roamwalld is gone; the kernel keeps filtering");
      const lost = this.session;
      this.session = undefined;
      await this.parts.changed(undefined);
      await lost.stop();
      this.retryAfter(RETRY_FIRST_MS);
    });
  }

  /** No attempt begins any more. */
  giveUp(): void {
    this.stopped = true;
    this.cancelRetry();
  }

  async stop(): Promise<void> {
    this.giveUp();
    await this.parts.inTurn(async () => this.session?.stop());
    this.session = undefined;
  }

  /** One attempt; a failed one plans the next. A reason is said once, not with every attempt. */
  private async connect(retryMs: number): Promise<void> {
    if (this.stopped || this.session) return;
    const { log } = this.parts.platform;
    try {
      const datapath = await this.parts.connectDatapath();
      this.session = await this.parts.openSession(datapath);
      await this.parts.changed(this.session);
      this.waitReason = "";
      log.info(ROOM, "filtering", {
        table: this.session.geometry.text,
        picked_up: datapath.hello.picked_up === 1,
        replication: this.parts.replicates,
      });
    } catch (error) {
      const reason = (error as Error).message;
      if (reason !== this.waitReason) log.warn(ROOM, "no datapath yet, trying again", { reason });
      this.waitReason = reason;
      this.retryAfter(retryMs);
    }
  }

  private retryAfter(retryMs: number): void {
    if (this.stopped) return;
    this.cancelRetry = this.parts.platform.clock.after(retryMs, () => {
      void this.parts.inTurn(() => this.connect(Math.min(retryMs * 2, RETRY_MOST_MS)));
    });
  }
}
