/**
 * What the agent asks of the machine it runs on. `node/` implements it (later `qjs/`); nothing else imports `node:*`.
 * Nothing here throws for a network's reasons: a datagram that cannot be sent is a lost datagram.
 */
export interface Platform {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Log;
  readonly files: Files;
  /** Seconds since 1970; undefined while this machine cannot know them, as one without a battery before it asked a time server. */
  wallSeconds(): number | undefined;
  readonly crypto: Crypto;
  /** RAM of the machine; absent: not known. */
  readonly memoryBytes?: number;
  /** Cryptographically strong. */
  entropy(bytes: number): Uint8Array;
  udp(options: UdpOptions): Promise<Udp>;
  /** Connects to a unix socket. Rejects with ROAMWALL_ERR_CONNECT, naming the path. */
  connect(path: string): Promise<Stream>;
  /** Serves a unix socket; replaces a dead one. */
  serve(path: string, onStream: (stream: Stream) => void): Promise<{ close(): void }>;
  /** Serves TCP. Rejects with ROAMWALL_ERR_BIND, naming address and port. */
  listen(at: Endpoint, onStream: (stream: Stream) => void): Promise<Listener>;
  /** Path of a file that is shipped beside the running bundle. */
  beside(name: string): string;
  /**
   * Starts a program (found by PATH) without a shell and without input; its standard error goes to the log. Never throws: a
   * program that is not there ends at once, with no code.
   */
  spawn(command: string, args: readonly string[], handlers: ProcessHandlers): Process;
  readonly ed25519: Ed25519;
  readonly x25519: X25519;
  /**
   * A connection to an MQTT broker, kept up by itself: a broker that cannot be reached is tried again. Rejects with
   * ROAMWALL_ERR_INPUT where the URL is wrong, and where this platform cannot speak what it asks for.
   */
  broker(options: BrokerOptions): Promise<Broker>;
}

export interface Engine {
  /** As operators know it, with its version. */
  readonly name: string;
  /** Runs `work` again and again until it runs no faster. Absent where nothing runs faster for having run before. */
  readonly warmUp?: (work: () => void) => Promise<void>;
  /** What settings may ask for and this platform can not do, each in a few words. Said at the start, not found out later. */
  readonly cannot: readonly string[];
}

export interface ProcessHandlers {
  /** A line of its standard output, without the line break. One of more than `PROCESS_LINE_MAX` characters ends the program. */
  line(text: string): void;
  /** Once, after the last line. `code` is undefined when it was not started, or was ended by a signal. */
  exit(code: number | undefined): void;
}

export const PROCESS_LINE_MAX = 1 << 20;

export interface Process {
  /** SIGTERM; `exit` is still called. */
  stop(): void;
}

/** RFC 8032. Seed and public key are 32 bytes, a signature 64. */
export interface Ed25519 {
  publicKey(seed: Uint8Array): Uint8Array;
  sign(seed: Uint8Array, message: Uint8Array): Uint8Array;
  /** False for a wrong signature and for a key that is none. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}

/** RFC 7748. Secrets, public keys and what two have in common are 32 bytes. */
export interface X25519 {
  publicKey(secret: Uint8Array): Uint8Array;
  /** Undefined: `publicKey` is one that everybody would share the same secret with. */
  shared(secret: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;
}

export interface BrokerOptions {
  /** mqtt://host:port, or mqtts:// for TLS. */
  readonly url: string;
  readonly clientId: string;
  readonly user?: string;
  readonly password?: string;
  /** PEM. `ca` replaces the system's authorities. */
  readonly ca?: string;
  readonly certificate?: string;
  readonly privateKey?: string;
  /** Said by the broker, retained, when this connection breaks. */
  readonly will?: { readonly topic: string; readonly payload: string };
  /** `why`: of a lost or refused connection. */
  onState(isConnected: boolean, why?: string): void;
  onMessage(topic: string, payload: Uint8Array): void;
}

export interface Broker {
  /** At least once, while connected; false, and nothing is kept, when it is not. */
  publish(topic: string, payload: string, isRetained: boolean): boolean;
  /** Kept over reconnections. `+` stands for one level. */
  subscribe(topic: string): void;
  close(): Promise<void>;
}

/** What sealing needs. All implementations give the same bytes: `portable-crypto.ts`, or the machine's own. */
export interface Crypto {
  sha256(bytes: Uint8Array): Uint8Array;
  /** RFC 5869. */
  hkdfSha256(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, bytes: number): Uint8Array;
  /** ChaCha20-Poly1305 (RFC 8439) under a key of 32 bytes. */
  aead(key: Uint8Array): Aead;
  /** SipHash-2-4 under a key of 16 bytes. */
  sipHash(key: Uint8Array): KeyedHash;
}

export interface KeyedHash {
  /** Of the first `length` bytes; the result is in `high` and `low`, 32 bits each. */
  hash(bytes: Uint8Array, length: number): void;
  readonly high: number;
  readonly low: number;
}

/** `nonce`: 12 bytes, never twice under one key; `aad`: authentic, not secret. */
export interface Aead {
  /** Ciphertext and the tag of 16 bytes, into `sealed`, which is 16 bytes longer than `plain`. */
  seal(nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array, sealed: Uint8Array): void;
  /** Undefined: not authentic. */
  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
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
  /** Whole or not at all, also when the power goes; permission bits as 0o600. Throws ROAMWALL_ERR_FILE. */
  writeText(path: string, text: string, mode: number): void;
  /** Permission bits, as 0o600. */
  mode(path: string): number;
  /** How others than its owner and root could read or replace the file; undefined: they cannot. */
  exposure(path: string): string | undefined;
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
  /** `toGroup`: it was sent to the group, not to this address alone. */
  onDatagram(bytes: Uint8Array, from: Endpoint, toGroup?: boolean): void;
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

export interface Listener {
  /** With the port that was found, where 0 was asked for. */
  readonly local: Endpoint;
  /** Ends its streams, too. */
  close(): void;
}

export interface Stream {
  /** Bytes are copied or written before it returns. */
  write(bytes: Uint8Array): void;
  /** Bytes waiting to be taken by the other side: the caller bounds what it queues. */
  readonly pendingBytes: number;
  /** Bytes are lent: a copy must be made of what is kept. */
  onBytes(handler: (bytes: Uint8Array) => void): void;
  onClose(handler: () => void): void;
  /** After what was written has been taken; called once more: at once. */
  close(): void;
}
