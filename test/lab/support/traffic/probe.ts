import { createSocket } from "node:dgram";
import { connect, createServer, type Socket } from "node:net";
import { serveQuestions } from "./program.ts";

/** One end of a few flows: asks and is asked by hand. `patienceMs`: how long an answer may take. */
const open = new Map<number, Socket>();
const flooding: Socket[] = [];
const hammered = { isOn: false, sent: 0 };

function within<T>(ms: number, late: T, run: (done: (value: T) => void) => void): Promise<T> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(late), ms);
    run((value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
}

serveQuestions({
  /** Echoes on these ports. */
  serve: (ports: number[]) => {
    for (const port of ports) createServer((socket) => socket.on("error", () => {}).pipe(socket)).listen(port);
  },
  /** True: the flow is open. Its port is its name. */
  open: async ({ address, port, patienceMs }: { address: string; port: number; patienceMs: number }) => {
    const socket = connect(port, address);
    open.set(port, socket);
    const isOpen = await within(patienceMs, false, (done) => {
      socket.on("connect", () => done(true));
      socket.on("error", () => done(false));
    });
    // Its SYN must not be repeated when somebody else counts what is denied.
    if (!isOpen) socket.destroy();
    return isOpen;
  },
  /** True: what is said on the flow comes back. */
  echo: ({ port, patienceMs }: { port: number; patienceMs: number }) =>
    within(patienceMs, false, (done) => {
      open
        .get(port)!
        .once("data", () => done(true))
        .write("?");
    }),
  /** Opens a flow to each address, from each of so many ports of ours; nobody waits for an answer. */
  flood: ({ addresses, port, times }: { addresses: string[]; port: number; times: number }) => {
    const sockets = Array.from({ length: times }, () => addresses.map((address) => connect(port, address)));
    for (const socket of sockets.flat()) socket.on("error", () => {});
    flooding.push(...sockets.flat());
  },
  calm: () => {
    for (const socket of flooding.splice(0)) socket.destroy();
  },
  /** Datagrams as fast as they go, from now on. */
  hammer: ({ address, port }: { address: string; port: number }) => {
    const socket = createSocket("udp4");
    const send = () => {
      for (let i = 0; i < 32; i++) socket.send("?", port, address);
      hammered.sent += 32;
      if (hammered.isOn) setImmediate(send);
      else socket.close();
    };
    hammered.isOn = true;
    send();
  },
  /** How many there were. */
  rest: () => {
    hammered.isOn = false;
    return hammered.sent;
  },
  /** The answer to a datagram, and how long it took. */
  datagram: ({ address, port, hex, patienceMs }: { address: string; port: number; hex: string; patienceMs: number }) =>
    within(patienceMs, { hex: "", ms: Number.POSITIVE_INFINITY }, (done) => {
      const socket = createSocket("udp4");
      const startMs = performance.now();
      socket.on("message", (bytes) => {
        done({ hex: bytes.toString("hex"), ms: performance.now() - startMs });
        socket.close();
      });
      socket.send(Buffer.from(hex, "hex"), port, address);
    }),
});
