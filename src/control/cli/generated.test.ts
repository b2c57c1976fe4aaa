import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { CHECKS } from "../doctor/doctor.ts";
import { completionVerb } from "./completion.ts";
import { manualText } from "./manual.ts";
import { VERBS } from "./verbs.ts";

async function completion(shell: string): Promise<string> {
  let text = "";
  const terminal = { out: (part: string) => (text += part) };
  await completionVerb(() => VERBS).run({ terminal, arguments: [shell], options: new Map() } as never);
  return text;
}

function has(program: string): boolean {
  try {
    execFileSync("sh", ["-c", `command -v ${program}`], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

describe("the manual page", () => {
  const text = manualText(VERBS);

  it("has every verb, every option and every check", () => {
    const plain = text.replaceAll("\\-", "-");
    for (const { name, options } of VERBS) {
      expect(plain).toContain(`.B roamwall ${name}`);
      for (const option of options) expect(plain).toContain(`--${option.name}`);
    }
    for (const { id } of CHECKS) expect(plain).toContain(`.B ${id}`);
  });

  it("is roff: no text begins with a dot by accident", () => {
    const commands = text.split("\n").filter((line) => line.startsWith("."));
    expect(commands.filter((line) => !/^\.(TH|SH|SS|TP|B|BR|I|PP|br|nf|fi)( |$)/.test(line))).toEqual([]);
  });
});

describe("shell completion", () => {
  it.each(["bash", "zsh", "fish"])("for %s has every verb and option", async (shell) => {
    const text = await completion(shell);
    for (const { name, options } of VERBS) {
      expect(text).toContain(name);
      for (const option of options) expect(text).toContain(shell === "fish" ? `-l ${option.name}` : `--${option.name}`);
    }
  });

  it("for bash completes verbs and options, as bash does it", async () => {
    const ask = (...words: string[]) =>
      `COMP_WORDS=(${words.join(" ")}) COMP_CWORD=${words.length - 1}; _roamwall; echo "\${COMPREPLY[@]}"`;
    const script = `${await completion("bash")}\n${ask("roamwall", "mon")}\n${ask("roamwall", "monitor", "--re")}`;
    const out = execFileSync("bash", ["--norc", "-c", script], { encoding: "utf8", cwd: "/" });
    expect(out).toBe("monitor\n--reason\n");
  });

  it.runIf(has("zsh"))("for zsh is a script that zsh reads", async () => {
    execFileSync("zsh", ["-n"], { input: await completion("zsh") });
  });

  it.runIf(has("fish"))("for fish is a script that fish reads", async () => {
    execFileSync("fish", ["--no-execute"], { input: await completion("fish") });
  });
});
