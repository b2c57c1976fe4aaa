// SPDX-License-Identifier: MIT
/*
 * The rules that lead packets into the queue: through nf_tables where the kernel has it, else iptables; as text for
 * those who have a firewall of their own to put them into.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nfqueue.h"

#define CHAIN "roamwall"

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

/* Routed ports by their name, those of a bridge (where br_netfilter is on) by the name that physdev knows. */
static void print_iptables_chain(FILE *to, const char *table, const char *hook, const char *routed, const char *bridged)
{
	const char *bypass = settings.fail_open ? " --queue-bypass" : "";

	fprintf(to, "*%s\n:" CHAIN " - [0:0]\n-A %s -j " CHAIN "\n", table, hook);
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
	print_iptables_chain(to, "raw", "PREROUTING", "-i", "--physdev-in");
	print_iptables_chain(to, "mangle", "POSTROUTING", "-o", "--physdev-is-bridged --physdev-out");
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

static const char *const restore[] = { "iptables-restore", "ip6tables-restore" };

static bool iptables_run(const char *program, void (*print)(FILE *to))
{
	char command[64];
	FILE *to;

	snprintf(command, sizeof(command), "%s -w -n >/dev/null 2>&1", program);
	to = popen(command, "w");
	if (!to)
		return false;
	print(to);
	return pclose(to) == 0;
}

static void print_removal(FILE *to)
{
	fprintf(to, "*raw\n-D PREROUTING -j " CHAIN "\n-F " CHAIN "\n-X " CHAIN "\nCOMMIT\n");
	fprintf(to, "*mangle\n-D POSTROUTING -j " CHAIN "\n-F " CHAIN "\n-X " CHAIN "\nCOMMIT\n");
}

static void iptables_remove(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(restore); i++)
		iptables_run(restore[i], print_removal);
}

static bool iptables_install(void)
{
	iptables_remove();
	for (size_t i = 0; i < ARRAY_SIZE(restore); i++)
		if (!iptables_run(restore[i], print_iptables)) {
			iptables_remove();
			return false;
		}
	return true;
}

static bool iptables_hold(void)
{
	return !system("iptables -w -t raw -C PREROUTING -j " CHAIN " >/dev/null 2>&1") &&
	       !system("iptables -w -t mangle -C POSTROUTING -j " CHAIN " >/dev/null 2>&1");
}

/* --- either --- */

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

bool rules_hold(void)
{
	if (installed == FORM_NFT)
		return nft_holds();
	return installed != FORM_IPTABLES || iptables_hold();
}

/* Whether bridges show us whole frames. */
bool rules_see_frames(void)
{
	return installed == FORM_NFT;
}
