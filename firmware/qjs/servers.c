// SPDX-License-Identifier: MIT
/* Who connects to us: unix and TCP. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"

#define BACKLOG 64
#define ACCEPTS_AT_ONCE 16
/* Strangers get none of the last handles: the agent's own sockets and files need some. */
#define HANDLES_KEPT 32
#define NO_DESCRIPTOR_US 10000

struct server {
	struct handle handle;
	JSValue on_stream;
};

static void server_release(struct handle *handle)
{
	JS_FreeValue(ctx, container_of(handle, struct server, handle)->on_stream);
}

static void server_ready(struct handle *handle, uint32_t events)
{
	struct server *server = container_of(handle, struct server, handle);

	(void)events;
	for (int i = 0; i < ACCEPTS_AT_ONCE && !handle->is_closed && !is_done; i++) {
		int fd = accept4(handle->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;
		JSValue id;

		if (fd < 0) {
			/* The machine has no descriptor left, and epoll would tell of this caller again at once. */
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
				usleep(NO_DESCRIPTOR_US);
			return;
		}
		if (handles_room() <= HANDLES_KEPT) {
			close(fd);
			continue;
		}
		/* Refused by unix sockets. */
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		id = stream_adopt(fd);
		if (JS_IsException(id))
			JS_FreeValue(ctx, JS_GetException(ctx));
		else
			engine_call(server->on_stream, 1, &id);
	}
}

static const struct handle_ops server_ops = { .ready = server_ready, .release = server_release };

/* Takes the descriptor. */
static JSValue serve(int fd, JSValueConst on_stream)
{
	struct handle *handle;
	struct server *server;

	if (listen(fd, BACKLOG)) {
		int error = errno;

		close(fd);
		return throw_errno(error);
	}
	handle = handle_open(fd, &server_ops, sizeof(*server));
	if (!handle)
		return JS_EXCEPTION;
	server = container_of(handle, struct server, handle);
	server->on_stream = JS_DupValue(ctx, on_stream);
	handle_wait(handle, EPOLLIN);
	return JS_NewInt32(ctx, handle->id);
}

static JSValue bound(int fd, const struct sockaddr *address, socklen_t length, JSValueConst on_stream)
{
	if (fd >= 0 && bind(fd, address, length)) {
		int error = errno;

		close(fd);
		return throw_errno(error);
	}
	return fd < 0 ? throw_errno(errno) : serve(fd, on_stream);
}

/* host.serveUnix(path, onStream(id)): an id. Only its owner may connect. */
static JSValue js_serve_unix(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	struct address address;
	JSValue result;
	mode_t mask;

	(void)context, (void)self, (void)argc;
	if (!arg_function(argv[1]) || !arg_unix_path(argv[0], &address))
		return JS_EXCEPTION;
	mask = umask(0177);
	result = bound(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
		       (struct sockaddr *)&address.storage, address.length, argv[1]);
	umask(mask);
	return result;
}

/* host.listenTcp(address, port, onStream(id)): an id. */
static JSValue js_listen_tcp(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	struct address address;
	int fd, one = 1;

	(void)context, (void)self, (void)argc;
	if (!arg_function(argv[2]) || !arg_address(argv[0], argv[1], &address))
		return JS_EXCEPTION;
	fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return bound(fd, (struct sockaddr *)&address.storage, address.length, argv[2]);
}

/* host.serverPort(id) */
static JSValue js_server_port(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	struct handle *handle;

	(void)self, (void)argc;
	if (!arg_handle(argv[0], &server_ops, &handle))
		return JS_EXCEPTION;
	if (!handle)
		return throw_errno(EBADF);
	return JS_NewInt32(context, socket_port(handle->fd));
}

/* host.closeServer(id): its streams stay. */
static JSValue js_close_server(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	(void)context, (void)self, (void)argc;
	return arg_close(argv[0], &server_ops);
}

void servers_define(JSValueConst host)
{
	host_define(host, "serveUnix", js_serve_unix, 2);
	host_define(host, "listenTcp", js_listen_tcp, 3);
	host_define(host, "serverPort", js_server_port, 1);
	host_define(host, "closeServer", js_close_server, 1);
}
