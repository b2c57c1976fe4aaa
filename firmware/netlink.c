// SPDX-License-Identifier: MIT
/* Netlink: sockets, dumps, and what a link says of itself. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink.h"
#include "roamwalld.h"

struct link link_read(struct nlmsghdr *message)
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

int netlink_open(unsigned int groups)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = groups };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | (groups ? SOCK_NONBLOCK : 0), NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)))
		die(EXIT_INTERFACE, "rtnetlink: %s", strerror(errno));
	return fd;
}

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

void netlink_dump(uint16_t type, message_fn take, void *context)
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

