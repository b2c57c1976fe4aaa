/** The stream of events. `fetch` and not EventSource, which cannot show a token. */
import type { First, Now, Slow } from "../src/control/page/view.ts";

export interface Events {
  first(first: First): void;
  now(now: Now): void;
  slow(slow: Slow): void;
}

export type State = "live" | "lost" | "token";

const RETRY_MS = [1_000, 2_000, 5_000];
/** An event comes every second. */
const SILENT_MS = 10_000;
const KEPT_AS = "roamwall-token";

export class Connection {
  private tries = 0;

  constructor(
    private readonly events: Events,
    private readonly onState: (state: State, text: string) => void,
  ) {
    // A link may bring the token in its fragment, which no server ever sees; it is not left in the address.
    const given = /[#&]token=([^&]+)/.exec(location.hash)?.[1];
    if (given === undefined) return;
    sessionStorage.setItem(KEPT_AS, decodeURIComponent(given));
    history.replaceState(null, "", location.pathname);
  }

  setToken(token: string): void {
    sessionStorage.setItem(KEPT_AS, token);
    void this.open();
  }

  async open(): Promise<void> {
    const token = sessionStorage.getItem(KEPT_AS);
    const cancel = new AbortController();
    try {
      const answer = await fetch("/events", {
        headers: token === null ? {} : { Authorization: `Bearer ${token}` },
        signal: cancel.signal,
      });
      if (answer.status === 401) {
        sessionStorage.removeItem(KEPT_AS);
        this.onState("token", token === null ? "" : "That is not the token.");
        return;
      }
      if (!answer.ok || !answer.body)
        throw new Error(answer.status === 503 ? "too many pages are open" : `${answer.status}`);
      await this.read(answer.body.getReader(), cancel);
      throw new Error("connection lost");
    } catch (error) {
      const why = (error as Error).message;
      this.onState("lost", /fetch|network|abort/i.test(why) ? "connection lost" : why);
      setTimeout(() => void this.open(), RETRY_MS[Math.min(this.tries++, RETRY_MS.length - 1)]);
    }
  }

  private async read(reader: ReadableStreamDefaultReader<Uint8Array>, cancel: AbortController): Promise<void> {
    const decoder = new TextDecoder();
    let held = "";
    for (;;) {
      const silence = setTimeout(() => cancel.abort(), SILENT_MS);
      const { done, value } = await reader.read();
      clearTimeout(silence);
      if (done) return;
      const blocks = (held + decoder.decode(value, { stream: true })).split("\n\n");
      held = blocks.pop()!;
      for (const block of blocks) this.take(block);
    }
  }

  private take(block: string): void {
    const [, name, data] = /^event: (\w+)\ndata: (.*)$/.exec(block) ?? [];
    if (name !== "first" && name !== "now" && name !== "slow") return;
    this.tries = 0;
    this.onState("live", "live");
    this.events[name](JSON.parse(data!));
  }
}
