import { describe, expect, it } from "vitest";
import type { Stream } from "../../platform/platform.ts";
import { type Answer, HttpServer, parseHead } from "./http.ts";
import { FakeClock, FakeStream } from "./testing/stream.ts";

const HEAD = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n";
const OK: Answer = { status: 200, type: "text/plain", body: "hello" };

const parse = (text: string) => parseHead(new TextEncoder().encode(text));

describe("parseHead", () => {
  it("takes a request, and leaves out its query", () => {
    const request = parse("GET /metrics?x=1 HTTP/1.1\r\nHost: ap1:9477\r\nAccept:  */*  ");
    expect(request).toMatchObject({ path: "/metrics" });
    expect((request as { headers: ReadonlyMap<string, string> }).headers.get("accept")).toBe("*/*");
  });

  it.each([
    ["another method", "POST / HTTP/1.1\r\nHost: a", 405],
    ["a method in small letters", "get / HTTP/1.1\r\nHost: a", 400],
    ["another version", "GET / HTTP/1.0\r\nHost: a", 505],
    ["no host", "GET / HTTP/1.1\r\nAccept: a", 400],
    ["two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b", 400],
    ["two tokens", "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b", 400],
    ["a body", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5", 400],
    ["a body in chunks", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked", 400],
    ["a folded header", "GET / HTTP/1.1\r\nHost: a\r\n b: c", 400],
    ["a blank before the colon", "GET / HTTP/1.1\r\nHost : a", 400],
    ["a line end alone", "GET / HTTP/1.1\nHost: a", 400],
    ["a control character", "GET / HTTP/1.1\r\nHost: a\u0001", 400],
    ["an address of another server", "GET http://a/ HTTP/1.1\r\nHost: a", 400],
    ["a blank in the path", "GET /a b HTTP/1.1\r\nHost: a", 400],
  ])("refuses %s", (_phrase, text, status) => {
    expect(parse(text)).toBe(status);
  });
});

describe("HttpServer", () => {
  function served() {
    const clock = new FakeClock();
    const server = new HttpServer(clock, async () => OK);
    const connect = () => {
      const stream = new FakeStream();
      server.accept(stream);
      return stream;
    };
    return { clock, server, connect };
  }

  it("answers once, whatever the pieces, and ends the connection", async () => {
    const whole = `${HEAD}\r\n`;
    for (let cut = 1; cut < whole.length; cut++) {
      const stream = served().connect();
      stream.hear(whole.slice(0, cut));
      stream.hear(`${whole.slice(cut)}GET / HTTP/1.1\r\n\r\n`);
      await stream.settled();
      expect(stream.text.match(/HTTP\/1.1 200 OK/g), `cut at ${cut}`).toHaveLength(1);
      expect(stream.text.endsWith("\r\n\r\nhello")).toBe(true);
      expect(stream.closes).toBe(1);
    }
  });

  it("says with every answer that nothing may be framed, guessed or kept", async () => {
    const stream = served().connect();
    stream.hear("BREW / HTTP/1.1\r\nHost: a\r\n\r\n");
    await stream.settled();
    expect(stream.text).toMatch(/^HTTP\/1.1 405 /);
    for (const header of ["Allow: GET", "nosniff", "no-store", "frame-ancestors 'none'"]) {
      expect(stream.text).toContain(header);
    }
  });

  it("refuses a head without end, and keeps no more of it than its bound", async () => {
    const stream = served().connect();
    for (let i = 0; i < 10; i++) stream.hear("a".repeat(1_000));
    await stream.settled();
    expect(stream.text).toMatch(/^HTTP\/1.1 431 /);
    expect(stream.closes).toBe(1);
  });

  it("ends a connection that dribbles, and one that does not take its answer", async () => {
    const { clock, connect } = served();
    const slow = connect();
    clock.advance(4_000);
    slow.hear("GET / HT");
    clock.advance(1_001);
    expect(slow.text).toMatch(/^HTTP\/1.1 408 /);
    clock.advance(15_001);
    expect(slow.closes).toBeGreaterThanOrEqual(2);
  });

  it("drops the oldest that has said nothing for a new one, and never one that is served", async () => {
    const { connect, server } = served();
    const silent = Array.from({ length: 32 }, () => connect());
    const late = connect();
    expect(silent[0]!.closes).toBe(2);
    late.hear(`${HEAD}\r\n`);
    await late.settled();
    expect(late.text).toContain("200 OK");

    const endless = new HttpServer(new FakeClock(), async () => ({ type: "x", begin() {} }));
    const kept = Array.from({ length: 32 }, () => new FakeStream());
    for (const stream of kept) {
      endless.accept(stream);
      stream.hear(`${HEAD}\r\n`);
      await stream.settled();
    }
    const refused = new FakeStream();
    endless.accept(refused);
    expect(refused.closes).toBe(2);
    expect(kept.every(({ closes }) => closes === 0)).toBe(true);
    expect(server).toBeDefined();
  });

  it("answers 500 when a handler fails", async () => {
    const stream = new FakeStream();
    new HttpServer(new FakeClock(), async () => Promise.reject(new Error("secret"))).accept(stream as Stream);
    stream.hear(`${HEAD}\r\n`);
    await stream.settled();
    expect(stream.text).toMatch(/^HTTP\/1.1 500 /);
    expect(stream.text).not.toContain("secret");
  });
});
