/** Server-Sent Events: what changes, to all who look. Nothing is worked out while nobody does. */
import type { Clock, Log, Stream } from "../../platform/platform.ts";
import { drop } from "./http.ts";

/** Eight people at one access point; a page that is left open in a tab counts, too. */
export const VIEWERS_MAX = 8;
/** A viewer that takes nothing is skipped from here on, and dropped after so many skips. */
const PENDING_BYTES_MAX = 256 << 10;
const SKIPS_MAX = 20;

export interface Source {
  /** Of the event. */
  readonly name: string;
  readonly everyMs: () => number;
  make(): Promise<object>;
}

interface Viewer {
  readonly stream: Stream;
  skips: number;
}

export class Live {
  private readonly viewers = new Set<Viewer>();
  /** Said once, at first. */
  private readonly last = new Map<string, string>();
  private readonly cancels = new Map<string, () => void>();
  private isClosed = false;

  constructor(
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly sources: readonly Source[],
  ) {}

  get isFull(): boolean {
    return this.viewers.size >= VIEWERS_MAX;
  }

  get size(): number {
    return this.viewers.size;
  }

  /** `first`: an event of its own before all others. */
  add(stream: Stream, first: object): void {
    const viewer = { stream, skips: 0 };
    const isFirst = this.viewers.size === 0;
    this.viewers.add(viewer);
    stream.onClose(() => this.remove(viewer));
    stream.write(encode("first", first));
    if (isFirst) for (const source of this.sources) void this.tell(source);
    else for (const [name, data] of this.last) stream.write(encodeText(name, data));
  }

  close(): void {
    this.isClosed = true;
    for (const cancel of this.cancels.values()) cancel();
    for (const { stream } of this.viewers) drop(stream);
    this.viewers.clear();
  }

  private remove(viewer: Viewer): void {
    this.viewers.delete(viewer);
    if (this.viewers.size > 0) return;
    for (const cancel of this.cancels.values()) cancel();
    this.last.clear();
  }

  private async tell(source: Source): Promise<void> {
    this.cancels.get(source.name)?.();
    try {
      const data = JSON.stringify(await source.make());
      if (this.viewers.size > 0) this.last.set(source.name, data);
      for (const viewer of this.viewers) this.send(viewer, encodeText(source.name, data));
    } catch (error) {
      // roamwalld went in the middle of an answer: the next one says so.
      this.log.debug("page", "no figures", { of: source.name, reason: (error as Error).message });
    }
    if (this.isClosed || this.viewers.size === 0) return;
    this.cancels.set(
      source.name,
      this.clock.after(source.everyMs(), () => void this.tell(source)),
    );
  }

  private send(viewer: Viewer, event: Uint8Array): void {
    if (viewer.stream.pendingBytes <= PENDING_BYTES_MAX) {
      viewer.skips = 0;
      viewer.stream.write(event);
    } else if (++viewer.skips > SKIPS_MAX) {
      this.remove(viewer);
      drop(viewer.stream);
    }
  }
}

function encode(name: string, value: object): Uint8Array {
  return encodeText(name, JSON.stringify(value));
}

/** JSON has no line ends outside of its strings, and none within. */
function encodeText(name: string, data: string): Uint8Array {
  return new TextEncoder().encode(`event: ${name}\ndata: ${data}\n\n`);
}
