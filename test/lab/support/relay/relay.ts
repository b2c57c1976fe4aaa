import type { ChildProcess } from "node:child_process";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { build } from "esbuild";
import type { RadiusOptions, RadiusStatus, SessionLine } from "../../../../src/radius/radius.ts";
import type { RadiusRights } from "../../../../src/radius/rights.ts";
import { QJS_HOST } from "../engine.ts";
import { type Processes, tail } from "../processes.ts";
import { Wire } from "./messages.ts";

const PATIENCE_MS = 10_000;

/** The relay of `src/radius` in a process of its own, in either engine; its rights are kept by the test. */
export class RemoteRelay {
  private constructor(
    private readonly wire: Wire,
    private readonly server: Server,
    private readonly processes: Processes,
    private readonly child: ChildProcess,
  ) {}

  static async start(
    engine: "node" | "qjs",
    directory: string,
    processes: Processes,
    rights: Omit<RadiusRights, "current">,
  ): Promise<RemoteRelay> {
    const bundle = join(directory, `relay-${engine}.cjs`);
    const entry = `test/lab/support/relay/${engine}.ts`;
    const platform = engine === "node" ? "node" : "neutral";
    await build({ entryPoints: [entry], outfile: bundle, bundle: true, platform, format: "cjs", logLevel: "error" });
    const path = join(directory, `relay-${engine}.sock`);
    const log = join(directory, `relay-${engine}.log`);
    const server = createServer();
    await new Promise<void>((done) => server.listen(path, done));
    const [program, first] = engine === "node" ? [process.execPath, []] : [QJS_HOST, ["--bundle"]];
    const child = processes.start(program, [...first, bundle, path], { log });
    const socket = await connection(server, child, () => tail(log));
    const wire = new Wire((bytes) => socket.write(bytes), {
      grant: rights.grant.bind(rights),
      order: rights.order.bind(rights),
      revoke: rights.revoke.bind(rights),
      find: rights.find.bind(rights),
      serversSilent: rights.serversSilent!.bind(rights),
    });
    socket.on("data", (bytes) => wire.take(bytes));
    return new RemoteRelay(wire, server, processes, child);
  }

  /** In place of what was open before. */
  open(options: RadiusOptions): Promise<void> {
    return this.wire.ask("open", options);
  }

  engine(): Promise<string> {
    return this.wire.ask("engine");
  }

  status(): Promise<RadiusStatus> {
    return this.wire.ask("status");
  }

  sessions(): Promise<SessionLine[]> {
    return this.wire.ask("sessions");
  }

  async close(): Promise<void> {
    this.server.close();
    await this.processes.stop(this.child);
  }
}

function connection(server: Server, child: ChildProcess, log: () => string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`the relay does not come:\n${log()}`)), PATIENCE_MS);
    child.once("exit", (code) => reject(new Error(`the relay ended (${code}):\n${log()}`)));
    server.once("connection", (socket) => {
      clearTimeout(late);
      // It is ended with what it has not read yet.
      socket.on("error", () => {});
      resolve(socket);
    });
  });
}
