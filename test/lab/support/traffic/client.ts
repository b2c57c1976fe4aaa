import { createSocket } from "node:dgram";
import { get } from "node:http";
import { connect, createServer, type Socket } from "node:net";
import { FlowSet, MESSAGE_BYTES } from "./flows.ts";
import {
  type ClientReport,
  CONNECT_PATIENCE_MS,
  CONNECT_PERIOD_MS,
  type Death,
  FIRST_ID,
  LOOKUP_PATIENCE_MS,
  LOOKUP_PERIOD_MS,
  LOOKUP_TRIES,
  type Plan,
  PORTS,
} from "./plan.ts";
import { serveQuestions } from "./program.ts";
import { StreamSet } from "./stream.ts";

/** The client's programs: chats, a download, a stream, and something new all along. */
const flows = new FlowSet();
const connects = { done: 0, failed: 0, lost: [] as Death[] };
const lookups = { done: 0, failed: 0 };
const download = { bytes: 0, lastMs: 0 };
const streams = new StreamSet();
let isOpening = true;
let briefs = 0;

function openFlows(host: { v4: string; v6: string }, firstId: number, count: number): Promise<unknown> {
  const open = (id: number) =>
    new Promise<void>((resolve, reject) => {
      const socket = connect(PORTS.chat, id % 3 === 0 ? host.v6 : host.v4);
      socket.once("error", reject);
      socket.once("connect", () => {
        flows.opened(socket, id);
        resolve();
      });
    });
  return Promise.all(Array.from({ length: count }, (_, i) => open(firstId + i)));
}

/** The server's greeting comes first; then it is a flow as the others. */
function openGreeted(host: string, count: number): Promise<unknown> {
  const open = (id: number) =>
    new Promise<void>((resolve, reject) => {
      const socket = connect(PORTS.mail, host);
      socket.once("error", reject);
      socket.once("data", (bytes) => {
        if (bytes.length !== MESSAGE_BYTES) return reject(new Error("that is no greeting"));
        flows.opened(socket, id);
        resolve();
      });
    });
  return Promise.all(Array.from({ length: count }, (_, i) => open(FIRST_ID.greeted + i)));
}

function startDownload(host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = get({ host, port: PORTS.web, path: "/endless", agent: false }, (response) => {
      resolve();
      response.on("data", (bytes: Buffer) => {
        download.bytes += bytes.length;
        download.lastMs = performance.now();
      });
      response.on("error", () => {});
    });
    request.on("error", reject);
  });
}

/** Counts a connection that ends by itself, or fails, or is silent for too long. */
function watchBrief(socket: Socket, isDone: () => boolean): void {
  const id = FIRST_ID.brief + briefs++;
  const openedMs = performance.now();
  let lastMs = openedMs;
  socket.on("connect", () => {
    lastMs = performance.now();
  });
  socket.on("data", () => {
    lastMs = performance.now();
  });
  socket.setTimeout(CONNECT_PATIENCE_MS, () => socket.destroy());
  socket.on("error", () => {});
  socket.on("close", () => {
    if (isDone()) connects.done++;
    else {
      connects.failed++;
      connects.lost.push({ id, ageMs: lastMs - openedMs });
    }
  });
}

/** A whole connection: handshake, request, answer, orderly close. */
function connectOnce(host: string): void {
  const request = get({ host, port: PORTS.web, path: "/small", agent: false });
  let isDone = false;
  request.on("socket", (socket) => watchBrief(socket, () => isDone));
  request.on("response", (response) => {
    response.on("end", () => {
      isDone = true;
    });
    response.on("error", () => {});
    response.resume();
  });
  request.on("error", () => {});
}

/** The same where the server speaks first, and closes last. */
function mailOnce(host: string): void {
  const socket = connect(PORTS.mail, host);
  let isGreeted = false;
  watchBrief(socket, () => isGreeted);
  socket.on("data", () => {
    isGreeted = true;
    socket.end("Q");
  });
}

/** A question and its answer by UDP, from a new port, asked again as resolvers do. */
function lookUpOnce(host: string): void {
  const socket = createSocket("udp4");
  let tries = 0;
  const ask = () => {
    if (tries++ < LOOKUP_TRIES) return socket.send("who?", PORTS.lookup, host, () => {});
    lookups.failed++;
    clearInterval(again);
    socket.close();
  };
  const again = setInterval(ask, LOOKUP_PATIENCE_MS);
  socket.once("message", () => {
    lookups.done++;
    clearInterval(again);
    socket.close();
  });
  socket.on("error", () => {});
  ask();
}

serveQuestions({
  async start(plan: Plan) {
    for (const host of ["0.0.0.0", "::"]) {
      const shell = createServer((socket) => flows.accepted(socket));
      shell.listen({ port: PORTS.shell, host, ipv6Only: host === "::" });
    }
    const { server } = plan;
    await openFlows(server, FIRST_ID.client, plan.clientFlows);
    await openFlows(server, FIRST_ID.napping, plan.nappingFlows ?? 0);
    await openFlows(server, FIRST_ID.idle, plan.idleFlows);
    await openGreeted(server.v4, plan.greetedFlows ?? 0);
    if (plan.download ?? true) await startDownload(server.v4);
    streams.open(plan.streams ?? 1, server.v4, PORTS.stream);
    let turn = 0;
    const connectNext = () => {
      if (++turn % 4 === 0) mailOnce(server.v4);
      else connectOnce(turn % 3 === 0 ? server.v6 : server.v4);
    };
    setInterval(() => isOpening && connectNext(), plan.connectPeriodMs ?? CONNECT_PERIOD_MS);
    setInterval(() => isOpening && lookUpOnce(server.v4), LOOKUP_PERIOD_MS);
  },
  /** Whether anything new is begun; what is under way goes on. */
  open(wanted: boolean) {
    isOpening = wanted;
  },
  mark() {
    flows.mark();
    streams.mark();
  },
  wake: () => flows.wake(),
  report: (): ClientReport => ({
    flows: flows.report(),
    stream: streams.report(),
    download: { bytes: download.bytes, silentMs: performance.now() - download.lastMs },
    connects,
    lookups,
  }),
});
