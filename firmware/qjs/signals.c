// SPDX-License-Identifier: MIT
/* Signals, as events of the loop. One that nobody asked for keeps its usual effect. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "host.h"

struct signals {
	struct handle handle;
	JSValue run;
};

static const struct {
	const char *name;
	int number;
} names[] = { { "SIGHUP", SIGHUP }, { "SIGINT", SIGINT }, { "SIGTERM", SIGTERM } };

static void signals_release(struct handle *handle)
{
	JS_FreeValue(ctx, container_of(handle, struct signals, handle)->run);
}

static void signals_ready(struct handle *handle, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)events;
	while (!handle->is_closed && !is_done && read(handle->fd, &info, sizeof(info)) == sizeof(info))
		engine_call(container_of(handle, struct signals, handle)->run, 0, NULL);
}

static const struct handle_ops signals_ops = { .ready = signals_ready, .release = signals_release };

static int number_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i].name, name))
			return names[i].number;
	return 0;
}

/* host.onSignal(name, run): SIGHUP, SIGINT or SIGTERM; for as long as the process runs. */
static JSValue js_on_signal(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	struct handle *handle;
	const char *name;
	int number, fd;
	sigset_t set;

	(void)self, (void)argc;
	if (!arg_function(argv[1]))
		return JS_EXCEPTION;
	name = arg_text(argv[0]);
	if (!name)
		return JS_EXCEPTION;
	number = number_of(name);
	JS_FreeCString(context, name);
	if (!number)
		return throw_text("EINVAL", "no signal that can be asked for");
	sigemptyset(&set);
	sigaddset(&set, number);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return throw_errno(errno);
	handle = handle_open(fd, &signals_ops, sizeof(struct signals));
	if (!handle)
		return JS_EXCEPTION;
	sigprocmask(SIG_BLOCK, &set, NULL);
	container_of(handle, struct signals, handle)->run = JS_DupValue(context, argv[1]);
	handle_wait(handle, EPOLLIN);
	return JS_UNDEFINED;
}

void signals_define(JSValueConst host)
{
	host_define(host, "onSignal", js_on_signal, 2);
}
