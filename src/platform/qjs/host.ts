/**
 * What roamwall-qjs (firmware/qjs) gives the bundle: the only thing that this room reaches for. Whatever is wrong with an
 * argument is thrown as an Error with the `code` of errno. Ids that are over are no fault: then nothing happens.
 */
export interface Host {
  readonly arguments: readonly string[];
  /** Where the bundle lies. */
  readonly folder: string;
  /** RAM of the machine; 0: not known. */
  readonly memoryBytes: number;

  /** Monotonic milliseconds, with fractions. */
  now(): number;
  /** Seconds since 1970. */
  wall(): number;
  /** Never 0. */
  after(ms: number, run: () => void): number;
  cancel(timer: number): void;
  /** At most 65,536 bytes. */
  entropy(bytes: number): Uint8Array;

  /** 1: standard output, 2: error. False: nobody reads any more. */
  say(to: 1 | 2, bytes: Uint8Array): boolean;
  /** Of the terminal; 0: it is none. */
  columns(of: 1 | 2): number;
  environment(name: string): string | undefined;
  onSignal(name: string, run: () => void): void;
  /** When what runs has returned. */
  exit(code: number): void;

  encode(text: string): Uint8Array;
  decode(bytes: Uint8Array): string;

  read(path: string): Uint8Array;
  replace(path: string, bytes: Uint8Array, mode: number): void;
  stat(path: string): { mode: number; uid: number; ourUid: number; isLink: boolean };
  makeFolders(path: string): void;
  remove(path: string): void;
  /** `changed` may get "": something in the folder. */
  watch(folder: string, changed: (name: string) => void): number;
  unwatch(id: number): void;

  udp(
    address: string,
    port: number,
    isShared: boolean,
    onDatagram: (bytes: Uint8Array, address: string, port: number) => void,
  ): number;
  localPort(id: number): number;
  /** `iface`: its address, or `%name` for IPv6; "": the routes decide. */
  joinGroup(id: number, group: string, iface: string): void;
  sendGroupsBy(id: number, iface: string, isEchoed: boolean): void;
  /** Answers why the datagram is lost. */
  send(id: number, bytes: Uint8Array, address: string, port: number): string | undefined;
  closeUdp(id: number): void;

  connectUnix(path: string, onConnect: (error: string | undefined) => void): number;
  connectTcp(address: string, port: number, onConnect: (error: string | undefined) => void): number;
  /** False: the stream is over. */
  write(id: number, bytes: Uint8Array): boolean;
  pending(id: number): number;
  onBytes(id: number, handler: (bytes: Uint8Array) => void): void;
  onClose(id: number, handler: () => void): void;
  /** What was written still goes out. */
  end(id: number): void;
  destroy(id: number): void;
  serveUnix(path: string, onStream: (id: number) => void): number;
  listenTcp(address: string, port: number, onStream: (id: number) => void): number;
  serverPort(id: number): number;
  /** Its streams stay. */
  closeServer(id: number): void;
  resolve(name: string, answered: (addresses: string[]) => void): void;
  /** Child, and streams of what it writes. Code 127: not started; undefined: ended by a signal. */
  spawn(
    words: readonly string[],
    onExit: (code: number | undefined) => void,
  ): [child: number, out: number, err: number];
  terminate(child: number): void;

  sha256(bytes: Uint8Array): Uint8Array;
  /** Of the first `length` bytes, into 8 bytes, the highest first. */
  sipHash(key: Uint8Array, bytes: Uint8Array, length: number, out: Uint8Array): void;
  seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array, sealed: Uint8Array): void;
  open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
  publicKey(seed: Uint8Array): Uint8Array;
  /** X25519 */
  dhPublicKey(secret: Uint8Array): Uint8Array;
  dhShared(secret: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;
  sign(seed: Uint8Array, message: Uint8Array): Uint8Array;
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}

export const host: Host = (globalThis as unknown as { host: Host }).host;

/** Of what the host threw. */
export function codeOf(cause: unknown): string {
  return (cause as { code?: string }).code ?? String(cause);
}
