import { RoamwallError } from "../../base/errors.ts";
import type { Endpoint, Listener, Stream } from "../platform.ts";
import { folderOf } from "./files.ts";
import { codeOf, host } from "./host.ts";

const REASONS: Record<string, string> = { ENOENT: "nobody listens there", ECONNREFUSED: "nobody answers" };

export function connectUnix(path: string): Promise<Stream> {
  return open((done) => host.connectUnix(path, done)).catch((code: string) => {
    throw new RoamwallError("ROAMWALL_ERR_CONNECT", `${path}: ${REASONS[code] ?? code}`);
  });
}

export function connectTcp({ address, port }: Endpoint): Promise<Stream> {
  return open((done) => host.connectTcp(address, port, done)).catch((code: string) => {
    throw new RoamwallError("ROAMWALL_ERR_CONNECT", `${address} port ${port}: ${REASONS[code] ?? code}`);
  });
}

/** Rejects with errno's name. */
function open(connect: (done: (error: string | undefined) => void) => number): Promise<Stream> {
  return new Promise((resolve, reject) => {
    try {
      const id = connect((error) => {
        if (error === undefined) resolve(streamOf(id));
        else reject(error);
      });
    } catch (cause) {
      reject(codeOf(cause));
    }
  });
}

/** A dead socket file (nobody answers) is replaced; a live one belongs to another process. */
export async function serveUnix(path: string, onStream: (stream: Stream) => void): Promise<{ close(): void }> {
  if (await isAlive(path)) throw new RoamwallError("ROAMWALL_ERR_BUSY", `${path}: another process answers there`);
  try {
    host.makeFolders(folderOf(path));
    removeDead(path);
    return serve((take) => host.serveUnix(path, take), onStream);
  } catch (cause) {
    throw new RoamwallError("ROAMWALL_ERR_FILE", `${path}: ${codeOf(cause)}`);
  }
}

export async function listenTcp(at: Endpoint, onStream: (stream: Stream) => void): Promise<Listener> {
  const { address, port } = at;
  try {
    const { id, close } = serve((take) => host.listenTcp(address, port, take), onStream);
    return { local: { address, port: host.serverPort(id) }, close };
  } catch (cause) {
    throw new RoamwallError("ROAMWALL_ERR_BIND", `${address} port ${port}: ${codeOf(cause)}`);
  }
}

function serve(start: (take: (stream: number) => void) => number, onStream: (stream: Stream) => void) {
  const open = new Set<number>();
  const id = start((taken) => {
    open.add(taken);
    onStream(streamOf(taken, () => open.delete(taken)));
  });
  return {
    id,
    close() {
      host.closeServer(id);
      for (const stream of open) host.destroy(stream);
    },
  };
}

function removeDead(path: string): void {
  try {
    host.remove(path);
  } catch (cause) {
    if (codeOf(cause) !== "ENOENT") throw cause;
  }
}

async function isAlive(path: string): Promise<boolean> {
  try {
    (await connectUnix(path)).close();
    return true;
  } catch {
    return false;
  }
}

export function streamOf(id: number, closed: () => void = () => {}): Stream {
  let isOpen = true;
  const closers = [closed];
  host.onClose(id, () => {
    isOpen = false;
    for (const run of closers) run();
  });
  return {
    write: (bytes) => void host.write(id, bytes),
    get pendingBytes() {
      return host.pending(id);
    },
    onBytes: (handler) => host.onBytes(id, handler),
    onClose(handler) {
      if (isOpen) closers.push(handler);
      else void Promise.resolve().then(handler);
    },
    close: () => host.end(id),
  };
}
