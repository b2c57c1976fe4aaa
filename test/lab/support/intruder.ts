import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import type { Reason } from "../../../src/datapath/abi.ts";
import { llc } from "../../support/packets.ts";
import { BAD_ROWS, type BadRow, badFrame, MARKER, type Origin } from "./bad.ts";
import { BUILT } from "./build.ts";
import type { Namespaces } from "./namespaces.ts";
import type { Processes } from "./processes.ts";
import { CLIENT, type Topology } from "./topology.ts";

const PERIOD_MS = 10;
const ID_BYTES = 8;
const PLACES: Readonly<Record<Origin, string>> = { client: "wlan0", server: "eth0" };

/** Sends every bad frame in turn from both ends, counts them by the reason they deserve, and sees what came through. */
export class Intruder {
  readonly sent: Partial<Record<Reason, number>> = {};
  /** Names of rows that came through, each time, and how often a reason that should have stopped them did not. */
  readonly passed: string[] = [];
  readonly unstopped: Partial<Record<Reason, number>> = {};
  private readonly helpers: Record<Origin, ChildProcess>;
  private readonly rows: BadRow[];
  private turn = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    namespaces: Namespaces,
    processes: Processes,
    private readonly topology: Topology,
  ) {
    this.rows = BAD_ROWS.filter((row) => topology.kind === "bridged" || !row.switchedOnly);
    const helper = (place: Origin) => {
      const child = processes.start(join(BUILT, "inject"), [PLACES[place], MARKER], {
        netns: namespaces.path(place),
        log: join(processes.logs, `inject-${place}.log`),
        stdin: "pipe",
        stdout: "pipe",
      });
      child.stdin!.on("error", () => {});
      child.stdout!.on("data", (bytes: Buffer) => this.saw(bytes));
      return child;
    };
    this.helpers = { client: helper("client"), server: helper("server") };
  }

  start(): void {
    this.timer ??= setInterval(() => this.sendNext(), PERIOD_MS);
  }

  /**
   * While the client is off the air: what is sent then is lost, not denied, and would not be counted anywhere.
   * Returns whether it was at work.
   */
  pause(): boolean {
    const working = this.timer !== undefined;
    clearInterval(this.timer);
    this.timer = undefined;
    return working;
  }

  /** Each row once, at once. */
  sendEach(): void {
    for (let i = 0; i < this.rows.length; i++) this.sendNext();
  }

  /** The frame by which bridges learn where the client now is. */
  announceClient(): void {
    this.send("client", llc({ srcMac: CLIENT.mac }));
  }

  get sentInAll(): number {
    return Object.values(this.sent).reduce((sum, n) => sum + n, 0);
  }

  private sendNext(): void {
    const id = this.turn % this.rows.length;
    const row = this.rows[id]!;
    this.send(row.from, badFrame(row, this.topology, id, this.turn++));
    this.sent[row.reason] = (this.sent[row.reason] ?? 0) + 1;
  }

  private send(from: Origin, frame: Uint8Array): void {
    const length = Buffer.alloc(2);
    length.writeUInt16LE(frame.length);
    this.helpers[from].stdin!.write(Buffer.concat([length, frame]));
  }

  private saw(ids: Buffer): void {
    for (let at = 0; at + ID_BYTES <= ids.length; at += ID_BYTES) {
      const row = this.rows[ids.readUInt32BE(at)]!;
      this.passed.push(`${row.name} (from the ${row.from})`);
      this.unstopped[row.reason] = (this.unstopped[row.reason] ?? 0) + 1;
    }
  }
}
