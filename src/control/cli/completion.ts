import { closest } from "../../base/closest.ts";
import { EXIT, headline, usage, type Verb } from "./verb.ts";

type Write = (verbs: readonly Verb[]) => string;

const SHELLS: Readonly<Record<string, Write>> = { bash, zsh, fish };

/** Words for a shell, from the table of verbs. Busybox' ash completes file names only. */
export function completionVerb(verbs: () => readonly Verb[]): Verb {
  return {
    name: "completion",
    summary: `Prints what a shell needs to complete commands, options and clients.

  roamwall completion bash > /etc/bash_completion.d/roamwall
  roamwall completion zsh > /usr/share/zsh/site-functions/_roamwall
  roamwall completion fish > ~/.config/fish/completions/roamwall.fish`,
    arguments: ["SHELL"],
    options: [],
    run: async ({ terminal, arguments: [shell] }) => {
      const write = Object.hasOwn(SHELLS, shell!) ? SHELLS[shell!] : undefined;
      const names = Object.keys(SHELLS);
      if (!write) throw usage(`no shell "${shell}"`, names.join(", "), closest(shell!, names));
      terminal.out(write(verbs()));
      return EXIT.ok;
    },
  };
}

const CLIENTS = "roamwall clients 2>/dev/null | cut -f 1 | grep :";
const isClient = (word: string | undefined) => word === "MAC" || word === "CLIENT";

function bash(verbs: readonly Verb[]): string {
  const cases = verbs.map(({ name, options, arguments: words }) => {
    const flags = options.map((option) => `--${option.name}`).join(" ");
    const first = isClient(words[0]) ? `"$(${CLIENTS})"` : words[0] === "FILE" ? '$(compgen -f -- "$word")' : "";
    return `\t${name}) options="${flags}" words=${first || '""'} ;;`;
  });
  return `# roamwall completion for bash
_roamwall() {
\tlocal word=\${COMP_WORDS[COMP_CWORD]} verb=\${COMP_WORDS[1]} options= words=
\tCOMPREPLY=()
\tif [ "$COMP_CWORD" -eq 1 ]; then
\t\tCOMPREPLY=($(compgen -W "${verbs.map(({ name }) => name).join(" ")} --help --version" -- "$word"))
\t\treturn
\tfi
\tcase $verb in
${cases.join("\n")}
\tesac
\tcase $word in
\t-*) COMPREPLY=($(compgen -W "$options --help" -- "$word")) ;;
\t*) COMPREPLY=($(compgen -W "$words" -- "$word") $(compgen -f -- "$word")) ;;
\tesac
}
# A MAC address has colons, which are no breaks here.
COMP_WORDBREAKS=\${COMP_WORDBREAKS//:}
complete -F _roamwall roamwall
`;
}

function zsh(verbs: readonly Verb[]): string {
  const named = verbs.map((verb) => `\t\t${quoted(`${verb.name}:${headline(verb).replace(/:/g, "\\:")}`)}`);
  const cases = verbs.map(({ name, options, arguments: words }) => {
    const flags = options.map(({ name: flag, value, text }) => {
      return quoted(
        `--${flag}${value === undefined ? "" : "="}[${bare(text)}]${value === undefined ? "" : `:${bare(value)}:_files`}`,
      );
    });
    const first =
      words.length === 0 ? [] : isClient(words[0]) ? ["'1:client:($(_roamwall_clients))'"] : ["'*:file:_files'"];
    return `\t${name}) _arguments ${[...flags, ...first].join(" ") || "'*:'"} ;;`;
  });
  return `#compdef roamwall
# roamwall completion for zsh
_roamwall_clients() { ${CLIENTS} | sed 's/:/\\\\:/g' }
_roamwall() {
\tlocal -a verbs
\tverbs=(
${named.join("\n")}
\t)
\tif (( CURRENT == 2 )); then
\t\t_describe command verbs
\t\treturn
\tfi
\tlocal verb=$words[2]
\tshift words
\t(( CURRENT-- ))
\tcase $verb in
${cases.join("\n")}
\tesac
}
_roamwall "$@"
`;
}

function fish(verbs: readonly Verb[]): string {
  const lines = verbs.flatMap((verb) => {
    const { name, options, arguments: words } = verb;
    const when = `-n '__fish_seen_subcommand_from ${name}'`;
    return [
      `complete -c roamwall -n __fish_use_subcommand -f -a ${name} -d ${quoted(headline(verb))}`,
      ...(isClient(words[0]) ? [`complete -c roamwall ${when} -f -a ${quoted(`(${CLIENTS})`)}`] : []),
      ...options.map(({ name: flag, value, text }) => {
        return `complete -c roamwall ${when} -l ${flag}${value === undefined ? "" : " -r"} -d ${quoted(text)}`;
      }),
    ];
  });
  return `# roamwall completion for fish\n${lines.join("\n")}\n`;
}

function bare(text: string): string {
  return text.replace(/[[\]:'`]/g, "");
}

function quoted(text: string): string {
  return `'${text.replace(/'/g, "")}'`;
}
