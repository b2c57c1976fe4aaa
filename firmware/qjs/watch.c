// SPDX-License-Identifier: MIT
/* Folders, by inotify: an editor's rename takes a watched file away, but not its folder. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "host.h"

#define CHANGES (IN_CLOSE_WRITE | IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_ATTRIB)
#define EVENTS_BYTES (16 * (sizeof(struct inotify_event) + NAME_MAX + 1))

struct watch {
	struct handle handle;
	JSValue changed;
};

static void watch_release(struct handle *handle)
{
	JS_FreeValue(ctx, container_of(handle, struct watch, handle)->changed);
}

static void watch_ready(struct handle *handle, uint32_t events)
{
	static char data[EVENTS_BYTES] __attribute__((aligned(8)));
	struct watch *watch = container_of(handle, struct watch, handle);
	ssize_t length = read(handle->fd, data, sizeof(data));

	(void)events;
	for (ssize_t at = 0; at < length && !handle->is_closed && !is_done;) {
		const struct inotify_event *event = (struct inotify_event *)(data + at);
		JSValue name = event->len ? JS_NewString(ctx, event->name) : JS_NewString(ctx, "");

		engine_call(watch->changed, 1, &name);
		at += sizeof(*event) + event->len;
	}
}

static const struct handle_ops watch_ops = { .ready = watch_ready, .release = watch_release };

/* host.watch(folder, changed(name)): an id. The name is "" where the kernel does not say it. */
static JSValue js_watch(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	struct handle *handle;
	const char *path;
	int fd, error = 0;

	(void)self, (void)argc;
	if (!arg_function(argv[1]))
		return JS_EXCEPTION;
	path = arg_text(argv[0]);
	if (!path)
		return JS_EXCEPTION;
	fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (fd < 0 || inotify_add_watch(fd, path, CHANGES) < 0)
		error = errno;
	JS_FreeCString(context, path);
	if (error) {
		if (fd >= 0)
			close(fd);
		return throw_errno(error);
	}
	handle = handle_open(fd, &watch_ops, sizeof(struct watch));
	if (!handle)
		return JS_EXCEPTION;
	container_of(handle, struct watch, handle)->changed = JS_DupValue(context, argv[1]);
	handle_wait(handle, EPOLLIN);
	return JS_NewInt32(context, handle->id);
}

/* host.unwatch(id) */
static JSValue js_unwatch(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	(void)context, (void)self, (void)argc;
	return arg_close(argv[0], &watch_ops);
}

void watch_define(JSValueConst host)
{
	host_define(host, "watch", js_watch, 2);
	host_define(host, "unwatch", js_unwatch, 1);
}
