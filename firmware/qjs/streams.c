// SPDX-License-Identifier: MIT
/* Streams of bytes: unix and TCP connections, and what children write. What is written and not taken yet is kept here, bounded. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "host.h"

#define READ_BYTES (1 << 16)
/* Then others have their turn. */
#define READS_AT_ONCE 4
#define OUT_BYTES_LEAST 4096

struct stream {
	struct handle handle;
	/* Each undefined until the bundle sets it. */
	JSValue on_bytes, on_close, on_connect;
	/* Written by the bundle, not taken by the kernel: from `start` to `end`. */
	uint8_t *out;
	size_t start, end, size;
	/* No more is read or written; what waits still goes out. */
	bool is_ending;
};

/* Not from where it ended: that may be in the middle of a call of the bundle's. */
static void stream_release(struct handle *handle)
{
	struct stream *stream = container_of(handle, struct stream, handle);

	if (!JS_IsUndefined(stream->on_close))
		engine_call(stream->on_close, 0, NULL);
	JS_FreeValue(ctx, stream->on_bytes);
	JS_FreeValue(ctx, stream->on_close);
	JS_FreeValue(ctx, stream->on_connect);
	free(stream->out);
}

static void stream_wait(struct stream *stream)
{
	bool is_connecting = !JS_IsUndefined(stream->on_connect);
	bool reads = !JS_IsUndefined(stream->on_bytes) && !stream->is_ending && !is_connecting;
	bool writes = is_connecting || stream->end > stream->start;

	handle_wait(&stream->handle, (reads ? EPOLLIN : 0) | (writes ? EPOLLOUT : 0));
}

/* False: the stream is over. */
static bool push(struct stream *stream)
{
	while (stream->end > stream->start) {
		ssize_t taken = send(stream->handle.fd, stream->out + stream->start, stream->end - stream->start,
				     MSG_DONTWAIT | MSG_NOSIGNAL);

		if (taken < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		if (taken < 0)
			return false;
		stream->start += taken;
	}
	free(stream->out);
	stream->out = NULL;
	stream->start = stream->end = stream->size = 0;
	return !stream->is_ending;
}

static bool keep(struct stream *stream, const uint8_t *data, size_t length)
{
	size_t waiting = stream->end - stream->start, size = stream->size;
	uint8_t *wider;

	if (length > STREAM_OUT_BYTES_MAX - waiting)
		return false;
	if (stream->start && stream->end + length > size) {
		memmove(stream->out, stream->out + stream->start, waiting);
		stream->start = 0;
		stream->end = waiting;
	}
	if (stream->end + length > size) {
		for (size = size ? size : OUT_BYTES_LEAST; size < stream->end + length;)
			size *= 2;
		wider = realloc(stream->out, size);
		if (!wider)
			return false;
		stream->out = wider;
		stream->size = size;
	}
	memcpy(stream->out + stream->end, data, length);
	stream->end += length;
	return true;
}

/* False: the end, or an error, which is the same to the bundle. */
static bool pull(struct stream *stream)
{
	static uint8_t data[READ_BYTES];
	struct handle *handle = &stream->handle;

	for (int i = 0; i < READS_AT_ONCE && !handle->is_closed && !stream->is_ending && !is_done; i++) {
		/* Not recv(): children write into pipes. */
		ssize_t length = read(handle->fd, data, sizeof(data));
		JSValue bytes;

		if (length < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		if (length <= 0)
			return false;
		bytes = value_bytes(data, length);
		engine_call(stream->on_bytes, 1, &bytes);
		if ((size_t)length < sizeof(data))
			return true;
	}
	return true;
}

static void connected(struct stream *stream)
{
	JSValue reason = JS_UNDEFINED, once = stream->on_connect;
	socklen_t length = sizeof(int);
	int error = 0;

	getsockopt(stream->handle.fd, SOL_SOCKET, SO_ERROR, &error, &length);
	if (error) {
		reason = JS_NewString(ctx, errno_name(error));
		handle_close(&stream->handle);
	}
	stream->on_connect = JS_UNDEFINED;
	engine_call(once, 1, &reason);
	JS_FreeValue(ctx, once);
}

/* The peer wrote its last: what we still have for it goes out, then it is over. */
static void stream_end(struct stream *stream)
{
	stream->is_ending = true;
	if (!push(stream))
		handle_close(&stream->handle);
}

static void stream_ready(struct handle *handle, uint32_t events)
{
	struct stream *stream = container_of(handle, struct stream, handle);

	if (!JS_IsUndefined(stream->on_connect)) {
		connected(stream);
	} else if ((events & EPOLLOUT) && !push(stream)) {
		handle_close(&stream->handle);
	} else if (!JS_IsUndefined(stream->on_bytes) && !stream->is_ending) {
		if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !pull(stream) && !handle->is_closed)
			stream_end(stream);
	} else if (events & (EPOLLHUP | EPOLLERR)) {
		/* Nobody reads, and nothing can be written: to wait on would spin. */
		handle_close(&stream->handle);
	}
	if (!handle->is_closed)
		stream_wait(stream);
}

static const struct handle_ops stream_ops = { .ready = stream_ready, .release = stream_release };

static struct stream *stream_open(int fd)
{
	struct handle *handle = handle_open(fd, &stream_ops, sizeof(struct stream));
	struct stream *stream = handle ? container_of(handle, struct stream, handle) : NULL;

	if (stream)
		stream->on_bytes = stream->on_close = stream->on_connect = JS_UNDEFINED;
	return stream;
}

JSValue stream_adopt(int fd)
{
	struct stream *stream = stream_open(fd);

	return stream ? JS_NewInt32(ctx, stream->handle.id) : JS_EXCEPTION;
}

static JSValue connect_to(const struct sockaddr *address, socklen_t length, JSValueConst on_connect)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, error;
	struct stream *stream;

	if (fd < 0)
		return throw_errno(errno);
	if (address->sa_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, address, length) && errno != EINPROGRESS) {
		error = errno;
		close(fd);
		return throw_errno(error);
	}
	stream = stream_open(fd);
	if (!stream)
		return JS_EXCEPTION;
	stream->on_connect = JS_DupValue(ctx, on_connect);
	stream_wait(stream);
	return JS_NewInt32(ctx, stream->handle.id);
}

/* host.connectUnix(path, onConnect(error)): an id. Throws where it is clear at once that nobody listens. */
static JSValue js_connect_unix(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	struct address address;

	(void)context, (void)self, (void)argc;
	if (!arg_function(argv[1]) || !arg_unix_path(argv[0], &address))
		return JS_EXCEPTION;
	return connect_to((struct sockaddr *)&address.storage, address.length, argv[1]);
}

/* host.connectTcp(address, port, onConnect(error)): an id. */
static JSValue js_connect_tcp(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	struct address address;

	(void)context, (void)self, (void)argc;
	if (!arg_function(argv[2]) || !arg_address(argv[0], argv[1], &address))
		return JS_EXCEPTION;
	return connect_to((struct sockaddr *)&address.storage, address.length, argv[2]);
}

/* host.write(id, bytes): false when the stream is over; a peer that reads too slowly ends it. */
static JSValue js_write(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	struct stream *stream;
	struct handle *handle;
	struct bytes bytes;
	ssize_t taken = 0;

	(void)self, (void)argc;
	if (!arg_handle(argv[0], &stream_ops, &handle) || !arg_bytes(argv[1], &bytes))
		return JS_EXCEPTION;
	stream = handle ? container_of(handle, struct stream, handle) : NULL;
	if (!stream || stream->is_ending)
		return JS_FALSE;
	if (stream->start == stream->end && JS_IsUndefined(stream->on_connect)) {
		taken = send(handle->fd, bytes.data, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL);
		taken = taken < 0 ? 0 : taken;
	}
	if ((size_t)taken < bytes.length && !keep(stream, bytes.data + taken, bytes.length - taken)) {
		handle_close(&stream->handle);
		return JS_FALSE;
	}
	stream_wait(stream);
	return JS_NewBool(context, true);
}

/* host.pending(id): bytes that wait for the peer. */
static JSValue js_pending(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	struct handle *handle;
	struct stream *stream;

	(void)self, (void)argc;
	if (!arg_handle(argv[0], &stream_ops, &handle))
		return JS_EXCEPTION;
	stream = handle ? container_of(handle, struct stream, handle) : NULL;
	return JS_NewInt64(context, stream ? stream->end - stream->start : 0);
}

static JSValue set_function(JSValueConst *argv, size_t member)
{
	struct handle *handle;
	JSValue *function;

	if (!arg_function(argv[1]) || !arg_handle(argv[0], &stream_ops, &handle))
		return JS_EXCEPTION;
	if (!handle)
		return JS_UNDEFINED;
	function = (JSValue *)((char *)container_of(handle, struct stream, handle) + member);
	JS_FreeValue(ctx, *function);
	*function = JS_DupValue(ctx, argv[1]);
	stream_wait(container_of(handle, struct stream, handle));
	return JS_UNDEFINED;
}

/* host.onBytes(id, handler(bytes)): until then nothing is read. */
static JSValue js_on_bytes(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	(void)context, (void)self, (void)argc;
	return set_function(argv, offsetof(struct stream, on_bytes));
}

/* host.onClose(id, handler()): once. */
static JSValue js_on_close(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	(void)context, (void)self, (void)argc;
	return set_function(argv, offsetof(struct stream, on_close));
}

/* host.end(id): what was written still goes out. */
static JSValue js_end(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	struct handle *handle;

	(void)context, (void)self, (void)argc;
	if (!arg_handle(argv[0], &stream_ops, &handle))
		return JS_EXCEPTION;
	if (handle)
		stream_end(container_of(handle, struct stream, handle));
	if (handle && !handle->is_closed)
		stream_wait(container_of(handle, struct stream, handle));
	return JS_UNDEFINED;
}

/* host.destroy(id): at once. */
static JSValue js_destroy(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	(void)context, (void)self, (void)argc;
	return arg_close(argv[0], &stream_ops);
}

void streams_define(JSValueConst host)
{
	host_define(host, "connectUnix", js_connect_unix, 2);
	host_define(host, "connectTcp", js_connect_tcp, 3);
	host_define(host, "write", js_write, 2);
	host_define(host, "pending", js_pending, 1);
	host_define(host, "onBytes", js_on_bytes, 2);
	host_define(host, "onClose", js_on_close, 2);
	host_define(host, "end", js_end, 1);
	host_define(host, "destroy", js_destroy, 1);
}
