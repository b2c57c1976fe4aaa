import { createSocket } from "node:dgram";
import { createServer as createWebServer, type ServerResponse } from "node:http";
import { connect, createServer } from "node:net";
import { FlowSet, MESSAGE_BYTES } from "./flows.ts";
import {
  DOWNLOAD_BYTES_PER_SECOND,
  DOWNLOAD_PERIOD_MS,
  FIRST_ID,
  type Plan,
  PORTS,
  type ServerReport,
} from "./plan.ts";
import { serveQuestions } from "./program.ts";
import { StreamSet } from "./stream.ts";

/** What the client talks to. */
const flows = new FlowSet();
const chunk = Buffer.alloc((DOWNLOAD_BYTES_PER_SECOND * DOWNLOAD_PERIOD_MS) / 1_000, "roamwall ");
const SMALL = Buffer.alloc(4_096, "a page ");

function sendEndlessly(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "application/octet-stream" });
  const timer = setInterval(() => {
    if (!response.writableNeedDrain) response.write(chunk);
  }, DOWNLOAD_PERIOD_MS);
  response.on("close", () => clearInterval(timer));
  response.on("error", () => {});
}

const web = createWebServer({ keepAlive: false }, (request, response) => {
  if (request.url === "/endless") return sendEndlessly(response);
  response.writeHead(200, { "content-length": SMALL.length, connection: "close" });
  response.end(SMALL);
});
web.on("clientError", (_, socket) => socket.destroy());
web.listen(PORTS.web, "::");

createServer((socket) => flows.accepted(socket)).listen(PORTS.chat, "::");

createServer((socket) => {
  flows.accepted(socket);
  socket.write(Buffer.alloc(MESSAGE_BYTES));
}).listen(PORTS.mail, "::");

const streams = new StreamSet();
streams.serve(PORTS.stream);
const answers = createSocket("udp4");
answers.on("message", (_, from) => answers.send("me", from.port, from.address, () => {}));
answers.on("error", () => {});
answers.bind(PORTS.lookup);

serveQuestions({
  start: (plan: Plan) =>
    Promise.all(
      Array.from({ length: plan.serverFlows }, (_, i) => {
        const id = FIRST_ID.server + i;
        return new Promise<void>((resolve, reject) => {
          const socket = connect(PORTS.shell, id % 3 === 0 ? plan.client.v6 : plan.client.v4);
          socket.once("error", reject);
          socket.once("connect", () => {
            flows.opened(socket, id);
            resolve();
          });
        });
      }),
    ).then(() => undefined),
  mark() {
    flows.mark();
    streams.mark();
  },
  wake: () => flows.wake(),
  report: (): ServerReport => ({ flows: flows.report(), stream: streams.report() }),
});
