// SPDX-License-Identifier: MIT
/* Client ports: netdevs that come and go. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "datapath.h"
#include "netlink.h"

static const char *const attach_names[] = { "nothing", "tcx", "clsact", "NFQUEUE" };

static struct port ports[PORTS_MAX];
static int events_fd = -1;
static bool links_stale, addresses_stale;

static void links_sync(uint64_t seen_ns);

static void port_send(const struct port *port)
{
	struct rw_event_port event = {
		.ifindex = port->ifindex,
		.zone = port->setting->record.zone,
		.attached = (uint16_t)port->attached,
		.open_ms = port->open_ms,
	};

	memcpy(event.name, port->setting->name, sizeof(event.name));
	agent_send_port(&event);
}

static void port_appeared(struct port *port, uint32_t ifindex, uint64_t seen_ns)
{
	const char *name = port->setting->name;
	bool filtered;
	int error;

	port->ifindex = ifindex;
	filtered = datapath->was_filtered(port);
	keyed_put(KEYED_PORTS, &ifindex, &port->setting->record);
	error = datapath->attach(port);
	if (error == -ENODEV) {
		links_stale = true;
		return;
	}
	port->open_ms = filtered ? 0 : (uint32_t)((clock_ns() - seen_ns + NS_PER_MS - 1) / NS_PER_MS);
	if (error)
		say("port %s: NOT FILTERED: cannot attach: %s", name, strerror(-error));
	else
		say("port %s: filtered by %s, was open for %u ms", name, attach_names[port->attached], port->open_ms);
	port_send(port);
}

static void port_vanished(struct port *port)
{
	say("port %s: gone", port->setting->name);
	keyed_drop(KEYED_PORTS, &port->ifindex);
	datapath->detach(port);
	port->ifindex = 0;
	port->attached = ATTACH_NONE;
	port->open_ms = 0;
	port_send(port);
}

/* Somebody may have put a program before ours, or taken ours away. */
void ports_recheck(void)
{
	for (unsigned int i = 0; i < settings.port_count; i++) {
		struct port *port = &ports[i];
		int error;

		if (!port->ifindex || datapath->holds(port))
			continue;
		error = datapath->attach(port);
		say("port %s: the filter was not there or not first: %s", port->setting->name,
		    error ? strerror(-error) : "attached again");
		port_send(port);
	}
	links_sync(clock_ns());
	own_addresses_sync();
}

void ports_switch(void)
{
	for (unsigned int i = 0; i < settings.port_count; i++) {
		int error = ports[i].ifindex ? datapath->attach(&ports[i]) : 0;

		if (error)
			say("port %s: NOT FILTERED: cannot attach: %s", settings.ports[i].name, strerror(-error));
		port_send(&ports[i]);
	}
}

void ports_report(void)
{
	for (unsigned int i = 0; i < settings.port_count; i++)
		port_send(&ports[i]);
}

unsigned int ports_attached(void)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < settings.port_count; i++)
		count += ports[i].attached != ATTACH_NONE;
	return count;
}

uint32_t ports_zone(uint32_t ifindex)
{
	for (unsigned int i = 0; i < settings.port_count; i++)
		if (ports[i].ifindex == ifindex)
			return ports[i].setting->record.zone;
	return 0;
}

/* --- rtnetlink --- */

/* Of each port, as the links are now. */
struct links_now {
	uint32_t ifindex[PORTS_MAX];
	bool bridged[PORTS_MAX];
};

static void links_take(struct nlmsghdr *message, void *context)
{
	struct link link = link_read(message);
	struct links_now *links = context;

	if (message->nlmsg_type != RTM_NEWLINK)
		return;
	for (unsigned int i = 0; link.name && i < settings.port_count; i++)
		if (!strcmp(settings.ports[i].name, link.name)) {
			links->ifindex[i] = link.ifindex;
			links->bridged[i] = link.bridged;
		}
}

static void links_sync(uint64_t seen_ns)
{
	struct links_now links = { 0 };

	links_stale = false;
	netlink_dump(RTM_GETLINK, links_take, &links);
	for (unsigned int i = 0; i < settings.port_count; i++) {
		if (ports[i].ifindex && ports[i].ifindex != links.ifindex[i])
			port_vanished(&ports[i]);
		ports[i].bridged = links.bridged[i];
		if (links.ifindex[i] && !ports[i].ifindex)
			port_appeared(&ports[i], links.ifindex[i], seen_ns);
	}
	own_macs_sync();
}

/* The common messages change nothing here (a station's statistics, a lifetime): they cost one look-up. */
static void link_changed(struct nlmsghdr *message)
{
	struct link link = link_read(message);

	if (message->nlmsg_type == RTM_DELLINK || !link.name || (link.mac && !own_mac_known(&link)))
		links_stale = true;
	for (unsigned int i = 0; link.name && i < settings.port_count; i++)
		if ((ports[i].ifindex == link.ifindex) != !strcmp(settings.ports[i].name, link.name))
			links_stale = true;
}

static void message_take(struct nlmsghdr *message)
{
	if (message->nlmsg_type == RTM_NEWLINK || message->nlmsg_type == RTM_DELLINK)
		link_changed(message);
	else if (message->nlmsg_type == RTM_NEWADDR || message->nlmsg_type == RTM_DELADDR)
		addresses_stale |= own_address_changed(message);
}

static void events_take(uint32_t events)
{
	static char buffer[65536] __attribute__((aligned(8)));
	uint64_t seen_ns = clock_ns();
	ssize_t got;

	(void)events;
	while ((got = recv(events_fd, buffer, sizeof(buffer), 0)) > 0) {
		int bytes = (int)got;

		for (struct nlmsghdr *m = (struct nlmsghdr *)buffer; NLMSG_OK(m, bytes); m = NLMSG_NEXT(m, bytes))
			message_take(m);
		if (links_stale)
			links_sync(seen_ns);
	}
	if (got < 0 && errno == ENOBUFS)
		links_stale = addresses_stale = true;
	if (links_stale)
		links_sync(seen_ns);
	if (addresses_stale)
		own_addresses_sync();
	addresses_stale = false;
}

/* --- start and removal --- */

static void ports_require(void)
{
	for (unsigned int i = 0; i < settings.port_count; i++) {
		if (!ports[i].ifindex)
			say("port %s: not there yet", settings.ports[i].name);
		else if (ports[i].attached == ATTACH_NONE)
			datapath->require(&ports[i]);
	}
}

static void ports_forget_stale(void)
{
	uint32_t key, next;
	bool more = !keyed_next(KEYED_PORTS, NULL, &next);

	while (more) {
		key = next;
		more = !keyed_next(KEYED_PORTS, &key, &next);
		keyed_drop(KEYED_PORTS, &key);
	}
	for (unsigned int i = 0; i < settings.port_count; i++)
		if (ports[i].ifindex)
			keyed_put(KEYED_PORTS, &ports[i].ifindex, &settings.ports[i].record);
}

/* `since_ns`: how long a port that is there already has been open, as far as we know. */
void ports_start(uint64_t since_ns)
{
	events_fd = netlink_open(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR);
	for (unsigned int i = 0; i < settings.port_count; i++)
		ports[i] = (struct port){ .setting = &settings.ports[i], .link = { -1, -1 } };
	links_sync(since_ns);
	own_addresses_sync();
	ports_forget_stale();
	ports_require();
	if (loop_add(events_fd, events_take))
		die(EXIT_RUNTIME, "event loop: %s", strerror(errno));
}

