// SPDX-License-Identifier: MIT
/* The datapath behind netfilter's queue, put together. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "nfqueue.h"

static bool installed, were_there, bridged;

static const char *nfqueue_check(void)
{
	return NULL;
}

static void nfqueue_lock(void)
{
	memory_lock();
}

/* The queue has somebody who listens before a packet is led there. */
static void nfqueue_load(void)
{
	memory_load();
	were_there = !settings.fail_open && rules_were_there();
	if (settings.fail_open && maps.picked_up)
		/* flows went on, and began, that nobody saw */
		maps.meta->made_ns = boot_ns();
	stations_start();
	queue_open();
}

/* --- ports --- */

/* br_netfilter's; without that module: no. */
static bool bridge_says(const char *name)
{
	char path[PATH_MAX], digit = '0';
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/bridge/bridge-nf-%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, &digit, 1) != 1)
		digit = '0';
	if (fd >= 0)
		close(fd);
	return digit == '1';
}

/* Frames that a bridge shows iptables only when told to: IP in there passes by no rule at all. */
static void bridge_warn_of_tags(void)
{
	static const char *const kinds[] = { "vlan", "pppoe" };
	char name[32];

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		snprintf(name, sizeof(name), "filter-%s-tagged", kinds[i]);
		if (!bridge_says(name))
			say("warning: IP in %s-tagged frames of bridged ports passes unseen: set net.bridge.bridge-nf-%s to 1, "
			    "or use nft rules (kmod-nft-queue, kmod-nft-bridge)",
			    kinds[i], name);
	}
}

/* Rules name netdevs that may not be there yet: one set of them is for all ports, and none is open for a moment. */
static int nfqueue_attach(struct port *port)
{
	const char *why = NULL;

	port->attached = ATTACH_NONE;
	if (!installed) {
		why = rules_install();
		installed = !why;
	}
	if (why) {
		say("netfilter's rules: %s", why);
		return -EOPNOTSUPP;
	}
	if (port->bridged && !rules_see_frames() && settings.rules != RULES_NONE &&
	    !(bridge_says("call-iptables") && bridge_says("call-ip6tables"))) {
		say("port %s is in a bridge, which shows iptables nothing: set net.bridge.bridge-nf-call-iptables and "
		    "-ip6tables to 1",
		    port->setting->name);
		return -EOPNOTSUPP;
	}
	port->attached = ATTACH_NFQUEUE;
	if (port->bridged && !bridged && !rules_see_frames() && settings.rules != RULES_NONE)
		bridge_warn_of_tags();
	bridged |= port->bridged;
	return 0;
}

static void nfqueue_detach(struct port *port)
{
	(void)port;
}

static bool nfqueue_holds(const struct port *port)
{
	installed &= rules_hold();
	return installed && port->attached == ATTACH_NFQUEUE;
}

static bool nfqueue_was_filtered(const struct port *port)
{
	(void)port;
	return were_there;
}

static void nfqueue_require(const struct port *port)
{
	die(EXIT_MISSING, "port %s: packets cannot be led to netfilter's queue (kmod-nft-queue and kmod-nft-bridge, or "
	    "iptables with kmod-ipt-nfqueue and kmod-br-netfilter)", port->setting->name);
}

/* --- start and end --- */

static void nfqueue_commit(void)
{
	stations_read();
	if (settings.rules == RULES_NONE)
		say("rules are left to others (--print-rules nft|iptables names them)");
	else
		datapath_add_text(rules_see_frames() ? ", rules in nf_tables" : ", rules in iptables");
	say("by NFQUEUE %u, fail-%s: while this process is gone packets %s", settings.queue,
	    settings.fail_open ? "open" : "closed", settings.fail_open ? "pass unfiltered" : "are dropped");
	say("not seen: frames between stations of one radio port (set isolate), flows in a flowtable (flow_offloading)%s",
	    rules_see_frames() ? "" : ", what is not IP, and who receives a bridged packet before he has sent one");
}

static void nfqueue_stop(void)
{
	if (settings.fail_open) {
		rules_remove();
		say("stopped; the filter is gone with it (--fail open)");
	} else {
		say("stopped; packets are dropped until it runs again (--fail closed)");
	}
}

static void nfqueue_remove(void)
{
	rules_remove();
	memory_remove();
}

static unsigned int nfqueue_copies(void)
{
	return 1;
}

const struct datapath datapath_nfqueue = {
	.name = "nfqueue",
	.get = memory_get,
	.put = memory_put,
	.drop = memory_drop,
	.next = memory_next,
	.copies = nfqueue_copies,
	.check = nfqueue_check,
	.lock = nfqueue_lock,
	.load = nfqueue_load,
	.commit = nfqueue_commit,
	.listen = queue_start,
	.run = queue_run,
	.stop = nfqueue_stop,
	.remove = nfqueue_remove,
	.attach = nfqueue_attach,
	.detach = nfqueue_detach,
	.holds = nfqueue_holds,
	.was_filtered = nfqueue_was_filtered,
	.require = nfqueue_require,
};
