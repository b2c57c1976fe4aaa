/** `roamwall agent`, from its settings to its end: the file that an AP's engine loads. */
import type { Platform } from "../platform/platform.ts";
import { startAgent } from "./agent.ts";
import { parseSettings } from "./settings.ts";

/** The signals of a process that the agent answers to. */
export interface Signals {
  onSignal(signal: "SIGHUP" | "SIGINT" | "SIGTERM", run: () => void): void;
}

/** Throws ROAMWALL_ERR_FILE or ROAMWALL_ERR_INPUT. */
export function checkSettings(platform: Platform, file: string): void {
  parseSettings(platform.files.readText(file), file);
}

/** Resolves when a signal has ended the agent; rejects when it cannot start. */
export async function runAgent(platform: Platform, file: string, signals: Signals): Promise<void> {
  const agent = await startAgent(platform, parseSettings(platform.files.readText(file), file));
  signals.onSignal("SIGHUP", () => void agent.reload());
  await new Promise<void>((resolve) => {
    signals.onSignal("SIGTERM", resolve);
    signals.onSignal("SIGINT", resolve);
  });
  await agent.stop();
}
