// SPDX-License-Identifier: MIT
/* Names of hosts. The C library's question waits for servers: a child asks it, and we read the answer. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"

#define ANSWERS_MAX 8
#define ASK_SECONDS 10

struct answer {
	uint32_t count;
	struct address addresses[ANSWERS_MAX];
};

struct question {
	struct handle handle;
	pid_t pid;
	JSValue answered;
};

static void question_release(struct handle *handle)
{
	JS_FreeValue(ctx, container_of(handle, struct question, handle)->answered);
}

static void question_ready(struct handle *handle, uint32_t events)
{
	struct question *question = container_of(handle, struct question, handle);
	struct answer answer = { 0 };
	JSValue list = JS_NewArray(ctx);

	(void)events;
	/* Less than a pipe takes at once; a child that died says nothing. */
	if (read(handle->fd, &answer, sizeof(answer)) != sizeof(answer) || answer.count > ANSWERS_MAX)
		answer.count = 0;
	waitpid(question->pid, NULL, 0);
	for (uint32_t i = 0; i < answer.count; i++)
		JS_DefinePropertyValueUint32(ctx, list, i, address_text(&answer.addresses[i]), JS_PROP_C_W_E);
	handle_close(handle);
	engine_call(question->answered, 1, &list);
}

static const struct handle_ops question_ops = { .ready = question_ready, .release = question_release };

static void ask(const char *name, int out)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
	struct answer answer = { 0 };

	alarm(ASK_SECONDS);
	if (!getaddrinfo(name, NULL, &hints, &found))
		for (struct addrinfo *one = found; one && answer.count < ANSWERS_MAX; one = one->ai_next) {
			struct address *to = &answer.addresses[answer.count++];

			memcpy(&to->storage, one->ai_addr, one->ai_addrlen);
			to->length = one->ai_addrlen;
		}
	if (write(out, &answer, sizeof(answer)) != sizeof(answer))
		_exit(EXIT_FAILURE);
	_exit(EXIT_SUCCESS);
}

/* host.resolve(name, answered(addresses)): an empty list where there are none. */
static JSValue js_resolve(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	struct handle *handle;
	const char *name;
	int pipes[2];
	pid_t pid;

	(void)self, (void)argc;
	if (!arg_function(argv[1]))
		return JS_EXCEPTION;
	name = arg_text(argv[0]);
	if (!name)
		return JS_EXCEPTION;
	if (pipe2(pipes, O_CLOEXEC)) {
		JS_FreeCString(context, name);
		return throw_errno(errno);
	}
	pid = fork();
	if (!pid)
		ask(name, pipes[1]);
	JS_FreeCString(context, name);
	close(pipes[1]);
	if (pid < 0) {
		close(pipes[0]);
		return throw_errno(EAGAIN);
	}
	handle = handle_open(pipes[0], &question_ops, sizeof(struct question));
	if (!handle) {
		waitpid(pid, NULL, 0);
		return JS_EXCEPTION;
	}
	container_of(handle, struct question, handle)->pid = pid;
	container_of(handle, struct question, handle)->answered = JS_DupValue(context, argv[1]);
	handle_wait(handle, EPOLLIN);
	return JS_UNDEFINED;
}

void resolve_define(JSValueConst host)
{
	host_define(host, "resolve", js_resolve, 2);
}
