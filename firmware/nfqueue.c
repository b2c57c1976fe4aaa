// SPDX-License-Identifier: MIT
/* The datapath behind netfilter's queue, put together. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "nfqueue.h"

static bool installed, were_there;

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
	if (settings.fail_open && maps.picked_up)
		/* flows went on, and began, that nobody saw */
		maps.meta->made_ns = boot_ns();
	stations_start();
	queue_open();
}

/* --- ports --- */

static bool bridge_asks_iptables(void)
{
	int fd = open("/proc/sys/net/bridge/bridge-nf-call-iptables", O_RDONLY | O_CLOEXEC);
	char digit = '0';

	if (fd < 0 || read(fd, &digit, 1) != 1)
		digit = '0';
	if (fd >= 0)
		close(fd);
	return digit == '1';
}

/* Rules name netdevs that may not be there yet: one set of them is for all ports, and none is open for a moment. */
static int nfqueue_attach(struct port *port)
{
	const char *why = NULL;

	port->attached = ATTACH_NONE;
	if (!installed) {
		were_there = nft_holds();
		why = rules_install();
		installed = !why;
	}
	if (why) {
		say("netfilter's rules: %s", why);
		return -EOPNOTSUPP;
	}
	if (port->bridged && !rules_see_frames() && settings.rules != RULES_NONE && !bridge_asks_iptables()) {
		say("port %s is in a bridge, which shows iptables nothing: set net.bridge.bridge-nf-call-iptables and "
		    "-ip6tables to 1",
		    port->setting->name);
		return -EOPNOTSUPP;
	}
	port->attached = ATTACH_NFQUEUE;
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
	return were_there && !settings.fail_open;
}

static void nfqueue_require(const struct port *port)
{
	die(EXIT_MISSING, "port %s: packets cannot be led to netfilter's queue (kmod-nft-queue and kmod-nft-bridge, or "
	    "iptables with kmod-ipt-nfqueue and kmod-br-netfilter)", port->setting->name);
}

/* --- start and end --- */

static void nfqueue_commit(void)
{
	if (settings.rules == RULES_NONE)
		say("rules are left to others (--print-rules nft|iptables names them)");
	say("by NFQUEUE %u, fail-%s: while this process is gone packets %s", settings.queue,
	    settings.fail_open ? "open" : "closed", settings.fail_open ? "pass unfiltered" : "are dropped");
	say("not seen: frames between stations of one radio port (set isolate)%s",
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
