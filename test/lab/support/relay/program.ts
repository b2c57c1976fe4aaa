import type { Platform } from "../../../../src/platform/platform.ts";
import { type Radius, type RadiusOptions, startRadius } from "../../../../src/radius/radius.ts";
import { Wire } from "./messages.ts";

/** The relay alone, in an engine of its own; rights are given, and questions asked, by the test behind `socket`. */
export async function runRelay(platform: Platform, socket: string): Promise<void> {
  const stream = await platform.connect(socket);
  let radius: Radius | undefined;
  const wire = new Wire((bytes) => stream.write(bytes), {
    engine: () => platform.engine.name,
    status: () => radius!.status(),
    sessions: () => radius!.sessions(),
    open: async (options: RadiusOptions) => {
      radius?.close();
      radius = await startRadius({ platform, rights, options });
    },
  });
  const rights = {
    grant: (...args: unknown[]) => wire.ask<void>("grant", ...args),
    order: (...args: unknown[]) => wire.ask<"in force">("order", ...args),
    revoke: (...args: unknown[]) => wire.ask<{ state: "in force" }>("revoke", ...args),
    find: (...args: unknown[]) => wire.ask<boolean>("find", ...args),
    serversSilent: (isSilent: boolean) => void wire.ask("serversSilent", isSilent),
    current: () => undefined,
  };
  stream.onBytes((bytes) => wire.take(bytes));
}
