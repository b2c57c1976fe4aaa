import { startAgent } from "../agent.ts";
import { parseSettings } from "../settings.ts";
import { EXIT, type Verb } from "./verb.ts";

const CONFIG_DEFAULT = "/etc/roamwall/agent.yaml";

export const agentVerb: Verb = {
  name: "agent",
  summary:
    "Runs the agent of this AP, in the foreground. SIGHUP reads policy and key again, SIGTERM stops; the kernel keeps filtering.",
  arguments: [],
  options: [
    { name: "config", value: "FILE", text: `settings; default ${CONFIG_DEFAULT}` },
    { name: "check", text: "only check the settings" },
  ],
  async run({ terminal, platform, options }) {
    const file = options.get("config") ?? CONFIG_DEFAULT;
    const settings = parseSettings(platform.files.readText(file), file);
    if (options.has("check")) {
      terminal.out(`good ${file}\n`);
      return EXIT.ok;
    }
    const agent = await startAgent(platform, settings);
    terminal.onSignal("SIGHUP", () => void agent.reload());
    await new Promise<void>((resolve) => {
      terminal.onSignal("SIGTERM", resolve);
      terminal.onSignal("SIGINT", resolve);
    });
    await agent.stop();
    return EXIT.ok;
  },
};
