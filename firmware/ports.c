// SPDX-License-Identifier: MIT
/* Client ports: netdevs that come and go. And what rtnetlink knows of the AP itself: its MACs and addresses. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "roamwalld.h"

/* Newer than the headers that some machines build with. */
#define RW_TCX_INGRESS 46
#define RW_TCX_EGRESS 47
#define RW_F_BEFORE (1u << 3)
#define CLSACT_HANDLE 1
#define CLSACT_PRIORITY 1
#define KEYS_MAX 4096
#define PATH_BYTES 256

struct port {
	const struct port_setting *setting;
	uint32_t ifindex;
	enum attach_kind attached;
	int link[2];
	uint32_t open_ms;
};

struct side {
	const char *name;
	const char *program;
	uint32_t tcx;
	enum bpf_tc_attach_point clsact;
};

static const struct side sides[2] = {
	{ "ingress", "rw_from_client", RW_TCX_INGRESS, BPF_TC_INGRESS },
	{ "egress", "rw_to_client", RW_TCX_EGRESS, BPF_TC_EGRESS },
};

static struct port ports[PORTS_MAX];
static int events_fd = -1;
static bool links_stale, addresses_stale;

static void links_sync(uint64_t seen_ns);
static void addresses_sync(void);

static int side_program(int side)
{
	return side ? maps.egress : maps.ingress;
}

static uint32_t side_program_id(int side)
{
	return side ? maps.egress_id : maps.ingress_id;
}

/* --- tcx --- */

/* bpffs refuses names with dots; VLAN devices have them. */
static void link_path(char path[PATH_BYTES], const char *port, int side)
{
	int length = snprintf(path, PATH_BYTES, "%s/link_", settings.pin);

	for (; *port; port++)
		path[length++] = *port == '.' ? '%' : *port;
	snprintf(path + length, (size_t)(PATH_BYTES - length), "_%s", sides[side].name);
}

static int tcx_link_create(int program, uint32_t ifindex, uint32_t type)
{
	struct {
		uint32_t program, ifindex, type, flags, relative, pad;
		uint64_t revision;
	} attributes = { .program = (uint32_t)program, .ifindex = ifindex, .type = type, .flags = RW_F_BEFORE };

	return (int)syscall(SYS_bpf, BPF_LINK_CREATE, &attributes, sizeof(attributes));
}

/* The link of a netdev that is gone has ifindex 0, and its pin is in the way. */
static int tcx_pinned(const char *path, uint32_t ifindex)
{
	struct bpf_link_info info = { 0 };
	uint32_t bytes = sizeof(info);
	int fd = bpf_obj_get(path);

	if (fd < 0)
		return -1;
	/* tcx.ifindex lies where xdp.ifindex does */
	if (!bpf_obj_get_info_by_fd(fd, &info, &bytes) && info.xdp.ifindex == ifindex)
		return fd;
	close(fd);
	return -1;
}

static bool tcx_first(uint32_t ifindex, int side)
{
	uint32_t ids[64] = { 0 }, count = ARRAY_SIZE(ids), flags;
	int error = bpf_prog_query((int)ifindex, (enum bpf_attach_type)sides[side].tcx, 0, &flags, ids, &count);

	return (!error || errno == ENOSPC) && ids[0] == side_program_id(side);
}

static int tcx_attach_side(struct port *port, int side)
{
	char path[PATH_BYTES];
	int fd;

	link_path(path, port->setting->name, side);
	fd = port->link[side] >= 0 ? port->link[side] : tcx_pinned(path, port->ifindex);
	if (fd >= 0 && !bpf_link_update(fd, side_program(side), NULL) && tcx_first(port->ifindex, side)) {
		port->link[side] = fd;
		return 0;
	}
	/* dead, or no longer first: a program stands only once in a chain, so the old link goes first */
	if (fd >= 0)
		close(fd);
	port->link[side] = -1;
	unlink(path);
	fd = tcx_link_create(side_program(side), port->ifindex, sides[side].tcx);
	if (fd < 0)
		return -errno;
	port->link[side] = fd;
	if (bpf_obj_pin(fd, path))
		say("%s: %s: not pinned: it will end with this process", path, strerror(errno));
	return 0;
}

static void tcx_detach(struct port *port)
{
	char path[PATH_BYTES];

	for (int side = 0; side < 2; side++) {
		link_path(path, port->setting->name, side);
		unlink(path);
		if (port->link[side] >= 0)
			close(port->link[side]);
		port->link[side] = -1;
	}
}

/* --- clsact --- */

static bool program_is_ours(uint32_t id, const char *name)
{
	struct bpf_prog_info info = { 0 };
	uint32_t bytes = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);
	bool ours = fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &bytes) && !strcmp(info.name, name);

	if (fd >= 0)
		close(fd);
	return ours;
}

static uint32_t clsact_program(uint32_t ifindex, int side)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = sides[side].clsact);
	LIBBPF_OPTS(bpf_tc_opts, filter, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);

	return bpf_tc_query(&hook, &filter) ? 0 : filter.prog_id;
}

static void clsact_detach(uint32_t ifindex)
{
	for (int side = 0; side < 2; side++) {
		LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = sides[side].clsact);
		LIBBPF_OPTS(bpf_tc_opts, filter, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);

		if (program_is_ours(clsact_program(ifindex, side), sides[side].program))
			bpf_tc_detach(&hook, &filter);
	}
}

static int clsact_attach(struct port *port)
{
	LIBBPF_OPTS(bpf_tc_hook, both, .ifindex = (int)port->ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	int error = bpf_tc_hook_create(&both);

	if (error && error != -EEXIST)
		return error;
	for (int side = 0; side < 2; side++) {
		LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)port->ifindex, .attach_point = sides[side].clsact);
		LIBBPF_OPTS(bpf_tc_opts, filter, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY,
			    .prog_fd = side_program(side), .flags = BPF_TC_F_REPLACE);

		error = bpf_tc_attach(&hook, &filter);
		if (error)
			return error;
	}
	return 0;
}

/* --- a port --- */

static int port_attach_tcx(struct port *port)
{
	int error = tcx_attach_side(port, 0);

	return error ? error : tcx_attach_side(port, 1);
}

/* The newer kind first; whichever holds, the other is taken away, so that no packet is judged twice. */
static int port_attach(struct port *port)
{
	int error = -EINVAL;

	if (settings.attach != ATTACH_CLSACT) {
		error = port_attach_tcx(port);
		if (!error) {
			clsact_detach(port->ifindex);
			port->attached = ATTACH_TCX;
			return 0;
		}
	}
	if (settings.attach != ATTACH_TCX) {
		error = clsact_attach(port);
		if (!error) {
			tcx_detach(port);
			port->attached = ATTACH_CLSACT;
			return 0;
		}
	}
	port->attached = ATTACH_NONE;
	return error;
}

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

static bool port_was_filtered(const struct port *port)
{
	char path[PATH_BYTES];
	int fd;

	link_path(path, port->setting->name, 0);
	fd = tcx_pinned(path, port->ifindex);
	if (fd >= 0)
		close(fd);
	return fd >= 0 || program_is_ours(clsact_program(port->ifindex, 0), sides[0].program);
}

static void port_appeared(struct port *port, uint32_t ifindex, uint64_t seen_ns)
{
	const char *name = port->setting->name;
	bool filtered;
	int error;

	port->ifindex = ifindex;
	filtered = port_was_filtered(port);
	bpf_map_update_elem(maps.ports, &ifindex, &port->setting->record, BPF_ANY);
	error = port_attach(port);
	if (error == -ENODEV) {
		links_stale = true;
		return;
	}
	port->open_ms = filtered ? 0 : (uint32_t)((clock_ns() - seen_ns + NS_PER_MS - 1) / NS_PER_MS);
	if (error)
		say("port %s: NOT FILTERED: cannot attach: %s", name, strerror(-error));
	else
		say("port %s: filtered by %s, was open for %u ms", name,
		    port->attached == ATTACH_TCX ? "tcx" : "clsact", port->open_ms);
	port_send(port);
}

static void port_vanished(struct port *port)
{
	say("port %s: gone", port->setting->name);
	bpf_map_delete_elem(maps.ports, &port->ifindex);
	clsact_detach(port->ifindex);
	tcx_detach(port);
	port->ifindex = 0;
	port->attached = ATTACH_NONE;
	port->open_ms = 0;
	port_send(port);
}

static bool port_holds(const struct port *port)
{
	if (port->attached == ATTACH_TCX)
		return tcx_first(port->ifindex, 0) && tcx_first(port->ifindex, 1);
	return port->attached == ATTACH_CLSACT && clsact_program(port->ifindex, 0) == maps.ingress_id &&
	       clsact_program(port->ifindex, 1) == maps.egress_id;
}

/* Somebody may have put a program before ours, or taken ours away. */
void ports_recheck(void)
{
	for (unsigned int i = 0; i < settings.port_count; i++) {
		struct port *port = &ports[i];
		int error;

		if (!port->ifindex || port_holds(port))
			continue;
		error = port_attach(port);
		say("port %s: the filter was not there or not first: %s", port->setting->name,
		    error ? strerror(-error) : "attached again");
		port_send(port);
	}
	links_sync(clock_ns());
	addresses_sync();
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

/* The AP's own MACs or addresses as they are now; what is in the map and not here goes. */
struct key_set {
	int map;
	size_t key_bytes;
	size_t count;
	uint8_t keys[KEYS_MAX][16];
};

static void key_set_add(struct key_set *set, const void *key)
{
	uint32_t one = 1;

	if (set->count == KEYS_MAX)
		return;
	memcpy(set->keys[set->count++], key, set->key_bytes);
	if (bpf_map_update_elem(set->map, key, &one, BPF_ANY) && errno == E2BIG)
		say("more MACs or addresses of this machine than its map holds");
}

static bool key_set_has(const struct key_set *set, const void *key)
{
	for (size_t i = 0; i < set->count; i++)
		if (!memcmp(set->keys[i], key, set->key_bytes))
			return true;
	return false;
}

static void key_set_prune(const struct key_set *set)
{
	uint8_t key[16], next[16];
	bool more = !bpf_map_get_next_key(set->map, NULL, next);

	while (more) {
		memcpy(key, next, sizeof(key));
		more = !bpf_map_get_next_key(set->map, key, next);
		if (!key_set_has(set, key))
			bpf_map_delete_elem(set->map, key);
	}
}

struct link {
	uint32_t ifindex;
	const char *name;
	const uint8_t *mac;
};

static struct link link_read(struct nlmsghdr *message)
{
	struct ifinfomsg *info = NLMSG_DATA(message);
	struct link link = { .ifindex = (uint32_t)info->ifi_index };
	int bytes = (int)IFLA_PAYLOAD(message);

	for (struct rtattr *a = IFLA_RTA(info); RTA_OK(a, bytes); a = RTA_NEXT(a, bytes)) {
		if (a->rta_type == IFLA_IFNAME)
			link.name = RTA_DATA(a);
		if (a->rta_type == IFLA_ADDRESS && RTA_PAYLOAD(a) == 6 && !(info->ifi_flags & IFF_LOOPBACK))
			link.mac = RTA_DATA(a);
	}
	return link;
}

static bool address_read(struct nlmsghdr *message, uint8_t key[16])
{
	struct ifaddrmsg *info = NLMSG_DATA(message);
	size_t want = info->ifa_family == AF_INET ? 4 : 16;
	int bytes = (int)IFA_PAYLOAD(message);
	bool found = false;

	memset(key, 0, 10);
	key[10] = key[11] = 0xff;
	for (struct rtattr *a = IFA_RTA(info); RTA_OK(a, bytes); a = RTA_NEXT(a, bytes)) {
		/* the local end of a point-to-point link; elsewhere IFA_ADDRESS is the same, or all there is */
		if (RTA_PAYLOAD(a) != want || (a->rta_type != IFA_LOCAL && (a->rta_type != IFA_ADDRESS || found)))
			continue;
		memcpy(key + 16 - want, RTA_DATA(a), want);
		found = true;
	}
	return found;
}

static int netlink_open(unsigned int groups)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = groups };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | (groups ? SOCK_NONBLOCK : 0), NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)))
		die(EXIT_INTERFACE, "rtnetlink: %s", strerror(errno));
	return fd;
}

typedef void (*message_fn)(struct nlmsghdr *message, void *context);

static bool netlink_dump_part(int fd, message_fn take, void *context)
{
	static char buffer[65536] __attribute__((aligned(8)));
	ssize_t got = recv(fd, buffer, sizeof(buffer), 0);
	int bytes = (int)got;

	if (got <= 0)
		return false;
	for (struct nlmsghdr *m = (struct nlmsghdr *)buffer; NLMSG_OK(m, bytes); m = NLMSG_NEXT(m, bytes)) {
		if (m->nlmsg_type == NLMSG_DONE || m->nlmsg_type == NLMSG_ERROR)
			return false;
		take(m, context);
	}
	return true;
}

static void netlink_dump(uint16_t type, message_fn take, void *context)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg body;
	} request = {
		.header = { .nlmsg_len = sizeof(request), .nlmsg_type = type,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
	};
	int fd = netlink_open(0);

	if (send(fd, &request, sizeof(request), 0) == sizeof(request))
		while (netlink_dump_part(fd, take, context))
			;
	close(fd);
}

struct links_now {
	struct key_set macs;
	uint32_t ifindex[PORTS_MAX];
};

static void links_take(struct nlmsghdr *message, void *context)
{
	struct link link = link_read(message);
	struct links_now *links = context;
	struct rw_client_key key = { 0 };

	if (message->nlmsg_type != RTM_NEWLINK)
		return;
	if (link.mac) {
		memcpy(key.mac, link.mac, sizeof(key.mac));
		key_set_add(&links->macs, &key);
	}
	for (unsigned int i = 0; link.name && i < settings.port_count; i++)
		if (!strcmp(settings.ports[i].name, link.name))
			links->ifindex[i] = link.ifindex;
}

static void links_sync(uint64_t seen_ns)
{
	static struct links_now links;

	memset(&links, 0, sizeof(links));
	links.macs.map = maps.own_macs;
	links.macs.key_bytes = sizeof(struct rw_client_key);
	links_stale = false;
	netlink_dump(RTM_GETLINK, links_take, &links);
	key_set_prune(&links.macs);
	for (unsigned int i = 0; i < settings.port_count; i++) {
		if (ports[i].ifindex && ports[i].ifindex != links.ifindex[i])
			port_vanished(&ports[i]);
		if (links.ifindex[i] && !ports[i].ifindex)
			port_appeared(&ports[i], links.ifindex[i], seen_ns);
	}
}

static void addresses_take(struct nlmsghdr *message, void *context)
{
	uint8_t key[16];

	if (message->nlmsg_type == RTM_NEWADDR && address_read(message, key))
		key_set_add(context, key);
}

static void addresses_sync(void)
{
	static struct key_set addresses;

	addresses.map = maps.local_addrs;
	addresses.key_bytes = 16;
	addresses.count = 0;
	addresses_stale = false;
	netlink_dump(RTM_GETADDR, addresses_take, &addresses);
	key_set_prune(&addresses);
}

static bool map_has(int map, const void *key)
{
	uint32_t value;

	return !bpf_map_lookup_elem(map, key, &value);
}

/* The common messages change nothing here (a station's statistics, a lifetime): they cost one look-up. */
static void link_changed(struct nlmsghdr *message)
{
	struct link link = link_read(message);
	struct rw_client_key key = { 0 };

	if (link.mac)
		memcpy(key.mac, link.mac, sizeof(key.mac));
	if (message->nlmsg_type == RTM_DELLINK || !link.name || (link.mac && !map_has(maps.own_macs, &key)))
		links_stale = true;
	for (unsigned int i = 0; link.name && i < settings.port_count; i++)
		if ((ports[i].ifindex == link.ifindex) != !strcmp(settings.ports[i].name, link.name))
			links_stale = true;
}

static void address_changed(struct nlmsghdr *message)
{
	uint8_t key[16];

	if (message->nlmsg_type == RTM_DELADDR || !address_read(message, key) || !map_has(maps.local_addrs, key))
		addresses_stale = true;
}

static void message_take(struct nlmsghdr *message)
{
	if (message->nlmsg_type == RTM_NEWLINK || message->nlmsg_type == RTM_DELLINK)
		link_changed(message);
	else if (message->nlmsg_type == RTM_NEWADDR || message->nlmsg_type == RTM_DELADDR)
		address_changed(message);
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
		addresses_sync();
}

/* --- start and removal --- */

static void bypass_warn_file(const char *path, const char *bad, const char *what)
{
	FILE *file = fopen(path, "re");
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (strstr(line, bad) && !strstr(line, "#"))
			say("warning: %s (%s): offloaded packets are seen by no filter in software", what, path);
	if (file)
		fclose(file);
}

static void ports_warn_of_bypass(void)
{
	bypass_warn_file("/sys/module/mt7915e/parameters/wed_enable", "Y", "WED is on");
	bypass_warn_file("/sys/module/mt7996e/parameters/wed_enable", "Y", "WED is on");
	bypass_warn_file("/etc/config/firewall", "flow_offloading_hw '1'", "hardware flow offload is on");
}

static void ports_require(void)
{
	for (unsigned int i = 0; i < settings.port_count; i++) {
		if (!ports[i].ifindex) {
			say("port %s: not there yet", settings.ports[i].name);
			continue;
		}
		if (ports[i].attached != ATTACH_NONE)
			continue;
		if (settings.attach == ATTACH_TCX)
			die(EXIT_MISSING, "port %s: this kernel has no tcx (6.6 or newer)", settings.ports[i].name);
		die(EXIT_INTERFACE,
		    "port %s: neither tcx (kernel 6.6) nor clsact works (kmod-sched-core, kmod-sched-bpf)",
		    settings.ports[i].name);
	}
}

static void ports_forget_stale(void)
{
	uint32_t key, next;
	bool more = !bpf_map_get_next_key(maps.ports, NULL, &next);

	while (more) {
		key = next;
		more = !bpf_map_get_next_key(maps.ports, &key, &next);
		bpf_map_delete_elem(maps.ports, &key);
	}
	for (unsigned int i = 0; i < settings.port_count; i++)
		if (ports[i].ifindex)
			bpf_map_update_elem(maps.ports, &ports[i].ifindex, &settings.ports[i].record, BPF_ANY);
}

/* `since_ns`: how long a port that is there already has been open, as far as we know. */
void ports_start(uint64_t since_ns)
{
	events_fd = netlink_open(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR);
	for (unsigned int i = 0; i < settings.port_count; i++)
		ports[i] = (struct port){ .setting = &settings.ports[i], .link = { -1, -1 } };
	links_sync(since_ns);
	addresses_sync();
	ports_forget_stale();
	ports_require();
	ports_warn_of_bypass();
	if (loop_add(events_fd, events_take))
		die(EXIT_RUNTIME, "event loop: %s", strerror(errno));
}

/* tcx links go with their pins; clsact filters are found by their place and name. */
void ports_detach_all(void)
{
	struct if_nameindex *all = if_nameindex();

	for (struct if_nameindex *one = all; one && one->if_index; one++)
		clsact_detach(one->if_index);
	if (all)
		if_freenameindex(all);
}
