// SPDX-License-Identifier: MIT
/* Programs of the system: their output as streams, and how they ended. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"

#define WORDS_MAX 64
#define EXIT_NOT_STARTED 127

/* Readable when the child has ended. */
struct child {
	struct handle handle;
	pid_t pid;
	JSValue on_exit;
};

static void child_release(struct handle *handle)
{
	JS_FreeValue(ctx, container_of(handle, struct child, handle)->on_exit);
}

static void child_ready(struct handle *handle, uint32_t events)
{
	struct child *child = container_of(handle, struct child, handle);
	JSValue code = JS_UNDEFINED;
	int status;

	(void)events;
	if (waitpid(child->pid, &status, WNOHANG) != child->pid)
		return;
	if (WIFEXITED(status))
		code = JS_NewInt32(ctx, WEXITSTATUS(status));
	handle_close(handle);
	engine_call(child->on_exit, 1, &code);
}

static const struct handle_ops child_ops = { .ready = child_ready, .release = child_release };

static void forget_words(const char **words)
{
	for (int i = 0; words[i]; i++)
		JS_FreeCString(ctx, words[i]);
}

static bool read_words(JSValueConst list, const char **words)
{
	JSValue length_value = JS_GetPropertyStr(ctx, list, "length");
	int64_t length;
	bool is_good = arg_int(length_value, 1, WORDS_MAX, &length);

	JS_FreeValue(ctx, length_value);
	for (int64_t i = 0; is_good && i < length; i++) {
		JSValue word = JS_GetPropertyUint32(ctx, list, i);

		words[i] = JS_IsException(word) ? NULL : arg_text(word);
		JS_FreeValue(ctx, word);
		is_good = words[i] != NULL;
	}
	if (!is_good)
		forget_words(words);
	return is_good;
}

static void become(const char **words, int out, int err)
{
	sigset_t none;

	/* Also when we die without a word. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	execvp(words[0], (char **)words);
	_exit(EXIT_NOT_STARTED);
}

static pid_t start(const char **words, const int *out, const int *err)
{
	pid_t pid = fork();

	if (!pid)
		become(words, out[1], err[1]);
	return pid;
}

static JSValue stream_of(int fd)
{
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return stream_adopt(fd);
}

static struct child *child_open(pid_t pid)
{
	/* Kernel 5.3; ours is 5.15 at least. */
	int fd = syscall(SYS_pidfd_open, pid, 0);
	struct handle *handle;

	if (fd < 0) {
		throw_errno(errno);
		return NULL;
	}
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	handle = handle_open(fd, &child_ops, sizeof(struct child));
	return handle ? container_of(handle, struct child, handle) : NULL;
}

/* `words` and the pipes are the caller's. */
static JSValue spawn(const char **words, int *out, int *err, JSValueConst on_exit)
{
	pid_t pid = start(words, out, err);
	struct child *child;
	JSValue result;

	if (pid < 0)
		return throw_errno(errno);
	child = child_open(pid);
	if (!child) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return JS_EXCEPTION;
	}
	child->pid = pid;
	child->on_exit = JS_DupValue(ctx, on_exit);
	handle_wait(&child->handle, EPOLLIN);
	result = JS_NewArray(ctx);
	JS_DefinePropertyValueUint32(ctx, result, 0, JS_NewInt32(ctx, child->handle.id), JS_PROP_C_W_E);
	JS_DefinePropertyValueUint32(ctx, result, 1, stream_of(out[0]), JS_PROP_C_W_E);
	JS_DefinePropertyValueUint32(ctx, result, 2, stream_of(err[0]), JS_PROP_C_W_E);
	return result;
}

/* host.spawn([program, argument...], onExit(code)): [child, stream of stdout, stream of stderr]. Code 127: not started. */
static JSValue js_spawn(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	const char *words[WORDS_MAX + 1] = { NULL };
	int out[2], err[2];
	JSValue result;

	(void)context, (void)self, (void)argc;
	if (!arg_function(argv[1]) || !read_words(argv[0], words))
		return JS_EXCEPTION;
	if (handles_room() < 3 || pipe2(out, O_CLOEXEC)) {
		forget_words(words);
		return throw_errno(EMFILE);
	}
	if (pipe2(err, O_CLOEXEC)) {
		close(out[0]);
		close(out[1]);
		forget_words(words);
		return throw_errno(EMFILE);
	}
	result = spawn(words, out, err, argv[1]);
	forget_words(words);
	close(out[1]);
	close(err[1]);
	if (JS_IsException(result)) {
		close(out[0]);
		close(err[0]);
	}
	return result;
}

/* host.terminate(child): SIGTERM; onExit is still called. */
static JSValue js_terminate(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	struct handle *handle;

	(void)context, (void)self, (void)argc;
	if (!arg_handle(argv[0], &child_ops, &handle))
		return JS_EXCEPTION;
	if (handle)
		kill(container_of(handle, struct child, handle)->pid, SIGTERM);
	return JS_UNDEFINED;
}

void spawn_define(JSValueConst host)
{
	host_define(host, "spawn", js_spawn, 2);
	host_define(host, "terminate", js_terminate, 1);
}
