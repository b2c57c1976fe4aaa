// SPDX-License-Identifier: MIT
/* One epoll, and the handles that wait in it. */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "host.h"

#define EVENTS_AT_ONCE 64
/* How often what was freed is given back to the machine. */
#define TRIM_MS 30000
/* After a start, which takes the most. */
#define TRIM_FIRST_MS 1000
#define NS_PER_MS 1e6
/* An id is a slot and how often it was given out: one that is over names nobody. */
#define ID_TURN (HANDLES_MAX)
#define ID_MAX (INT32_MAX - ID_TURN)

static int epoll = -1;
static struct handle *handles[HANDLES_MAX];
static uint32_t next_id[HANDLES_MAX];
static unsigned int handles_open;
static struct handle *dead;
static struct timespec started;

double loop_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - started.tv_sec) * 1e3 + (now.tv_nsec - started.tv_nsec) / NS_PER_MS;
}

bool loop_start(void)
{
	/* A peer that went is told by write(). */
	signal(SIGPIPE, SIG_IGN);
	clock_gettime(CLOCK_MONOTONIC, &started);
	for (uint32_t slot = 0; slot < HANDLES_MAX; slot++)
		next_id[slot] = slot + ID_TURN;
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		perror("roamwall-qjs: epoll_create1");
	return epoll >= 0;
}

static int free_slot(void)
{
	for (int slot = 0; slot < HANDLES_MAX; slot++)
		if (!handles[slot])
			return slot;
	return -1;
}

unsigned int handles_room(void)
{
	return HANDLES_MAX - handles_open;
}

static struct handle *refuse_open(int fd, int error)
{
	close(fd);
	throw_errno(error);
	return NULL;
}

struct handle *handle_open(int fd, const struct handle_ops *ops, size_t bytes)
{
	struct epoll_event event = { .events = 0 };
	struct handle *handle;
	int slot = free_slot();

	if (slot < 0)
		return refuse_open(fd, EMFILE);
	handle = calloc(1, bytes);
	if (!handle)
		return refuse_open(fd, ENOMEM);
	event.data.u32 = next_id[slot];
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) {
		int error = errno;

		free(handle);
		return refuse_open(fd, error);
	}
	handle->ops = ops;
	handle->fd = fd;
	handle->id = next_id[slot];
	next_id[slot] = handle->id > ID_MAX - ID_TURN ? (uint32_t)slot + ID_TURN : handle->id + ID_TURN;
	handles[slot] = handle;
	handles_open++;
	return handle;
}

void handle_wait(struct handle *handle, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.u32 = handle->id };

	if (handle->is_closed || handle->interest == events)
		return;
	epoll_ctl(epoll, EPOLL_CTL_MOD, handle->fd, &event);
	handle->interest = events;
}

void handle_close(struct handle *handle)
{
	if (handle->is_closed)
		return;
	handle->is_closed = true;
	/* A child may hold a copy of the descriptor, which alone would leave it in the epoll. */
	epoll_ctl(epoll, EPOLL_CTL_DEL, handle->fd, NULL);
	close(handle->fd);
	handles[handle->id % ID_TURN] = NULL;
	handles_open--;
	handle->next_dead = dead;
	dead = handle;
}

static void bury(void)
{
	while (dead) {
		struct handle *handle = dead;

		dead = handle->next_dead;
		handle->ops->release(handle);
		free(handle);
	}
}

static struct handle *handle_at(uint32_t id)
{
	struct handle *handle = handles[id % ID_TURN];

	return handle && handle->id == id ? handle : NULL;
}

bool arg_handle(JSValueConst value, const struct handle_ops *ops, struct handle **out)
{
	int64_t id;

	if (!arg_int(value, 0, INT32_MAX, &id))
		return false;
	*out = handle_at(id);
	if (*out && (*out)->ops != ops)
		*out = NULL;
	return true;
}

JSValue arg_close(JSValueConst value, const struct handle_ops *ops)
{
	struct handle *handle;

	if (!arg_handle(value, ops, &handle))
		return JS_EXCEPTION;
	if (handle)
		handle_close(handle);
	return JS_UNDEFINED;
}

/* What the engine freed lies between what it holds: glibc returns it only when it is told to. */
static void trim(double now_ms)
{
	static double last_ms = -TRIM_MS + TRIM_FIRST_MS;

	if (now_ms - last_ms < TRIM_MS)
		return;
	last_ms = now_ms;
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

void loop_run(void)
{
	struct epoll_event events[EVENTS_AT_ONCE];

	while (!is_done) {
		int wait, count;

		bury();
		wait = timers_wait_ms(loop_now_ms());
		/* Nothing can happen any more. */
		if (wait < 0 && !handles_open)
			break;
		trim(loop_now_ms());
		count = epoll_wait(epoll, events, EVENTS_AT_ONCE, wait);
		for (int i = 0; i < count && !is_done; i++) {
			struct handle *handle = handle_at(events[i].data.u32);

			if (handle)
				handle->ops->ready(handle, events[i].events);
		}
		if (!is_done)
			timers_run(loop_now_ms());
	}
}

void loop_stop(void)
{
	is_done = true;
	for (int slot = 0; slot < HANDLES_MAX; slot++)
		if (handles[slot])
			handle_close(handles[slot]);
	bury();
	close(epoll);
}

/* host.now(): monotonic milliseconds, with fractions. */
static JSValue js_now(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	(void)self, (void)argc, (void)argv;
	return JS_NewFloat64(context, loop_now_ms());
}

/* host.wall(): seconds since 1970. */
static JSValue js_wall(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	(void)self, (void)argc, (void)argv;
	return JS_NewInt64(context, time(NULL));
}

void loop_define(JSValueConst host)
{
	host_define(host, "now", js_now, 0);
	host_define(host, "wall", js_wall, 0);
}
