// SPDX-License-Identifier: MIT
/* Datagrams. A socket of its own hears each group: udp.ts says why. */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "host.h"

/* Then timers and other sockets have their turn. */
#define DATAGRAMS_AT_ONCE 64
#define DATAGRAM_BYTES_MAX 65536
/* A snapshot of 20,000 cells arrives, and leaves, in one burst. */
#define BUFFER_BYTES (4 << 20)

struct udp {
	struct handle handle;
	JSValue on_datagram;
	bool is_six;
};

static void udp_release(struct handle *handle)
{
	JS_FreeValue(ctx, container_of(handle, struct udp, handle)->on_datagram);
}

static void udp_ready(struct handle *handle, uint32_t events)
{
	static uint8_t datagram[DATAGRAM_BYTES_MAX];
	struct udp *udp = container_of(handle, struct udp, handle);

	(void)events;
	for (int i = 0; i < DATAGRAMS_AT_ONCE && !handle->is_closed && !is_done; i++) {
		struct address from = { .length = sizeof(from.storage) };
		JSValue argv[3];
		ssize_t length = recvfrom(handle->fd, datagram, sizeof(datagram), MSG_DONTWAIT,
					  (struct sockaddr *)&from.storage, &from.length);

		/* Errors are those of datagrams that were sent: nobody listens there, say. */
		if (length < 0)
			return;
		argv[0] = value_bytes(datagram, length);
		argv[1] = address_text(&from);
		argv[2] = JS_NewInt32(ctx, address_port(&from));
		engine_call(udp->on_datagram, 3, argv);
	}
}

static const struct handle_ops udp_ops = { .ready = udp_ready, .release = udp_release };

/* Beyond what the machine allows where we may; else as much as it allows. */
static void widen(int fd, int force, int ask)
{
	int bytes = BUFFER_BYTES;

	if (setsockopt(fd, SOL_SOCKET, force, &bytes, sizeof(bytes)))
		setsockopt(fd, SOL_SOCKET, ask, &bytes, sizeof(bytes));
}

/* host.udp(address, port, isShared, onDatagram(bytes, address, port)): an id. */
static JSValue js_udp(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	struct address address;
	struct udp *udp;
	int fd, one = JS_ToBool(context, argv[2]);

	(void)self, (void)argc;
	if (!arg_function(argv[3]) || !arg_address(argv[0], argv[1], &address))
		return JS_EXCEPTION;
	fd = socket(address.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return throw_errno(errno);
	if (one)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	widen(fd, SO_RCVBUFFORCE, SO_RCVBUF);
	widen(fd, SO_SNDBUFFORCE, SO_SNDBUF);
	if (bind(fd, (struct sockaddr *)&address.storage, address.length)) {
		int error = errno;

		close(fd);
		return throw_errno(error);
	}
	udp = container_of(handle_open(fd, &udp_ops, sizeof(*udp)), struct udp, handle);
	if (!udp)
		return JS_EXCEPTION;
	udp->on_datagram = JS_DupValue(context, argv[3]);
	udp->is_six = address.storage.ss_family == AF_INET6;
	handle_wait(&udp->handle, EPOLLIN);
	return JS_NewInt32(context, udp->handle.id);
}

/* host.localPort(id) */
static JSValue js_local_port(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	struct handle *handle;

	(void)self, (void)argc;
	if (!arg_handle(argv[0], &udp_ops, &handle))
		return JS_EXCEPTION;
	if (!handle)
		return throw_errno(EBADF);
	return JS_NewInt32(context, socket_port(handle->fd));
}

/* IPv4 names an interface by its address, IPv6 by `%name`; "" leaves the choice to the routes. */
static int join_six(int fd, const char *group, const char *iface)
{
	struct ipv6_mreq request = { .ipv6mr_interface = *iface == '%' ? if_nametoindex(iface + 1) : 0 };
	struct address address;

	if (*iface && !request.ipv6mr_interface)
		return ENODEV;
	if (!address_parse(group, 0, &address) || address.storage.ss_family != AF_INET6)
		return EINVAL;
	request.ipv6mr_multiaddr = ((struct sockaddr_in6 *)&address.storage)->sin6_addr;
	return setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &request, sizeof(request)) ? errno : 0;
}

static int four_of(const char *text, struct in_addr *out)
{
	struct address address;

	out->s_addr = INADDR_ANY;
	if (!*text)
		return 0;
	if (!address_parse(text, 0, &address) || address.storage.ss_family != AF_INET)
		return EINVAL;
	*out = ((struct sockaddr_in *)&address.storage)->sin_addr;
	return 0;
}

static int join_four(int fd, const char *group, const char *iface)
{
	struct ip_mreqn request = { 0 };

	if (four_of(group, &request.imr_multiaddr) || four_of(iface, &request.imr_address))
		return EINVAL;
	return setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof(request)) ? errno : 0;
}

/* host.joinGroup(id, group, iface) */
static JSValue js_join_group(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	struct handle *handle;
	const char *group, *iface = NULL;
	int error = EINVAL;

	(void)self, (void)argc;
	if (!arg_handle(argv[0], &udp_ops, &handle))
		return JS_EXCEPTION;
	if (!handle)
		return throw_errno(EBADF);
	group = arg_text(argv[1]);
	iface = group ? arg_text(argv[2]) : NULL;
	if (iface)
		error = container_of(handle, struct udp, handle)->is_six ? join_six(handle->fd, group, iface) :
									  join_four(handle->fd, group, iface);
	JS_FreeCString(context, iface);
	JS_FreeCString(context, group);
	if (!iface)
		return JS_EXCEPTION;
	return error ? throw_errno(error) : JS_UNDEFINED;
}

static int send_groups_six(int fd, const char *iface, int is_echoed)
{
	unsigned int index = *iface == '%' ? if_nametoindex(iface + 1) : 0;
	int hops = 1;

	if (*iface && !index)
		return ENODEV;
	if (index && setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof(index)))
		return errno;
	setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops));
	setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &is_echoed, sizeof(is_echoed));
	return 0;
}

static int send_groups_four(int fd, const char *iface, int is_echoed)
{
	struct in_addr address;
	int hops = 1;

	if (four_of(iface, &address))
		return EINVAL;
	if (*iface && setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &address, sizeof(address)))
		return errno;
	setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &hops, sizeof(hops));
	setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &is_echoed, sizeof(is_echoed));
	return 0;
}

/* host.sendGroupsBy(id, iface, isEchoed): never beyond the link. */
static JSValue js_send_groups_by(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	int is_echoed = JS_ToBool(context, argv[2]), error;
	struct handle *handle;
	const char *iface;

	(void)self, (void)argc;
	if (!arg_handle(argv[0], &udp_ops, &handle))
		return JS_EXCEPTION;
	if (!handle)
		return throw_errno(EBADF);
	iface = arg_text(argv[1]);
	if (!iface)
		return JS_EXCEPTION;
	error = container_of(handle, struct udp, handle)->is_six ? send_groups_six(handle->fd, iface, is_echoed) :
								  send_groups_four(handle->fd, iface, is_echoed);
	JS_FreeCString(context, iface);
	return error ? throw_errno(error) : JS_UNDEFINED;
}

/* host.send(id, bytes, address, port): undefined, or why the datagram is lost. */
static JSValue js_send(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	struct address to;
	struct handle *handle;
	struct bytes bytes;

	(void)self, (void)argc;
	if (!arg_handle(argv[0], &udp_ops, &handle) || !arg_address(argv[2], argv[3], &to) ||
	    !arg_bytes(argv[1], &bytes))
		return JS_EXCEPTION;
	if (!handle)
		return JS_NewString(context, errno_name(EBADF));
	if (sendto(handle->fd, bytes.data, bytes.length, MSG_DONTWAIT, (struct sockaddr *)&to.storage, to.length) < 0)
		return JS_NewString(context, errno_name(errno));
	return JS_UNDEFINED;
}

/* host.closeUdp(id) */
static JSValue js_close_udp(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	(void)context, (void)self, (void)argc;
	return arg_close(argv[0], &udp_ops);
}

void udp_define(JSValueConst host)
{
	host_define(host, "udp", js_udp, 4);
	host_define(host, "localPort", js_local_port, 1);
	host_define(host, "joinGroup", js_join_group, 3);
	host_define(host, "sendGroupsBy", js_send_groups_by, 3);
	host_define(host, "send", js_send, 4);
	host_define(host, "closeUdp", js_close_udp, 1);
}
