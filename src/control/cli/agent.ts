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
    const { checkSettings, runAgent } = await import("../run-agent.ts");
    if (options.has("check")) {
      checkSettings(platform, file);
      terminal.out(`good ${file}\n`);
      return EXIT.ok;
    }
    await runAgent(platform, file, terminal);
    return EXIT.ok;
  },
};
