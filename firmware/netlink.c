// SPDX-License-Identifier: MIT
/* Netlink: sockets, dumps, and what a link says of itself. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "netlink.h"
#include "roamwalld.h"

static bool link_is_bridged(struct rtattr *information)
{
	int bytes = (int)RTA_PAYLOAD(information);

	for (struct rtattr *a = RTA_DATA(information); RTA_OK(a, bytes); a = RTA_NEXT(a, bytes))
		if (a->rta_type == IFLA_INFO_SLAVE_KIND)
			return !strcmp(RTA_DATA(a), "bridge");
	return false;
}

struct link link_read(struct nlmsghdr *message)
{
	struct ifinfomsg *info = NLMSG_DATA(message);
	struct link link = { .ifindex = (uint32_t)info->ifi_index };
	int bytes = (int)IFLA_PAYLOAD(message);

	for (struct rtattr *a = IFLA_RTA(info); RTA_OK(a, bytes); a = RTA_NEXT(a, bytes)) {
		if (a->rta_type == IFLA_IFNAME)
			link.name = RTA_DATA(a);
		if (a->rta_type == IFLA_LINKINFO)
			link.bridged = link_is_bridged(a);
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


/* --- messages to be sent --- */

void batch_clear(struct netlink_batch *batch)
{
	batch->used = batch->message = 0;
	batch->messages = 0;
	batch->told = NULL;
}

static void *batch_room(struct netlink_batch *batch, size_t bytes)
{
	size_t at = batch->used, whole = NLMSG_ALIGN(bytes);

	if (at + whole > sizeof(batch->bytes))
		die(EXIT_RUNTIME, "a netlink message of more than %zu bytes", sizeof(batch->bytes));
	memset(batch->bytes + at, 0, whole);
	batch->used += whole;
	if (at != batch->message || bytes > NLMSG_HDRLEN)
		((struct nlmsghdr *)(batch->bytes + batch->message))->nlmsg_len = (uint32_t)(batch->used - batch->message);
	return batch->bytes + at;
}

struct nlmsghdr *batch_begin(struct netlink_batch *batch, uint16_t type, uint16_t flags, const void *body, size_t bytes)
{
	struct nlmsghdr *header;

	batch->message = batch->used;
	header = batch_room(batch, NLMSG_HDRLEN);
	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | flags;
	header->nlmsg_seq = ++batch->messages;
	header->nlmsg_len = NLMSG_HDRLEN;
	memcpy(batch_room(batch, bytes), body, bytes);
	return header;
}

void batch_bytes(struct netlink_batch *batch, uint16_t type, const void *data, size_t bytes)
{
	struct nlattr *attribute = batch_room(batch, NLA_HDRLEN + bytes);

	attribute->nla_type = type;
	attribute->nla_len = (uint16_t)(NLA_HDRLEN + bytes);
	if (bytes)
		memcpy((uint8_t *)attribute + NLA_HDRLEN, data, bytes);
}

void batch_text(struct netlink_batch *batch, uint16_t type, const char *text)
{
	batch_bytes(batch, type, text, strlen(text) + 1);
}

void batch_be16(struct netlink_batch *batch, uint16_t type, uint16_t value)
{
	value = htons(value);
	batch_bytes(batch, type, &value, sizeof(value));
}

void batch_be32(struct netlink_batch *batch, uint16_t type, uint32_t value)
{
	value = htonl(value);
	batch_bytes(batch, type, &value, sizeof(value));
}

size_t batch_nest(struct netlink_batch *batch, uint16_t type)
{
	size_t nest = batch->used;

	batch_bytes(batch, type | NLA_F_NESTED, NULL, 0);
	return nest;
}

void batch_nest_end(struct netlink_batch *batch, size_t nest)
{
	((struct nlattr *)(batch->bytes + nest))->nla_len = (uint16_t)(batch->used - nest);
}

void batch_want_answer(struct netlink_batch *batch)
{
	((struct nlmsghdr *)(batch->bytes + batch->message))->nlmsg_flags |= NLM_F_ACK;
}

/* The first refusal, or the answer that was wanted; nothing else is waited for. */
static int batch_answer(const struct netlink_batch *batch, uint8_t *bytes, size_t length, bool *answered)
{
	struct nlmsghdr *message = (struct nlmsghdr *)bytes;

	for (; NLMSG_OK(message, length); message = NLMSG_NEXT(message, length)) {
		const struct nlmsgerr *answer = NLMSG_DATA(message);

		if (message->nlmsg_type != NLMSG_ERROR) {
			if (batch->told)
				batch->told(message, batch->context);
			continue;
		}
		*answered = true;
		if (answer->error)
			return answer->error;
	}
	return 0;
}

int batch_send_over(struct netlink_batch *batch, int fd)
{
	uint8_t bytes[16384] __attribute__((aligned(8)));
	bool answered = false;
	int error = 0;

	if (send(fd, batch->bytes, batch->used, 0) != (ssize_t)batch->used)
		return -errno;
	while (!answered) {
		ssize_t got = recv(fd, bytes, sizeof(bytes), 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : -EPROTO;
		error = batch_answer(batch, bytes, (size_t)got, &answered);
	}
	return error;
}

int batch_send(struct netlink_batch *batch, int protocol)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), error;
	struct timeval patience = { .tv_sec = 5 };

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	error = batch_send_over(batch, fd);
	close(fd);
	return error;
}
