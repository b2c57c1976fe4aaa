/** A connection to roamwalld, from the greeting to its end: the `Datapath` of an agent whose packets a kernel judges. */
import type { Platform } from "../platform/platform.ts";
import { ABI_VERSION } from "./abi.ts";
import { CommandWriter } from "./commands.ts";
import type { Counters, Datapath, DatapathHandlers, Hello } from "./datapath.ts";
import { EventReader, refusalText } from "./events.ts";
import { Framing } from "./framing.ts";
import { Questions } from "./questions.ts";
import { EVENTS } from "./stream-records.ts";

const HELLO_TIMEOUT_MS = 5_000;

/**
 * Connects to roamwalld. Rejects with ROAMWALL_ERR_CONNECT (nobody there, another agent is connected), ROAMWALL_ERR_ABI
 * (another version) or ROAMWALL_ERR_PROTOCOL (something else answers).
 */
export async function connectDatapath(platform: Platform, path: string): Promise<Datapath> {
  const framing = new Framing(await platform.connect(path), path);
  return new Promise((resolve, reject) => {
    const client = new Client(framing, (error) => {
      cancel();
      if (error) reject(error);
      else resolve(client);
    });
    const cancel = platform.clock.after(HELLO_TIMEOUT_MS, () =>
      framing.fail("ROAMWALL_ERR_CONNECT", `no greeting within ${HELLO_TIMEOUT_MS} ms`),
    );
  });
}

class Client extends CommandWriter implements Datapath {
  hello!: Hello;

  private readonly questions: Questions;
  private readonly events: EventReader;
  private greeted = false;

  /** `opened`: called once, when roamwalld has greeted or will not. */
  constructor(
    framing: Framing,
    private readonly opened: (error?: Error) => void,
  ) {
    super(framing);
    this.questions = new Questions(framing);
    this.events = new EventReader(framing, this.questions);
    framing.onRecord((kind, view, at, bytes) => {
      if (this.greeted) this.events.read(kind, view, at, bytes);
      else this.readOpening(kind, view, at, bytes);
    });
    framing.onEnd((error) => this.ended(error));
  }

  get handlers(): DatapathHandlers {
    return this.events.handlers;
  }
  set handlers(handlers: DatapathHandlers) {
    this.events.handlers = handlers;
    if (this.framing.closed) void Promise.resolve().then(() => handlers.closed());
    this.framing.resume();
  }

  counters(): Promise<Counters> {
    return this.questions.counters();
  }

  sync(): Promise<void> {
    return this.questions.sync();
  }

  close(): void {
    this.framing.fail("ROAMWALL_ERR_CLOSED", "closed");
  }

  private readOpening(kind: number, view: DataView, at: number, bytes: number): void {
    const { framing } = this;
    if (kind === EVENTS.refused.number) {
      framing.fail("ROAMWALL_ERR_CONNECT", refusalText(view, at, bytes));
      return;
    }
    const abi = bytes >= 8 ? view.getUint32(at + EVENTS.hello.body.offset["abi"]!, framing.le) : 0;
    if (kind !== EVENTS.hello.number || bytes < 8) {
      framing.failProtocol(`a first record of kind ${kind}`);
    } else if (abi !== ABI_VERSION) {
      const text = `roamwalld speaks abi version ${abi}, this agent ${ABI_VERSION}`;
      framing.fail("ROAMWALL_ERR_ABI", `${text}; install both from one release`);
    } else {
      const hello = framing.readBody(EVENTS.hello.body, view, at, bytes);
      if (!hello) return;
      this.hello = hello;
      this.greeted = true;
      // Until somebody listens or asks.
      framing.pause();
      this.opened();
    }
  }

  private ended(error: Error): void {
    this.questions.end(error);
    if (this.greeted) this.handlers.closed();
    else this.opened(error);
  }
}
