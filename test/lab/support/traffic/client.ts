import { createSocket } from "node:dgram";
import { get } from "node:http";
import { connect, createServer } from "node:net";
import { FlowSet } from "./flows.ts";
import {
  type ClientReport,
  CONNECT_PATIENCE_MS,
  CONNECT_PERIOD_MS,
  FIRST_ID,
  LOOKUP_PATIENCE_MS,
  LOOKUP_PERIOD_MS,
  LOOKUP_TRIES,
  type Plan,
  PORTS,
} from "./plan.ts";
import { serveQuestions } from "./program.ts";
import { Stream } from "./stream.ts";

/** The client's programs: chats, a download, a stream, and something new all along. */
const flows = new FlowSet();
const connects = { done: 0, failed: 0 };
const lookups = { done: 0, failed: 0 };
const download = { bytes: 0, lastMs: 0 };
let stream: Stream | undefined;
let isOpening = true;

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

/** A whole connection: handshake, request, answer, orderly close. */
function connectOnce(host: string): void {
  const request = get({ host, port: PORTS.web, path: "/small", agent: false, timeout: CONNECT_PATIENCE_MS });
  let failed = false;
  request.on("response", (response) => {
    response.on("end", () => connects.done++);
    response.on("error", () => {});
    response.resume();
  });
  request.on("timeout", () => request.destroy(new Error("no answer")));
  request.on("error", () => {
    if (!failed) connects.failed++;
    failed = true;
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
    await openFlows(plan.server, FIRST_ID.client, plan.clientFlows);
    await openFlows(plan.server, FIRST_ID.idle, plan.idleFlows);
    await startDownload(plan.server.v4);
    stream = Stream.to(plan.server.v4, PORTS.stream);
    let turn = 0;
    setInterval(() => isOpening && connectOnce(++turn % 3 === 0 ? plan.server.v6 : plan.server.v4), CONNECT_PERIOD_MS);
    setInterval(() => isOpening && lookUpOnce(plan.server.v4), LOOKUP_PERIOD_MS);
  },
  /** Whether anything new is begun; what is under way goes on. */
  open(wanted: boolean) {
    isOpening = wanted;
  },
  mark: () => flows.mark(),
  wake: () => flows.wake(),
  report: (): ClientReport => ({
    flows: flows.report(),
    stream: stream!.report(),
    download: { bytes: download.bytes, silentMs: performance.now() - download.lastMs },
    connects,
    lookups,
  }),
});
