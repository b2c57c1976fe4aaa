/** A real Chromium, without window, over the DevTools protocol on a pipe: no dependency, no port. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";

const PATHS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const ANSWER_MS = 20_000;
const POLL_MS = 50;

export const CHROMIUM = PATHS.find((path) => existsSync(path));

type Json = Record<string, unknown>;

interface Waiting {
  readonly resolve: (value: Json) => void;
  readonly reject: (error: Error) => void;
}

export interface View {
  readonly width: number;
  readonly height: number;
  readonly dark?: boolean;
  readonly mobile?: boolean;
}

export class Chromium {
  private readonly waiting = new Map<number, Waiting>();
  private readonly listeners = new Map<string, (method: string, params: Json) => void>();
  private readonly process: ChildProcess;
  private readonly profile = mkdtempSync(join(tmpdir(), "roamwall-chromium-"));
  private calls = 0;

  constructor() {
    const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"];
    const args = [...flags, "--remote-debugging-pipe", `--user-data-dir=${this.profile}`, "about:blank"];
    this.process = spawn(CHROMIUM!, args, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"], detached: true });
    let held = "";
    (this.process.stdio[4] as Readable).setEncoding("utf8").on("data", (text: string) => {
      const messages = (held + text).split("\0");
      held = messages.pop()!;
      for (const message of messages) this.take(JSON.parse(message));
    });
  }

  async open(view: View): Promise<Tab> {
    const { targetId } = await this.call("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.call("Target.attachToTarget", { targetId, flatten: true });
    const tab = new Tab(this, sessionId as string, targetId as string);
    this.listeners.set(sessionId as string, (method, params) => tab.heard(method, params));
    await tab.prepare(view);
    return tab;
  }

  call(method: string, params: Json = {}, sessionId?: string): Promise<Json> {
    const id = ++this.calls;
    (this.process.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`Chromium did not answer ${method}`)), ANSWER_MS);
      const settle = <T>(then: (value: T) => void) => {
        return (value: T) => {
          clearTimeout(late);
          then(value);
        };
      };
      this.waiting.set(id, { resolve: settle(resolve), reject: settle(reject) });
    });
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    // Its helpers, too: they write to the profile.
    process.kill(-this.process.pid!, "SIGKILL");
    await ended;
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 20 });
  }

  private take(message: {
    id?: number;
    method?: string;
    params?: Json;
    result?: Json;
    error?: Json;
    sessionId?: string;
  }) {
    if (message.id === undefined) {
      this.listeners.get(message.sessionId ?? "")?.(message.method!, message.params ?? {});
      return;
    }
    const waiting = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if (message.error) waiting?.reject(new Error(String(message.error["message"])));
    else waiting?.resolve(message.result ?? {});
  }
}

export class Tab {
  /** What the console calls an error, exceptions that nobody caught, and what the content policy blocked. */
  readonly errors: string[] = [];
  /** Addresses asked for. */
  readonly requests: string[] = [];

  constructor(
    private readonly chromium: Chromium,
    private readonly sessionId: string,
    private readonly targetId: string,
  ) {}

  async prepare({ width, height, dark = false, mobile = false }: View): Promise<void> {
    for (const domain of ["Runtime", "Log", "Page", "Network", "Accessibility"]) await this.call(`${domain}.enable`);
    await this.call("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile });
    const scheme = [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }];
    await this.call("Emulation.setEmulatedMedia", { features: scheme });
  }

  call(method: string, params: Json = {}): Promise<Json> {
    return this.chromium.call(method, params, this.sessionId);
  }

  heard(method: string, params: Json): void {
    const text = (value: unknown) => JSON.stringify(value);
    if (method === "Runtime.exceptionThrown") this.errors.push(text(params["exceptionDetails"]));
    if (method === "Runtime.consoleAPICalled" && params["type"] === "error") this.errors.push(text(params["args"]));
    const entry = params["entry"] as { level?: string; text?: string } | undefined;
    if (method === "Log.entryAdded" && entry?.level === "error") this.errors.push(entry.text ?? "");
    const request = params["request"] as { url?: string } | undefined;
    if (method === "Network.requestWillBeSent") this.requests.push(request?.url ?? "");
  }

  async go(url: string): Promise<void> {
    await this.call("Page.navigate", { url });
  }

  async run<T>(expression: string): Promise<T> {
    const answer = await this.call("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true });
    if (answer["exceptionDetails"]) throw new Error(JSON.stringify(answer["exceptionDetails"]));
    return (answer["result"] as { value: T }).value;
  }

  /** Until the expression is true. */
  async until(expression: string, ms = 15_000): Promise<void> {
    // What is not there yet is not true yet.
    const holds = () => this.run<boolean>(`Boolean(${expression})`).catch(() => false);
    for (let waited = 0; !(await holds()); waited += POLL_MS) {
      if (waited > ms) throw new Error(`not within ${ms} ms: ${expression}`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  async press(key: string, code = key): Promise<void> {
    const text = key === "Enter" ? "\r" : key.length === 1 ? key : "";
    const windowsVirtualKeyCode = { Tab: 9, Enter: 13 }[key] ?? 0;
    const event = { key, code, text, windowsVirtualKeyCode };
    await this.call("Input.dispatchKeyEvent", { type: "keyDown", ...event });
    await this.call("Input.dispatchKeyEvent", { type: "keyUp", ...event });
  }

  /** Roles and names as a screen reader gets them. */
  async accessible(): Promise<{ role: string; name: string }[]> {
    const { nodes } = await this.call("Accessibility.getFullAXTree");
    type Node = { ignored: boolean; role?: { value: string }; name?: { value: string } };
    return (nodes as Node[])
      .filter(({ ignored }) => !ignored)
      .map(({ role, name }) => ({ role: role?.value ?? "", name: name?.value ?? "" }));
  }

  /** Of the whole page, as PNG. */
  async screenshot(path: string): Promise<void> {
    const { cssContentSize } = await this.call("Page.getLayoutMetrics");
    const { width, height } = cssContentSize as { width: number; height: number };
    const clip = { x: 0, y: 0, width, height, scale: 1 };
    const { data } = await this.call("Page.captureScreenshot", { format: "png", clip, captureBeyondViewport: true });
    writeFileSync(path, Buffer.from(data as string, "base64"));
  }

  async close(): Promise<void> {
    await this.chromium.call("Target.closeTarget", { targetId: this.targetId });
  }
}
