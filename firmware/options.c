// SPDX-License-Identifier: MIT
/* What the command line says, and the key file. Bad input ends here, with what is accepted. */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "roamwalld.h"

#define FILTER_MEMORY_MAX (1ull << 30)
#define CLOCK_RATE_MAX 100000
/* Leaves room for the names below it. */
#define PIN_MAX_CHARACTERS 200

struct settings settings = {
	.pin = "/sys/fs/bpf/roamwall",
	.socket = "/run/roamwall/daemon.sock",
	.mirrors = RW_MIRRORS_MAX,
	.clients = 1024,
	.filter_words = (1 << 20) / 8,
	.clock_rate = 1,
	.queue = 4755,
	.fail_open = true,
	.state = "/run/roamwall/tables",
};

static const char help_text[] =
	"usage: roamwalld --port IFNAME[,zone=N][,tagged] [--port ...] --key FILE [OPTION...]\n"
	"       roamwalld --remove [--pin DIR] [--state DIR]\n"
	"       roamwalld --print-rules nft|iptables --port IFNAME [--queue N] [--fail open|closed]\n"
	"\n"
	"Filters the clients behind each port. Runs in the foreground. When it ends, an eBPF filter stays in place; what\n"
	"becomes of packets that went to NFQUEUE is for --fail to say.\n"
	"\n"
	"  --port IFNAME[,zone=N][,tagged]\n"
	"                         a netdev with clients behind it; it may appear later. zone 0..65535 (default 0);\n"
	"                         tagged: VLAN tags from clients are allowed\n"
	"  --key FILE             file with the line `seed <32 hex>`, readable by its owner only\n"
	"  --table GEOMETRY       4xBUCKETSx8/rBITS: buckets a power of two, 32..131072; r26 = 32-bit cells,\n"
	"                         r12 = 16-bit cells (default 4x1024x8/r26)\n"
	"  --pin DIR              directory in a bpffs (default /sys/fs/bpf/roamwall)\n"
	"  --socket PATH          where the agent connects (default /run/roamwall/daemon.sock)\n"
	"  --object FILE          the compiled filter (default: beside this program, then /usr/lib/roamwall)\n"
	"  --mirrors N            neighbours whose tables are mirrored, 1..8 (default 8)\n"
	"  --clients N            most clients known at a time, 1..16382 (default 1024)\n"
	"  --filter-memory BYTES  for all access lists; K and M are understood (default 1M)\n"
	"  --attach tcx|clsact    how to attach (default: tcx where the kernel has it, else clsact)\n"
	"  --datapath auto|ebpf|nfqueue\n"
	"                         who judges packets: the kernel by eBPF, or this process behind netfilter's queue\n"
	"                         (default auto: eBPF, and NFQUEUE where that cannot be loaded)\n"
	"  --remove               detach and unpin everything under --pin and --state, remove rules, then exit\n"
	"  --help                 this text\n"
	"\n"
	"With NFQUEUE:\n"
	"  --fail open|closed     while this process is gone packets pass unfiltered, or are dropped (default open)\n"
	"  --queue N              number of the queue, 0..65535 (default 4755)\n"
	"  --rules auto|nft|iptables|none\n"
	"                         how packets are led there (default auto: nf_tables, else iptables-restore); none: by\n"
	"                         rules of your own\n"
	"  --print-rules nft|iptables\n"
	"                         print what such rules are, then exit\n"
	"  --state DIR            the tables, in memory that outlives this process (default /run/roamwall/tables)\n"
	"\n"
	"For tests only: --clock-rate N (ticks run N times as fast), --testing (the filter reads the test clock).\n"
	"\n"
	"Exit codes: 0 done; 2 usage; 3 a capability or kernel option is missing; 4 interface; 5 failed while running.\n";

static uint64_t option_number(const char *option, const char *text, uint64_t least, uint64_t most)
{
	char *end;
	uint64_t number;

	errno = 0;
	number = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end || errno || number < least || number > most)
		die(EXIT_USAGE, "%s \"%s\": accepted are %llu to %llu", option, text, (unsigned long long)least,
		    (unsigned long long)most);
	return number;
}

static uint32_t option_filter_words(const char *text)
{
	char digits[24];
	size_t length = strlen(text);
	uint64_t unit = 1;

	if (length && strchr("kKmM", text[length - 1])) {
		unit = tolower((unsigned char)text[length - 1]) == 'k' ? 1 << 10 : 1 << 20;
		length--;
	}
	if (length >= sizeof(digits))
		die(EXIT_USAGE, "--filter-memory \"%s\": too long for a number", text);
	memcpy(digits, text, length);
	digits[length] = 0;
	unit *= option_number("--filter-memory (bytes, K or M)", digits, 1, FILTER_MEMORY_MAX / unit);
	if (unit < 4096 || unit % 8)
		die(EXIT_USAGE, "--filter-memory \"%s\": accepted are multiples of 8 from 4096 on", text);
	return (uint32_t)(unit / 8);
}

static void option_table(const char *text)
{
	struct geometry *g = &settings.geometry;
	unsigned int subtables, buckets, cells, remainder;
	int end = 0;

	if (sscanf(text, "%ux%ux%u/r%u%n", &subtables, &buckets, &cells, &remainder, &end) != 4 || text[end])
		die(EXIT_USAGE, "--table \"%s\": accepted is 4xBUCKETSx8/rBITS, as 4x1024x8/r26", text);
	if (subtables != RW_SUBTABLES || cells != RW_BUCKET_CELLS)
		die(EXIT_USAGE, "--table \"%s\": accepted are %d subtables and buckets of %d cells", text, RW_SUBTABLES,
		    RW_BUCKET_CELLS);
	if (buckets < 32 || buckets > 131072 || (buckets & (buckets - 1)))
		die(EXIT_USAGE, "--table \"%s\": accepted are powers of two from 32 to 131072 as buckets", text);
	if (remainder != 26 && remainder != 12)
		die(EXIT_USAGE, "--table \"%s\": accepted are r26 (32-bit cells) and r12 (16-bit cells)", text);
	g->bucket_bits = (uint32_t)__builtin_ctz(buckets);
	g->remainder_bits = remainder;
	g->cell_bits = remainder == 26 ? 32 : 16;
	g->tick_bits = remainder == 26 ? 5 : 3;
	g->modulus = (1u << g->tick_bits) - 1;
	g->live_max = remainder == 26 ? 25 : 4;
	g->cells = RW_SUBTABLES * buckets * RW_BUCKET_CELLS;
	g->fast_ns = (remainder == 26 ? 10 : 60) * NS_PER_S;
	g->slow_ns = (remainder == 26 ? 340 : 1860) * NS_PER_S;
}

static void option_port_flag(struct port_setting *port, char *word)
{
	if (!strncmp(word, "zone=", 5))
		port->record.zone = (__u16)option_number("--port zone", word + 5, 0, UINT16_MAX);
	else if (!strcmp(word, "tagged"))
		port->record.flags |= RW_PORT_TAGGED;
	else
		die(EXIT_USAGE, "--port %s: \"%s\": accepted are zone=N and tagged", port->name, word);
}

static void option_port(char *text)
{
	static const char accepted[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.@+-";
	struct port_setting *port = &settings.ports[settings.port_count];
	size_t length = strcspn(text, ",");
	char *word, *rest;

	if (settings.port_count == PORTS_MAX)
		die(EXIT_USAGE, "--port: accepted are at most %d ports", PORTS_MAX);
	rest = text[length] ? text + length + 1 : NULL;
	text[length] = 0;
	if (!length || length >= IFNAMSIZ || strspn(text, accepted) != length || !strcmp(text, ".") ||
	    !strcmp(text, ".."))
		die(EXIT_USAGE, "--port \"%s\": accepted are names of 1 to %d letters, digits and _.@+-", text,
		    IFNAMSIZ - 1);
	for (unsigned int i = 0; i < settings.port_count; i++)
		if (!strcmp(settings.ports[i].name, text))
			die(EXIT_USAGE, "--port \"%s\": given twice", text);
	memcpy(port->name, text, length + 1);
	while ((word = strsep(&rest, ",")))
		option_port_flag(port, word);
	settings.port_count++;
}

/* Number of `text` among `words`, which ends with NULL. */
static unsigned int option_word(const char *option, const char *text, const char *const words[], const char *accepted)
{
	for (unsigned int i = 0; words[i]; i++)
		if (!strcmp(words[i], text))
			return i;
	die(EXIT_USAGE, "%s \"%s\": accepted are %s", option, text, accepted);
}

static void option_attach(const char *text)
{
	static const char *const words[] = { "tcx", "clsact", NULL };
	static const enum attach_kind kinds[] = { ATTACH_TCX, ATTACH_CLSACT };

	settings.attach = kinds[option_word("--attach", text, words, "tcx and clsact")];
}

static void option_datapath(const char *text)
{
	static const char *const words[] = { "auto", "ebpf", "nfqueue", NULL };

	settings.datapath = option_word("--datapath", text, words, "auto, ebpf and nfqueue");
}

static void option_rules(const char *text)
{
	static const char *const words[] = { "auto", "nft", "iptables", "none", NULL };

	settings.rules = option_word("--rules", text, words, "auto, nft, iptables and none");
}

static void option_fail(const char *text)
{
	static const char *const words[] = { "open", "closed", NULL };

	settings.fail_open = !option_word("--fail", text, words, "open and closed");
}

static void option_print_rules(const char *text)
{
	static const char *const words[] = { "nft", "iptables", NULL };
	static const enum rules_kind kinds[] = { RULES_NFT, RULES_IPTABLES };

	settings.rules = kinds[option_word("--print-rules", text, words, "nft and iptables")];
	settings.print_rules = true;
}

static void option_apply(const char *name, char *value)
{
	if (!strcmp(name, "port"))
		option_port(value);
	else if (!strcmp(name, "key"))
		settings.key_file = value;
	else if (!strcmp(name, "table"))
		option_table(value);
	else if (!strcmp(name, "pin"))
		settings.pin = value;
	else if (!strcmp(name, "socket"))
		settings.socket = value;
	else if (!strcmp(name, "object"))
		settings.object = value;
	else if (!strcmp(name, "mirrors"))
		settings.mirrors = (uint32_t)option_number("--mirrors", value, 1, RW_MIRRORS_MAX);
	else if (!strcmp(name, "clients"))
		settings.clients = (uint32_t)option_number("--clients", value, 1, RW_SLOT_SHARED - 1);
	else if (!strcmp(name, "filter-memory"))
		settings.filter_words = option_filter_words(value);
	else if (!strcmp(name, "attach"))
		option_attach(value);
	else if (!strcmp(name, "datapath"))
		option_datapath(value);
	else if (!strcmp(name, "fail"))
		option_fail(value);
	else if (!strcmp(name, "queue"))
		settings.queue = (uint16_t)option_number("--queue", value, 0, UINT16_MAX);
	else if (!strcmp(name, "rules"))
		option_rules(value);
	else if (!strcmp(name, "print-rules"))
		option_print_rules(value);
	else if (!strcmp(name, "state"))
		settings.state = value;
	else if (!strcmp(name, "clock-rate"))
		settings.clock_rate = (uint32_t)option_number("--clock-rate", value, 1, CLOCK_RATE_MAX);
	else if (!strcmp(name, "testing"))
		settings.testing = true;
	else if (!strcmp(name, "remove"))
		settings.remove = true;
}

void options_parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "port", required_argument, NULL, 1 },		 { "key", required_argument, NULL, 1 },
		{ "table", required_argument, NULL, 1 },	 { "pin", required_argument, NULL, 1 },
		{ "socket", required_argument, NULL, 1 },	 { "object", required_argument, NULL, 1 },
		{ "mirrors", required_argument, NULL, 1 },	 { "clients", required_argument, NULL, 1 },
		{ "filter-memory", required_argument, NULL, 1 }, { "attach", required_argument, NULL, 1 },
		{ "datapath", required_argument, NULL, 1 },	 { "fail", required_argument, NULL, 1 },
		{ "queue", required_argument, NULL, 1 },	 { "rules", required_argument, NULL, 1 },
		{ "print-rules", required_argument, NULL, 1 },	 { "state", required_argument, NULL, 1 },
		{ "clock-rate", required_argument, NULL, 1 },	 { "testing", no_argument, NULL, 1 },
		{ "remove", no_argument, NULL, 1 },		 { "help", no_argument, NULL, 2 },
		{ NULL, 0, NULL, 0 },
	};
	static char table[] = "4x1024x8/r26";
	int index, found;

	settings.arguments = argv;
	option_table(table);
	while ((found = getopt_long(argc, argv, "", options, &index)) != -1) {
		if (found == 2) {
			fputs(help_text, stdout);
			exit(EXIT_OK);
		}
		if (found != 1)
			die(EXIT_USAGE, "see roamwalld --help");
		option_apply(options[index].name, optarg);
	}
	if (optind < argc)
		die(EXIT_USAGE, "\"%s\": accepted are options only; see roamwalld --help", argv[optind]);
	if (strlen(settings.pin) > PIN_MAX_CHARACTERS || strlen(settings.state) > PIN_MAX_CHARACTERS)
		die(EXIT_USAGE, "--pin, --state: accepted are at most %d characters", PIN_MAX_CHARACTERS);
	if (!settings.remove && !settings.port_count)
		die(EXIT_USAGE, "--port is missing: name at least one netdev with clients behind it");
	if (!settings.remove && !settings.print_rules && !settings.key_file)
		die(EXIT_USAGE, "--key is missing: a file with the line `seed <32 hex>`");
	settings.geometry.fast_ns /= settings.clock_rate;
	settings.geometry.slow_ns /= settings.clock_rate;
}

static bool key_line_seeds(const char *line)
{
	size_t digits;

	line += 4 + strspn(line + 4, " \t");
	digits = strspn(line, "0123456789abcdefABCDEF");
	if (digits != 32 || line[digits + strspn(line + digits, " \t\r\n")])
		return false;
	return sscanf(line, "%8x%8x%8x%8x", &settings.seeds[0], &settings.seeds[1], &settings.seeds[2],
		      &settings.seeds[3]) == 4;
}

/* The seeds keep strangers from choosing packets that share a cell: nobody but root may read them. */
void key_read(void)
{
	FILE *file = fopen(settings.key_file, "re");
	unsigned int number = 0;
	bool found = false;
	struct stat status;
	char line[256];

	if (!file || fstat(fileno(file), &status))
		die(EXIT_USAGE, "--key %s: %s", settings.key_file, strerror(errno));
	if (status.st_mode & 077)
		die(EXIT_USAGE, "--key %s: others may read it (mode %03o); accepted is 600", settings.key_file,
		    status.st_mode & 0777);
	if (status.st_uid && status.st_uid != geteuid())
		die(EXIT_USAGE, "--key %s: its owner, user %u, may read it; accepted is root's or one's own",
		    settings.key_file, status.st_uid);
	while (fgets(line, sizeof(line), file)) {
		const char *word = line + strspn(line, " \t");

		number++;
		if (strncmp(word, "seed", 4))
			continue;
		if (!key_line_seeds(word))
			die(EXIT_USAGE, "--key %s:%u: accepted is `seed` and 32 hex digits", settings.key_file, number);
		found = true;
	}
	fclose(file);
	if (!found)
		die(EXIT_USAGE, "--key %s: no line `seed <32 hex>`", settings.key_file);
}
