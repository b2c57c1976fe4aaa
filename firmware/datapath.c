// SPDX-License-Identifier: MIT
/* Which datapath, and its tables that are reached by key. */
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef ROAMWALL_NO_EBPF
#include "ebpf.h"
#endif
#include "nfqueue.h"

/* For the process that begins again: why eBPF was given up. */
#define WHY_VARIABLE "ROAMWALLD_WHY_NOT_EBPF"
#define WHY_BYTES 256

struct maps maps;
const struct datapath *datapath;
static char why[WHY_BYTES];

bool machine_may(unsigned int capability)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &header, data))
		return false;
	return data[capability / 32].effective & (1u << capability % 32);
}

static const char *ebpf_why_not(void)
{
#ifdef ROAMWALL_NO_EBPF
	return "this roamwalld was built without it";
#else
	const char *before = getenv(WHY_VARIABLE);

	return before ? before : datapath_ebpf.check();
#endif
}

/* Last of all, so that nothing is open for a moment. What the other kind left would judge by tables that nobody keeps. */
void datapath_leave_other(void)
{
#ifndef ROAMWALL_NO_EBPF
	if (datapath == &datapath_ebpf) {
		rules_leave();
	} else if (!datapath_ebpf.check() && !access(settings.pin, F_OK)) {
		say("an eBPF filter was left under %s: removed", settings.pin);
		datapath_ebpf.remove();
	}
#endif
}

void datapath_choose(void)
{
	const char *not;

	if (!machine_may(CAP_NET_ADMIN))
		die(EXIT_MISSING, "CAP_NET_ADMIN is missing (uid %u): it is needed to attach to ports", geteuid());
	not = settings.datapath == DATAPATH_NFQUEUE ? "--datapath nfqueue" : ebpf_why_not();
	if (!not) {
#ifndef ROAMWALL_NO_EBPF
		datapath = &datapath_ebpf;
		snprintf(why, sizeof(why), "eBPF");
#endif
		return;
	}
	if (settings.datapath == DATAPATH_EBPF)
		die(EXIT_MISSING, "%s", not);
	datapath = &datapath_nfqueue;
	snprintf(why, sizeof(why), "NFQUEUE (%s%s), fail-%s", settings.datapath == DATAPATH_AUTO ? "no eBPF: " : "", not,
		 settings.fail_open ? "open" : "closed");
	say("datapath: %s", why);
	if (datapath->check())
		die(EXIT_MISSING, "%s", datapath->check());
}

const char *datapath_text(void)
{
	return why;
}

void datapath_add_text(const char *more)
{
	size_t length = strlen(why);

	snprintf(why + length, sizeof(why) - length, "%s", more);
}

void unfit(enum exit_code code, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, sizeof(why), format, arguments);
	va_end(arguments);
	if (settings.datapath == DATAPATH_AUTO) {
		say("%s", why);
		setenv(WHY_VARIABLE, why, 1);
		execv("/proc/self/exe", settings.arguments);
	}
	die(code, "%s", why);
}

/* --remove: whichever datapath has been here. */
void datapath_remove(void)
{
#ifndef ROAMWALL_NO_EBPF
	const char *not = settings.datapath == DATAPATH_NFQUEUE ? "" : datapath_ebpf.check();

	if (!not) {
		datapath_ebpf.lock();
		datapath_ebpf.remove();
	} else if (settings.datapath == DATAPATH_EBPF) {
		die(EXIT_MISSING, "%s", not);
	}
#endif
	if (settings.datapath != DATAPATH_EBPF)
		datapath_nfqueue.remove();
}

int keyed_get(enum keyed table, const void *key, void *value)
{
	return datapath->get(table, key, value);
}

int keyed_put(enum keyed table, const void *key, const void *value)
{
	return datapath->put(table, key, value);
}

int keyed_drop(enum keyed table, const void *key)
{
	return datapath->drop(table, key);
}

int keyed_next(enum keyed table, const void *key, void *next)
{
	return datapath->next(table, key, next);
}

unsigned int counter_copies(void)
{
	return datapath->copies();
}
