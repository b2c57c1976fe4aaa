/** The socket of the mesh, opened again and again until its link is there. */
import type { Endpoint, Platform, Udp } from "../platform/platform.ts";
import type { Settings } from "./settings.ts";

const ROOM = "agent";
const RETRY_MS = 2_000;

export class MeshSocket {
  private udp: Udp | undefined;
  private cancelRetry = () => {};
  private isClosed = false;
  /** Why there is no socket. */
  problem: string | undefined;

  constructor(
    private readonly platform: Platform,
    private readonly settings: Settings["replication"],
    /** `path`: whether it came to the group, or to this AP alone. */
    private readonly received: (bytes: Uint8Array, from: Endpoint, path: "group" | "alone") => void,
  ) {}

  /** A mesh link that is not up yet is no reason not to filter: resolves all the same, and tries again. `told`: what the log knows. */
  async open(told = ""): Promise<void> {
    const { platform, settings } = this;
    if (!settings.enabled || this.isClosed) return;
    try {
      this.udp = await platform.udp({
        bind: settings.bind,
        port: settings.port,
        ...(settings.group !== undefined && { group: settings.group }),
        ...(settings.iface !== undefined && { iface: settings.iface }),
        onDatagram: (bytes, from, toGroup) => {
          if (!this.isClosed) this.received(bytes, from, toGroup ? "group" : "alone");
        },
      });
      this.problem = undefined;
      if (this.isClosed) this.udp.close();
      else if (told !== "") platform.log.info(ROOM, "the replication socket is open");
    } catch (error) {
      const reason = (error as Error).message;
      this.problem = reason;
      if (reason !== told) platform.log.warn(ROOM, "no replication yet, trying again", { reason });
      this.cancelRetry = platform.clock.after(RETRY_MS, () => void this.open(reason));
    }
  }

  /** To the group without an address; lost while there is no socket. */
  send(bytes: Uint8Array, to: Endpoint | undefined): void {
    const { group, port } = this.settings;
    if (to) this.udp?.send(bytes, to);
    else if (group !== undefined) this.udp?.send(bytes, { address: group, port });
  }

  close(): void {
    this.isClosed = true;
    this.cancelRetry();
    this.udp?.close();
  }
}
