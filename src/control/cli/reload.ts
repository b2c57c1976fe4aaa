import { ask, SOCKET_OPTION } from "./ask.ts";
import { EXIT, JSON_OPTION, type Verb } from "./verb.ts";

export const reloadVerb: Verb = {
  name: "reload",
  summary:
    "Makes the agent read its policy and key again, whole or not at all. Exit code 1 and the reason when it was refused.",
  arguments: [],
  options: [SOCKET_OPTION, JSON_OPTION],
  async run(call) {
    const loaded = await ask<{ roles: number; clients: number }>(call, "reload");
    if (loaded) call.terminal.out(`loaded: ${loaded.roles} roles, ${loaded.clients} clients\n`);
    return EXIT.ok;
  },
};
