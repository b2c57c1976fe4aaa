import { chmodSync, mkdirSync, unlinkSync } from "node:fs";
import { type AddressInfo, connect, createServer, type ListenOptions, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import { RoamwallError } from "../../base/errors.ts";
import type { Endpoint, Listener, Stream } from "../platform.ts";
import { plain } from "./plain.ts";

const READ_BYTES = 65_536;

/**
 * What is read comes in one buffer, again and again, past Node's own queues: roamwalld's records come hundreds of times a
 * second, and a buffer for each and its way through a queue were a tenth of the agent's work.
 */
export function connectUnix(path: string): Promise<Stream> {
  return new Promise((resolve, reject) => {
    const buffer = new Uint8Array(READ_BYTES);
    let read = (_bytes: Uint8Array) => {};
    const callback = (count: number) => {
      read(buffer.subarray(0, count));
      return true;
    };
    const socket = connect({ path, onread: { buffer, callback } });
    // Until somebody listens.
    socket.pause();
    const onBytes = (handler: (bytes: Uint8Array) => void) => {
      read = handler;
      socket.resume();
    };
    socket.once("error", (error: NodeJS.ErrnoException) => {
      const reason =
        error.code === "ENOENT"
          ? "nobody listens there"
          : error.code === "ECONNREFUSED"
            ? "nobody answers"
            : error.message;
      reject(new RoamwallError("ROAMWALL_ERR_CONNECT", `${path}: ${reason}`));
    });
    socket.once("connect", () => resolve({ ...streamOf(socket), onBytes }));
  });
}

/** A dead socket file (nobody answers) is replaced; a live one belongs to another process. */
export async function serveUnix(path: string, onStream: (stream: Stream) => void): Promise<{ close(): void }> {
  if (await isAlive(path)) throw new RoamwallError("ROAMWALL_ERR_BUSY", `${path}: another process answers there`);
  try {
    mkdirSync(dirname(path), { recursive: true });
    unlinkSync(path);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code !== "ENOENT") throw new RoamwallError("ROAMWALL_ERR_FILE", `${path}: ${message}`);
  }
  const fail = (error: Error) => new RoamwallError("ROAMWALL_ERR_FILE", `${path}: ${error.message}`);
  const { close } = await serveStreams({ path }, onStream, fail);
  chmodSync(path, 0o600);
  return { close };
}

export async function listenTcp(at: Endpoint, onStream: (stream: Stream) => void): Promise<Listener> {
  const { address, port } = at;
  const fail = (error: NodeJS.ErrnoException) => {
    return new RoamwallError("ROAMWALL_ERR_BIND", `${address} port ${port}: ${error.code ?? error.message}`);
  };
  const { server, close } = await serveStreams({ host: address, port }, onStream, fail);
  return { local: { address, port: (server.address() as AddressInfo).port }, close };
}

async function serveStreams(
  where: ListenOptions,
  onStream: (stream: Stream) => void,
  refusal: (error: NodeJS.ErrnoException) => Error,
): Promise<{ server: Server; close(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    onStream(streamOf(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(refusal(error)));
    server.listen(where, resolve);
  });
  return {
    server,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

function streamOf(socket: Socket): Stream {
  // A broken pipe is a closed stream: "close" follows, and is what the owner waits for.
  socket.on("error", () => {});
  let isClosing = false;
  // What one turn of the event loop writes leaves at its end, as one: each write would wake the other side.
  let turn: Uint8Array[] = [];
  let turnBytes = 0;
  const leave = () => {
    const parts = turn;
    turn = [];
    turnBytes = 0;
    if (!socket.writable) return;
    if (parts.length > 1) socket.cork();
    for (const part of parts) socket.write(part);
    if (parts.length > 1) socket.uncork();
  };
  return {
    write(bytes) {
      if (!socket.writable) return;
      if (turn.length === 0) setImmediate(leave);
      // Node keeps the buffer until the kernel took it; callers reuse theirs.
      turn.push(new Uint8Array(bytes));
      turnBytes += bytes.length;
    },
    get pendingBytes() {
      return socket.writableLength + turnBytes;
    },
    onBytes: (handler) => void socket.on("data", (bytes) => handler(plain(bytes))),
    onClose(handler) {
      if (socket.closed) queueMicrotask(handler);
      else socket.once("close", handler);
    },
    close() {
      leave();
      if (isClosing) socket.destroy();
      else socket.destroySoon();
      isClosing = true;
    },
  };
}
