// SPDX-License-Identifier: MIT
/* The stream to the agent: one at a time, records of stream-records.ts both ways. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent.h"

#define IN_READ_BYTES (1 << 16)
#define COMMAND_LEAST_MAX_BYTES (2 << 20)

static int listen_fd = -1, agent_fd = -1;
static struct buffer in;
static size_t discard_bytes;
/* what the loop waits for on agent_fd */
static uint32_t interest;

static void agent_ready(uint32_t events);

bool agent_connected(void)
{
	return agent_fd >= 0;
}

static void agent_close(const char *why)
{
	say("agent: %s", why);
	loop_remove(agent_fd);
	close(agent_fd);
	agent_fd = -1;
	in.start = in.end = 0;
	discard_bytes = 0;
	records_forget();
	answers_forget();
}

static size_t command_most_bytes(void)
{
	size_t filter = settings.filter_words * 8ull + 64;

	return filter > COMMAND_LEAST_MAX_BYTES ? filter : COMMAND_LEAST_MAX_BYTES;
}

static bool in_discard(void)
{
	size_t bytes = buffer_bytes(&in) < discard_bytes ? buffer_bytes(&in) : discard_bytes;

	discard_bytes -= bytes;
	buffer_take(&in, bytes);
	return !discard_bytes;
}

static bool in_waits(void)
{
	return answers_owed() || !records_room();
}

/* Returns false when there is no whole command, or none may run now. */
static bool in_run_one(void)
{
	struct rw_stream_header header;

	if (in_waits() || !in_discard() || buffer_bytes(&in) < sizeof(header))
		return false;
	memcpy(&header, in.data + in.start, sizeof(header));
	if (header.bytes < sizeof(header)) {
		agent_close("a record shorter than its header: closed");
		return false;
	}
	if (header.bytes > command_most_bytes()) {
		char text[96];

		snprintf(text, sizeof(text), "%u bytes: accepted are %zu", header.bytes, command_most_bytes());
		records_refuse(header.kind, text);
		discard_bytes = header.bytes;
		return true;
	}
	if (buffer_bytes(&in) < header.bytes)
		return false;
	command_run(header.kind, in.data + in.start + sizeof(header), header.bytes - sizeof(header));
	buffer_take(&in, header.bytes);
	return true;
}

static void out_write(void)
{
	while (agent_fd >= 0 && buffer_bytes(&out)) {
		ssize_t sent = send(agent_fd, out.data + out.start, buffer_bytes(&out), MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno != EAGAIN)
			agent_close("gone");
		if (sent < 0)
			return;
		buffer_take(&out, (size_t)sent);
	}
}

/* Runs what can be run, and says when it wants to be called again. */
uint64_t agent_run(uint64_t now)
{
	uint64_t next = NEVER;
	uint32_t want;

	if (agent_fd < 0)
		return NEVER;
	do {
		answers_run();
		while (agent_fd >= 0 && in_run_one())
			;
		out_write();
	} while (agent_fd >= 0 && answers_owed() && records_room());
	if (agent_fd < 0)
		return NEVER;
	next = sweep_flush(now, records_room, cells_report);
	cells_send();
	records_tell_lost();
	out_write();
	want = (in_waits() ? 0 : EPOLLIN) | (buffer_bytes(&out) ? EPOLLOUT : 0);
	if (agent_fd >= 0 && want != interest)
		loop_change(agent_fd, agent_ready, want);
	interest = want;
	return next;
}

static void agent_ready(uint32_t events)
{
	ssize_t got;

	if (events & EPOLLOUT)
		out_write();
	if (agent_fd < 0 || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	if (!buffer_reserve(&in, IN_READ_BYTES)) {
		agent_close("out of memory: closed");
		return;
	}
	got = recv(agent_fd, in.data + in.end, IN_READ_BYTES, MSG_DONTWAIT);
	if (got > 0)
		in.end += (size_t)got;
	else if (!got || (errno != EAGAIN && errno != EINTR))
		agent_close("gone");
}

static void agent_refuse(int fd)
{
	static const char text[] = "another agent is connected";
	struct {
		struct rw_stream_header header;
		struct rw_event_refused body;
		char text[sizeof(text) - 1];
	} __attribute__((packed)) record = {
		.header = { .kind = RW_EVENT_REFUSED, .bytes = sizeof(record) },
	};

	memcpy(record.text, text, sizeof(record.text));
	if (send(fd, &record, sizeof(record), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		say("agent: refused a second one unheard");
	close(fd);
}

/* The one before may have died in this very moment. */
static bool agent_alive(void)
{
	char byte;

	return agent_fd >= 0 && recv(agent_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0;
}

static void agent_accept(uint32_t events)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0)
		return;
	if (agent_alive()) {
		agent_refuse(fd);
		return;
	}
	if (agent_fd >= 0)
		agent_close("gone");
	agent_fd = fd;
	interest = EPOLLIN;
	if (loop_add(fd, agent_ready)) {
		close(fd);
		agent_fd = -1;
		return;
	}
	say("agent: connected");
	agent_send_hello();
	agent_send_about();
	ports_report();
	sweep_reader_came();
}

static void socket_make_parent(void)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *slash;

	snprintf(path, sizeof(path), "%s", settings.socket);
	slash = strrchr(path, '/');
	if (!slash || slash == path)
		return;
	*slash = 0;
	if (mkdir(path, 0755) && errno != EEXIST)
		die(EXIT_RUNTIME, "--socket %s: %s: %s", settings.socket, path, strerror(errno));
}

/* Whoever finds the socket may connect at once: it gets its name when it listens. */
void agent_start(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(settings.socket) + sizeof(".new") > sizeof(address.sun_path))
		die(EXIT_USAGE, "--socket %s: accepted are at most %zu characters", settings.socket,
		    sizeof(address.sun_path) - sizeof(".new"));
	socket_make_parent();
	arena_pick_up();
	strcpy(address.sun_path, settings.socket);
	listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listen_fd >= 0 && !connect(listen_fd, (struct sockaddr *)&address, sizeof(address)))
		die(EXIT_RUNTIME, "--socket %s: another roamwalld serves it", settings.socket);
	strcat(address.sun_path, ".new");
	unlink(address.sun_path);
	umask(077);
	if (listen_fd < 0 || bind(listen_fd, (struct sockaddr *)&address, sizeof(address)) || listen(listen_fd, 4) ||
	    rename(address.sun_path, settings.socket) || loop_add(listen_fd, agent_accept))
		die(EXIT_RUNTIME, "--socket %s: %s", settings.socket, strerror(errno));
}

void agent_stop(void)
{
	unlink(settings.socket);
}