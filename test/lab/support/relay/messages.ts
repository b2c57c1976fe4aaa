/** What a test and the relay that it started say to each other: JSON, a line each, with bytes and maps in it. */
export type Message = Question | { readonly id: number; readonly answer?: unknown; readonly fault?: Fault };

interface Question {
  readonly id: number;
  readonly ask: string;
  readonly args: readonly unknown[];
}

/** An error, as the relay tells refusals from others. */
export interface Fault {
  readonly code?: unknown;
  readonly message: string;
}

export function write(message: Message): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(message, spell)}\n`);
}

function spell(_key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return { $bytes: [...value] };
  if (value instanceof Map) return { $map: [...value] };
  return typeof value === "bigint" ? { $big: value.toString() } : value;
}

function read(_key: string, value: unknown): unknown {
  const { $bytes, $map, $big } = (value ?? {}) as { $bytes?: number[]; $map?: [unknown, unknown][]; $big?: string };
  if ($bytes) return Uint8Array.from($bytes);
  if ($map) return new Map($map);
  return $big === undefined ? value : BigInt($big);
}

/** One end: asks, and answers what `serve` knows by name. */
export class Wire {
  private text = "";
  private nextId = 1;
  private readonly asked = new Map<number, (message: Message) => void>();
  private readonly decoder = new TextDecoder();

  constructor(
    private readonly send: (bytes: Uint8Array) => void,
    private readonly serve: Record<string, (...args: never[]) => unknown>,
  ) {}

  ask<T>(ask: string, ...args: unknown[]): Promise<T> {
    const id = this.nextId++;
    this.send(write({ id, ask, args }));
    return new Promise((resolve, reject) => {
      this.asked.set(id, (message) => {
        if ("ask" in message) return;
        const { answer, fault } = message;
        if (fault) reject(Object.assign(new Error(fault.message), fault));
        else resolve(answer as T);
      });
    });
  }

  take(bytes: Uint8Array): void {
    this.text += this.decoder.decode(bytes, { stream: true });
    const lines = this.text.split("\n");
    this.text = lines.pop()!;
    for (const line of lines) this.heard(JSON.parse(line, read) as Message);
  }

  private heard(message: Message): void {
    if ("ask" in message) void this.answer(message);
    else this.asked.get(message.id)?.(message);
  }

  private async answer({ id, ask, args }: Question): Promise<void> {
    try {
      this.send(write({ id, answer: await this.serve[ask]!(...(args as never[])) }));
    } catch (error) {
      const { code, message } = error as Fault;
      this.send(write({ id, fault: { code, message } }));
    }
  }
}
