// SPDX-License-Identifier: MIT
/* Clocks, words to the log, and the loop that waits for descriptors. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>

#include "roamwalld.h"

#define LOOP_FDS_MAX 1024

uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* The table's clock: goes on while the machine sleeps, since the flows of sleeping clients age too. */
uint64_t boot_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void say_list(const char *format, va_list arguments)
{
	char line[512];

	vsnprintf(line, sizeof(line), format, arguments);
	fprintf(stderr, "roamwalld: %s\n", line);
}

void say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say_list(format, arguments);
	va_end(arguments);
}

void die(enum exit_code code, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say_list(format, arguments);
	va_end(arguments);
	exit(code);
}

/* --- the loop --- */

static void (*loop_handler[LOOP_FDS_MAX])(uint32_t events);
static int loop_fd = -1;
static bool stopping;

int loop_add(int fd, void (*ready)(uint32_t events))
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (fd >= LOOP_FDS_MAX || epoll_ctl(loop_fd, EPOLL_CTL_ADD, fd, &event))
		return -1;
	loop_handler[fd] = ready;
	return 0;
}

void loop_change(int fd, void (*ready)(uint32_t events), uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	loop_handler[fd] = ready;
	epoll_ctl(loop_fd, EPOLL_CTL_MOD, fd, &event);
}

void loop_remove(int fd)
{
	loop_handler[fd] = NULL;
	epoll_ctl(loop_fd, EPOLL_CTL_DEL, fd, NULL);
}

static void loop_stop(uint32_t events)
{
	(void)events;
	stopping = true;
}

void loop_start(void)
{
	sigset_t signals;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	fd = signalfd(-1, &signals, SFD_CLOEXEC);
	loop_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop_fd < 0 || fd < 0 || loop_add(fd, loop_stop))
		die(EXIT_RUNTIME, "event loop: %s", strerror(errno));
}

static int loop_timeout_ms(uint64_t now, uint64_t until)
{
	if (until == NEVER)
		return -1;
	if (until <= now)
		return 0;
	until = (until - now + NS_PER_MS - 1) / NS_PER_MS;
	return until > 3600000 ? 3600000 : (int)until;
}

static uint64_t sooner(uint64_t one, uint64_t other)
{
	return one < other ? one : other;
}

void loop_run(uint64_t (*also)(uint64_t now))
{
	struct epoll_event ready[16];

	while (!stopping) {
		uint64_t now = clock_ns();
		uint64_t until = sooner(sooner(sweep_run(now), agent_run(now)), also ? also(now) : NEVER);
		int count = epoll_wait(loop_fd, ready, ARRAY_SIZE(ready), loop_timeout_ms(clock_ns(), until));

		for (int i = 0; i < count; i++)
			if (loop_handler[ready[i].data.fd])
				loop_handler[ready[i].data.fd](ready[i].events);
	}
}
