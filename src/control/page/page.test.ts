import { createHash } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { nodePlatform } from "../../platform/node/platform.ts";
import { compilePolicy, parsePolicy } from "../../policy/policy.ts";
import { someFigures } from "../metrics/testing/figures.ts";
import { parseExposition } from "../metrics/testing/parse.ts";
import type { PageSettings } from "../settings-page.ts";
import { type Page, startPage } from "./page.ts";

const TOKEN = "0123456789abcdef0123";
const SCRIPT = "console.log(1)";
const directory = mkdtempSync(join(tmpdir(), "roamwall-page-unit-"));
const path = (name: string) => join(directory, name);
writeFileSync(path("roamwall-page.html"), `<style>a{}</style><script>${SCRIPT}</script>`);
writeFileSync(path("token"), `${TOKEN}\n`, { mode: 0o600 });
afterAll(() => rmSync(directory, { recursive: true }));

const policy = compilePolicy(parsePolicy("roles: {a: {rules: [out any to any]}}\nunknown: a\n", "p"), [1, 2, 3, 4]);

function start(settings: Partial<PageSettings> = {}): Promise<Page> {
  const platform = { ...nodePlatform({ write: () => {} }), beside: path };
  return startPage({
    platform,
    settings: { listen: { address: "127.0.0.1", port: 0 }, tokenFile: undefined, names: [], ...settings },
    name: "ap1",
    source: {
      figures: async () => someFigures(),
      clients: async () => [],
      roams: () => [],
      table: () => undefined,
      policy: () => policy,
      listen: () => () => {},
      mesh: () => undefined,
    },
  });
}

interface Got {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

function get({ listener }: Page, at: string, headers: Record<string, string> = {}): Promise<Got> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port: listener.local.port, path: at, headers }, (answer) => {
      let body = "";
      answer.setEncoding("utf8").on("data", (text: string) => {
        body += text;
        // Events never end by themselves.
        if (at === "/events" && body.includes("\n\n")) asked.destroy();
      });
      answer.on("close", () => resolve({ status: answer.statusCode!, headers: answer.headers, body }));
    });
    asked.on("error", reject);
    asked.end();
  });
}

describe("the status page", () => {
  let page: Page;
  afterEach(() => page?.close());

  describe("without a token", () => {
    beforeEach(async () => {
      page = await start();
    });

    it("is one file, and only what the build put into it may run", async () => {
      const { status, headers, body } = await get(page, "/");
      expect([status, body.includes(SCRIPT)]).toEqual([200, true]);
      const hash = createHash("sha256").update(SCRIPT).digest("base64");
      expect(headers["content-security-policy"]).toContain(`default-src 'none'; script-src 'sha256-${hash}'`);
      expect(headers["content-security-policy"]).not.toContain("unsafe");
    });

    it("answers Prometheus", async () => {
      const { status, headers, body } = await get(page, "/metrics");
      expect([status, headers["content-type"]]).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"]);
      expect(parseExposition(body).has("roamwall_clients_here")).toBe(true);
    });

    it("tells what changes", async () => {
      const { headers, body } = await get(page, "/events");
      expect(headers["content-type"]).toBe("text/event-stream");
      expect(body).toMatch(/^event: first\ndata: \{"samples":/);
    });

    it("knows no other path, and nobody who asks for another name", async () => {
      expect((await get(page, "/../etc/passwd")).status).toBe(404);
      for (const at of ["/", "/metrics", "/events"]) {
        expect((await get(page, at, { Host: "attacker.example" })).status, at).toBe(421);
      }
      expect((await get(page, "/", { Host: "ap1:9477" })).status).toBe(200);
    });
  });

  it("shows only itself to those without the token", async () => {
    page = await start({ tokenFile: path("token") });
    expect((await get(page, "/")).status).toBe(200);
    for (const at of ["/metrics", "/events", "/nowhere"]) expect((await get(page, at)).status, at).toBe(401);
    expect((await get(page, "/metrics", { Authorization: `Bearer ${TOKEN}x` })).status).toBe(401);
    expect((await get(page, "/metrics", { Authorization: `Bearer ${TOKEN}` })).status).toBe(200);
  });

  it.each([
    ["short", "12345678\n", 0o600, "no such token"],
    ["with a blank", "0123456789 abcdef\n", 0o600, "no such token"],
    ["that others can read", `${TOKEN}\n`, 0o644, "mode 0644 lets others read it"],
  ])("refuses a token %s, and does not repeat it", async (_phrase, text, mode, found) => {
    writeFileSync(path("bad"), text);
    chmodSync(path("bad"), mode);
    const failure = await start({ tokenFile: path("bad") }).catch((error: Error) => error.message);
    expect(failure).toContain(found);
    expect(failure).not.toContain(text.trim());
  });
});
