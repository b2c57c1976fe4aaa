/**
 * What the agent asks of the machine it runs on. `node/` implements it (later `qjs/`); nothing else imports `node:*`.
 * Nothing here throws for a network's reasons: a datagram that cannot be sent is a lost datagram.
 */
export interface Platform {
  readonly clock: Clock;
  readonly log: Log;
  readonly files: Files;
  /** Cryptographically strong. */
  entropy(bytes: number): Uint8Array;
  udp(options: UdpOptions): Promise<Udp>;
  /** Connects to a unix socket. Rejects with ROAMWALL_ERR_CONNECT, naming the path. */
  connect(path: string): Promise<Stream>;
  /** Serves a unix socket; replaces a dead one. */
  serve(path: string, onStream: (stream: Stream) => void): Promise<{ close(): void }>;
}

export interface Clock {
  /** Monotonic milliseconds, with fractions. */
  nowMs(): number;
  /** Returns a function that cancels. */
  after(ms: number, run: () => void): () => void;
}

export interface Log {
  debug(room: string, text: string, fields?: Record<string, unknown>): void;
  info(room: string, text: string, fields?: Record<string, unknown>): void;
  warn(room: string, text: string, fields?: Record<string, unknown>): void;
  error(room: string, text: string, fields?: Record<string, unknown>): void;
}

export interface Files {
  /** Throws ROAMWALL_ERR_FILE with path and reason. */
  readText(path: string): string;
  readBytes(path: string): Uint8Array;
  /** Permission bits, as 0o600. */
  mode(path: string): number;
  /** Calls back after the file's content changed. Returns a function that stops. */
  watch(path: string, changed: () => void): () => void;
}

export interface UdpOptions {
  /** Address to bind; port 0 = any. */
  readonly bind: string;
  readonly port: number;
  /** Multicast group to join, and the interface (its address, or for IPv6 `%name`) to send and join on. */
  readonly group?: string;
  readonly iface?: string;
  onDatagram(bytes: Uint8Array, from: Endpoint): void;
}

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export interface Udp {
  readonly local: Endpoint;
  send(bytes: Uint8Array, to: Endpoint): void;
  close(): void;
}

export interface Stream {
  /** Bytes are copied or written before it returns. */
  write(bytes: Uint8Array): void;
  /** Bytes waiting to be taken by the other side: the caller bounds what it queues. */
  readonly pendingBytes: number;
  onBytes(handler: (bytes: Uint8Array) => void): void;
  onClose(handler: () => void): void;
  close(): void;
}
