// SPDX-License-Identifier: MIT
/* The engine: it loads the bundle's files, calls what waits, and ends the process where Node would. */
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"

/* Promises that were rejected and that nobody has caught yet. */
#define REJECTED_MAX 64
#define SOURCE_HEAD "(function(exports,require,module){"
#define SOURCE_TAIL "\n})"

JSContext *ctx;
bool is_done;
int exit_code;

static JSRuntime *runtime;
static JSValue modules;
static char folder[PATH_BYTES_MAX];
static JSValue rejected[REJECTED_MAX];
static unsigned int rejected_count;

static void tell_error(JSValueConst error)
{
	const char *text = JS_ToCString(ctx, error);
	JSValue stack = JS_IsObject(error) ? JS_GetPropertyStr(ctx, error, "stack") : JS_UNDEFINED;
	const char *where = JS_IsString(stack) ? JS_ToCString(ctx, stack) : NULL;

	fprintf(stderr, "roamwall: a fault of roamwall's: %s\n%s", text ? text : "no text", where ? where : "");
	JS_FreeCString(ctx, text);
	JS_FreeCString(ctx, where);
	JS_FreeValue(ctx, stack);
}

/* As in Node: what nobody catches ends the process, and who supervises it starts it anew. */
static void fault(JSValue error)
{
	tell_error(error);
	JS_FreeValue(ctx, error);
	is_done = true;
	exit_code = 1;
}

static void track_rejection(JSContext *context, JSValueConst promise, JSValueConst reason, JS_BOOL is_handled,
			    void *opaque)
{
	(void)opaque;
	if (!is_handled) {
		if (rejected_count == REJECTED_MAX)
			fault(JS_DupValue(context, reason));
		else
			rejected[rejected_count++] = JS_DupValue(context, promise);
		return;
	}
	for (unsigned int i = 0; i < rejected_count; i++) {
		if (JS_VALUE_GET_PTR(rejected[i]) != JS_VALUE_GET_PTR(promise))
			continue;
		JS_FreeValue(context, rejected[i]);
		rejected[i] = rejected[--rejected_count];
		return;
	}
}

static void forget_rejections(void)
{
	while (rejected_count)
		JS_FreeValue(ctx, rejected[--rejected_count]);
}

void engine_settle(void)
{
	JSContext *context;
	int ran;

	while (!is_done && (ran = JS_ExecutePendingJob(runtime, &context)) != 0)
		if (ran < 0)
			fault(JS_GetException(context));
	if (rejected_count && !is_done)
		fault(JS_PromiseResult(ctx, rejected[0]));
	forget_rejections();
}

void engine_call(JSValueConst function, int argc, JSValue *argv)
{
	/* Whoever is called may close the handle that holds it. */
	JSValue kept = JS_DupValue(ctx, function), result;

	result = is_done ? JS_UNDEFINED : JS_Call(ctx, kept, JS_UNDEFINED, argc, argv);
	for (int i = 0; i < argc; i++)
		JS_FreeValue(ctx, argv[i]);
	JS_FreeValue(ctx, kept);
	if (JS_IsException(result) && !is_done)
		fault(JS_GetException(ctx));
	JS_FreeValue(ctx, result);
	engine_settle();
}

/* The file's text as a function, so that its names stay its own. NULL: `errno` says why. */
static char *read_source(const char *path, size_t *length)
{
	const size_t head = sizeof(SOURCE_HEAD) - 1, tail = sizeof(SOURCE_TAIL) - 1;
	FILE *file = fopen(path, "rb");
	char *text = NULL;
	long bytes;

	if (!file)
		return NULL;
	if (fseek(file, 0, SEEK_END) || (bytes = ftell(file)) < 0 || bytes > (long)FILE_BYTES_MAX || fseek(file, 0, SEEK_SET))
		goto out;
	text = malloc(head + bytes + tail + 1);
	if (!text)
		goto out;
	if (fread(text + head, 1, bytes, file) != (size_t)bytes) {
		free(text);
		text = NULL;
		goto out;
	}
	memcpy(text, SOURCE_HEAD, head);
	/* With its closing NUL. */
	memcpy(text + head + bytes, SOURCE_TAIL, tail + 1);
	*length = head + bytes + tail;
out:
	fclose(file);
	return text;
}

static JSValue load(const char *path, int flags)
{
	size_t length;
	char *source = read_source(path, &length);
	JSValue function;

	if (!source)
		return throw_errno(errno ? errno : EIO);
	function = JS_Eval(ctx, source, length, path, JS_EVAL_TYPE_GLOBAL | flags);
	free(source);
	return function;
}

/* Beside the bundle, and nowhere else. */
static bool is_beside(const char *name)
{
	const char *allowed = "abcdefghijklmnopqrstuvwxyz0123456789-.";

	return !strncmp(name, "./", 2) && name[2] != '.' && name[2 + strspn(name + 2, allowed)] == '\0';
}

static host_fn js_require;

static JSValue run_file(const char *path, JSValueConst module)
{
	JSValue function = load(path, 0), argv[3], result;

	if (JS_IsException(function))
		return function;
	argv[0] = JS_GetPropertyStr(ctx, module, "exports");
	argv[1] = JS_NewCFunction(ctx, js_require, "require", 1);
	argv[2] = JS_DupValue(ctx, module);
	result = JS_Call(ctx, function, JS_UNDEFINED, 3, argv);
	for (size_t i = 0; i < ARRAY_SIZE(argv); i++)
		JS_FreeValue(ctx, argv[i]);
	JS_FreeValue(ctx, function);
	return result;
}

static JSValue new_module(void)
{
	JSValue module = JS_NewObject(ctx);

	if (!JS_IsException(module))
		JS_DefinePropertyValueStr(ctx, module, "exports", JS_NewObject(ctx), JS_PROP_C_W_E);
	return module;
}

static JSValue require_beside(const char *name)
{
	JSValue module = JS_GetPropertyStr(ctx, modules, name), result;
	char path[PATH_BYTES_MAX + 256];

	if (JS_IsUndefined(module)) {
		if (snprintf(path, sizeof(path), "%s/%s", folder, name + 2) >= (int)sizeof(path))
			return throw_errno(ENAMETOOLONG);
		module = new_module();
		if (JS_IsException(module))
			return module;
		result = run_file(path, module);
		if (JS_IsException(result)) {
			JS_FreeValue(ctx, module);
			return result;
		}
		JS_FreeValue(ctx, result);
		JS_SetPropertyStr(ctx, modules, name, JS_DupValue(ctx, module));
	}
	result = JS_GetPropertyStr(ctx, module, "exports");
	JS_FreeValue(ctx, module);
	return result;
}

/* require(name): another file of the bundle. */
static JSValue js_require(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	const char *name = arg_text(argv[0]);
	JSValue result;

	(void)context, (void)self, (void)argc;
	if (!name)
		return JS_EXCEPTION;
	result = is_beside(name) ? require_beside(name) : throw_text("ENOENT", "no file of the bundle");
	JS_FreeCString(ctx, name);
	return result;
}

bool engine_run_file(const char *path)
{
	JSValue module = new_module(), result = run_file(path, module);

	JS_FreeValue(ctx, module);
	if (JS_IsException(result))
		fault(JS_GetException(ctx));
	JS_FreeValue(ctx, result);
	engine_settle();
	return !exit_code;
}

const char *engine_folder(void)
{
	return folder;
}

static bool find_folder(const char *bundle)
{
	char whole[PATH_BYTES_MAX];

	if (!realpath(bundle, whole))
		return false;
	snprintf(folder, sizeof(folder), "%s", dirname(whole));
	return true;
}

static void define_host(const struct engine_options *options)
{
	JSValue global = JS_GetGlobalObject(ctx), host = JS_NewObject(ctx);

	loop_define(host);
	timers_define(host);
	udp_define(host);
	streams_define(host);
	servers_define(host);
	files_define(host);
	watch_define(host);
	process_define(host, options->argc, options->argv);
	signals_define(host);
	spawn_define(host);
	resolve_define(host);
	crypto_define(host);
	text_define(host);
	JS_DefinePropertyValueStr(ctx, global, "host", host, 0);
	JS_FreeValue(ctx, global);
}

bool engine_start(const struct engine_options *options)
{
	if (!find_folder(options->bundle)) {
		fprintf(stderr, "roamwall: %s: %s\n", options->bundle, strerror(errno));
		return false;
	}
	runtime = JS_NewRuntime();
	ctx = runtime ? JS_NewContext(runtime) : NULL;
	if (!ctx) {
		fprintf(stderr, "roamwall: no memory for the engine\n");
		return false;
	}
	if (options->memory_bytes)
		JS_SetMemoryLimit(runtime, options->memory_bytes);
	/* Functions need not keep their text; lines stay, for a fault that is reported. */
	JS_SetStripInfo(runtime, JS_STRIP_SOURCE);
	JS_SetHostPromiseRejectionTracker(runtime, track_rejection, NULL);
	modules = JS_NewObject(ctx);
	define_host(options);
	return true;
}

void engine_stop(void)
{
	forget_rejections();
	JS_FreeValue(ctx, modules);
	JS_FreeContext(ctx);
	JS_FreeRuntime(runtime);
}
