// SPDX-License-Identifier: MIT
/* The process: what it was called with, what it says, and how it ends. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "host.h"

#define ENTROPY_BYTES_MAX 65536
#define EXIT_CODE_MAX 255

/* host.say(1 or 2, bytes): to standard output or error. False: nobody reads any more. */
static JSValue js_say(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	struct bytes bytes;
	int64_t fd;

	(void)self, (void)argc;
	if (!arg_int(argv[0], STDOUT_FILENO, STDERR_FILENO, &fd) || !arg_bytes(argv[1], &bytes))
		return JS_EXCEPTION;
	while (bytes.length) {
		ssize_t wrote = write(fd, bytes.data, bytes.length);

		if (wrote < 0 && errno == EAGAIN) {
			struct pollfd reader = { .fd = fd, .events = POLLOUT };

			poll(&reader, 1, -1);
			continue;
		}
		if (wrote < 0 && errno != EINTR)
			return JS_NewBool(context, false);
		bytes.data += wrote > 0 ? wrote : 0;
		bytes.length -= wrote > 0 ? wrote : 0;
	}
	return JS_NewBool(context, true);
}

/* host.columns(1 or 2): of the terminal; 0: it is none. */
static JSValue js_columns(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	struct winsize size = { 0 };
	int64_t fd;

	(void)self, (void)argc;
	if (!arg_int(argv[0], STDOUT_FILENO, STDERR_FILENO, &fd))
		return JS_EXCEPTION;
	if (!isatty(fd))
		return JS_NewInt32(context, 0);
	ioctl(fd, TIOCGWINSZ, &size);
	return JS_NewInt32(context, size.ws_col ? size.ws_col : 80);
}

/* host.environment(name): undefined where it is not set. */
static JSValue js_environment(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	const char *name = arg_text(argv[0]), *value;

	(void)self, (void)argc;
	if (!name)
		return JS_EXCEPTION;
	value = getenv(name);
	JS_FreeCString(context, name);
	return value ? value_text(value, strlen(value)) : JS_UNDEFINED;
}

/* host.entropy(length): cryptographically strong. */
static JSValue js_entropy(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	static uint8_t data[ENTROPY_BYTES_MAX];
	int64_t length;
	JSValue result;

	(void)context, (void)self, (void)argc;
	if (!arg_int(argv[0], 0, sizeof(data), &length))
		return JS_EXCEPTION;
	for (int64_t at = 0; at < length;) {
		ssize_t got = getrandom(data + at, length - at, 0);

		if (got < 0 && errno != EINTR)
			return throw_errno(errno);
		at += got > 0 ? got : 0;
	}
	result = value_bytes(data, length);
	explicit_bzero(data, length);
	return result;
}

/* host.exit(code): when what runs has returned. */
static JSValue js_exit(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	int64_t code;

	(void)context, (void)self, (void)argc;
	if (!arg_int(argv[0], 0, EXIT_CODE_MAX, &code))
		return JS_EXCEPTION;
	exit_code = code;
	is_done = true;
	return JS_UNDEFINED;
}

static double memory_bytes(void)
{
	struct sysinfo info;

	return sysinfo(&info) ? 0 : (double)info.totalram * info.mem_unit;
}

void process_define(JSValueConst host, int argc, char **argv)
{
	JSValue arguments = JS_NewArray(ctx);

	for (int i = 0; i < argc; i++)
		JS_DefinePropertyValueUint32(ctx, arguments, i, value_text(argv[i], strlen(argv[i])), JS_PROP_C_W_E);
	JS_DefinePropertyValueStr(ctx, host, "arguments", arguments, JS_PROP_C_W_E);
	JS_DefinePropertyValueStr(ctx, host, "folder", JS_NewString(ctx, engine_folder()), JS_PROP_C_W_E);
	JS_DefinePropertyValueStr(ctx, host, "memoryBytes", JS_NewFloat64(ctx, memory_bytes()), JS_PROP_C_W_E);
	host_define(host, "say", js_say, 2);
	host_define(host, "columns", js_columns, 1);
	host_define(host, "environment", js_environment, 1);
	host_define(host, "entropy", js_entropy, 1);
	host_define(host, "exit", js_exit, 1);
}
