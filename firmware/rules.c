// SPDX-License-Identifier: MIT
/*
 * The rules that lead packets into the queue: through nf_tables where the kernel has it, else iptables; as text for
 * those who have a firewall of their own to put them into.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nfqueue.h"

#define CHAIN "roamwall"
#define IPTABLES_EVERY 6

enum form { FORM_NONE, FORM_NFT, FORM_IPTABLES };

static enum form installed;

/* --- text --- */

static void print_nft_table(FILE *to, const char *family)
{
	static const struct {
		const char *chain, *hook, *meta;
		int priority;
	} rows[] = { { "from_clients", "prerouting", "iifname", -450 }, { "to_clients", "postrouting", "oifname", 310 } };

	fprintf(to, "table %s roamwall {\n", family);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fprintf(to, "\tchain %s {\n\t\ttype filter hook %s priority %d; policy accept;\n", rows[i].chain,
			rows[i].hook, rows[i].priority);
		for (unsigned int port = 0; port < settings.port_count; port++)
			fprintf(to, "\t\t%s \"%s\" queue num %u%s\n", rows[i].meta, settings.ports[port].name,
				settings.queue, settings.fail_open ? " bypass" : "");
		fprintf(to, "\t}\n");
	}
	fprintf(to, "}\n");
}

static void print_nft(FILE *to)
{
	static const char *const families[] = { "bridge", "ip", "ip6" };

	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		print_nft_table(to, families[i]);
}

static const struct {
	const char *table, *hook, *routed, *bridged;
} iptables_hooks[] = {
	{ "raw", "PREROUTING", "-i", "--physdev-in" },
	{ "mangle", "POSTROUTING", "-o", "--physdev-is-bridged --physdev-out" },
};

/*
 * Routed ports by their name, those of a bridge (where br_netfilter is on) by the name that physdev knows. A chain that
 * is there is emptied and filled within one transaction, so `again` leaves nothing open for a moment.
 */
static void print_iptables_chain(FILE *to, size_t i, bool again)
{
	const char *bypass = settings.fail_open ? " --queue-bypass" : "", *hook = iptables_hooks[i].hook;
	const char *routed = iptables_hooks[i].routed, *bridged = iptables_hooks[i].bridged;

	fprintf(to, "*%s\n:" CHAIN " - [0:0]\n", iptables_hooks[i].table);
	if (again)
		fprintf(to, "-D %s -j " CHAIN "\n", hook);
	fprintf(to, "-I %s -j " CHAIN "\n", hook);
	for (unsigned int port = 0; port < settings.port_count; port++) {
		const char *name = settings.ports[port].name;

		fprintf(to, "-A " CHAIN " %s %s -j NFQUEUE --queue-num %u%s\n", routed, name, settings.queue, bypass);
		fprintf(to, "-A " CHAIN " -m physdev %s %s -j NFQUEUE --queue-num %u%s\n", bridged, name,
			settings.queue, bypass);
	}
	fprintf(to, "COMMIT\n");
}

static void print_iptables(FILE *to)
{
	for (size_t i = 0; i < ARRAY_SIZE(iptables_hooks); i++)
		print_iptables_chain(to, i, false);
}

static void print_iptables_again(FILE *to)
{
	for (size_t i = 0; i < ARRAY_SIZE(iptables_hooks); i++)
		print_iptables_chain(to, i, true);
}

void rules_print(void)
{
	if (settings.rules == RULES_IPTABLES) {
		printf("# for iptables-restore -n, and the same for ip6tables-restore -n\n");
		print_iptables(stdout);
	} else {
		printf("# for nft -f\n");
		print_nft(stdout);
	}
}

/* --- iptables --- */

static const char *const programs[] = { "iptables", "ip6tables" };

static bool iptables_run(const char *program, void (*print)(FILE *to))
{
	char command[64];
	FILE *to;

	snprintf(command, sizeof(command), "%s-restore -w -n >/dev/null 2>&1", program);
	to = popen(command, "w");
	if (!to)
		return false;
	print(to);
	return pclose(to) == 0;
}

static void print_removal(FILE *to)
{
	for (size_t i = 0; i < ARRAY_SIZE(iptables_hooks); i++)
		fprintf(to, "*%s\n-D %s -j " CHAIN "\n-F " CHAIN "\n-X " CHAIN "\nCOMMIT\n", iptables_hooks[i].table,
			iptables_hooks[i].hook);
}

static void iptables_remove(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		iptables_run(programs[i], print_removal);
}

/* The chain is asked first, and whole: two rules a port. */
static bool iptables_leads(const char *program)
{
	char command[256];

	for (size_t i = 0; i < ARRAY_SIZE(iptables_hooks); i++) {
		const char *table = iptables_hooks[i].table, *hook = iptables_hooks[i].hook;

		snprintf(command, sizeof(command),
			 "%s -w -t %s -S %s 1 2>/dev/null | grep -q -- '-j " CHAIN "$' && "
			 "[ $(%s -w -t %s -S " CHAIN " 2>/dev/null | grep -c -- '-j NFQUEUE') -ge %u ]",
			 program, table, hook, program, table, 2 * settings.port_count);
		if (system(command))
			return false;
	}
	return true;
}

static bool iptables_hold(void)
{
	return iptables_leads(programs[0]) && iptables_leads(programs[1]);
}

static bool iptables_install(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		if (!iptables_run(programs[i], print_iptables_again) && !iptables_run(programs[i], print_iptables)) {
			iptables_remove();
			return false;
		}
	return true;
}

/* --- either --- */

/* Without the tables that this process's like keeps there was none since the machine started. */
static bool rules_were_iptables(void)
{
	return !access(settings.state, F_OK) && iptables_leads(programs[0]);
}

bool rules_were_there(void)
{
	return nft_holds() || (settings.rules != RULES_NFT && iptables_hold());
}

void rules_leave(void)
{
	nft_remove();
	if (!access(settings.state, F_OK))
		iptables_remove();
}

const char *rules_install(void)
{
	int error = 0;

	installed = FORM_NONE;
	if (settings.rules == RULES_NONE)
		return NULL;
	if (settings.rules != RULES_IPTABLES) {
		error = nft_install();
		if (!error)
			installed = FORM_NFT;
	}
	if (!installed && settings.rules != RULES_NFT && iptables_install())
		installed = FORM_IPTABLES;
	/* no packet waits in two queues */
	if (installed == FORM_IPTABLES)
		nft_remove();
	else if (installed == FORM_NFT && rules_were_iptables())
		iptables_remove();
	if (installed)
		return NULL;
	return error ? strerror(-error) : "iptables-restore refuses them";
}

void rules_remove(void)
{
	nft_remove();
	if (installed == FORM_IPTABLES || (!installed && settings.remove))
		iptables_remove();
	installed = FORM_NONE;
}

/* Asked at each tick; iptables is a program, which costs more than a message: at each sixth. */
bool rules_hold(void)
{
	static unsigned int asked;

	if (installed == FORM_NFT)
		return nft_holds();
	return installed != FORM_IPTABLES || ++asked % IPTABLES_EVERY || iptables_hold();
}

/* Whether bridges show us whole frames. */
bool rules_see_frames(void)
{
	return installed == FORM_NFT;
}
