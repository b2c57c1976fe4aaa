import { describe, expect, it } from "vitest";
import type { Stream } from "../platform/platform.ts";
import { Follow, serveApi } from "./api.ts";

/** Serves one that follows; answers its connection and where to tell it events. */
async function following(onEnd = () => {}): Promise<{ pipe: Pipe; tell(event: object): void }> {
  let tell = (_: object) => {};
  const pipe = new Pipe();
  const begin = (told: (event: object) => void) => {
    tell = told;
    return onEnd;
  };
  serveApi(pipe, async () => new Follow(begin));
  pipe.ask('{"verb":"monitor"}');
  await settle();
  return { pipe, tell: (event) => tell(event) };
}

/** A connection whose reader takes nothing until told. */
class Pipe implements Stream {
  pendingBytes = 0;
  lines: string[] = [];
  isClosed = false;
  private handler = (_: Uint8Array) => {};
  private closers: (() => void)[] = [];

  write(bytes: Uint8Array): void {
    this.pendingBytes += bytes.length;
    this.lines.push(new TextDecoder().decode(bytes).trimEnd());
  }
  onBytes(handler: (bytes: Uint8Array) => void): void {
    this.handler = handler;
  }
  onClose(handler: () => void): void {
    this.closers.push(handler);
  }
  close(): void {
    this.isClosed = true;
    for (const closed of this.closers) closed();
  }
  ask(text: string): void {
    this.handler(new TextEncoder().encode(`${text}\n`));
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

describe("following", () => {
  it("tells events until the asker goes, and then no more", async () => {
    let ended = 0;
    const { pipe, tell } = await following(() => void ended++);
    tell({ n: 1 });
    expect(pipe.lines).toEqual(['{"ok":true,"value":null}', '{"event":{"n":1}}']);
    pipe.close();
    expect(ended).toBe(1);
  });

  it("keeps a bounded number of bytes for a reader that does not read, and counts what it lost", async () => {
    const { pipe, tell } = await following();
    const event = { text: "x".repeat(1000) };
    for (let i = 0; i < 1000; i++) tell(event);
    expect(pipe.pendingBytes).toBeLessThan(300_000);
    const told = pipe.lines.length - 1;
    pipe.pendingBytes = 0;
    tell({ n: 1 });
    expect(JSON.parse(pipe.lines.at(-1)!)).toEqual({ event: { n: 1 }, lost: 1000 - told });
    tell({ n: 2 });
    expect(JSON.parse(pipe.lines.at(-1)!)).toEqual({ event: { n: 2 } });
  });
});
