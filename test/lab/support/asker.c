// SPDX-License-Identifier: MIT
/*
 * asker serve UDP_PORT TCP_PORT     answers as it is asked to
 * asker race ADDRESS PORT COUNT     each new flow is answered again and again: how long until an answer gets through?
 * asker ask ADDRESS PORT COUNT      each new flow is answered once
 * asker connect ADDRESS PORT COUNT  TCP: open, a line there and back, close; one after the other
 *
 * stdout of all but `serve`: a line a try, in microseconds (race: from the request's arrival at the server until the
 * first answer that came through left it; else: for the client), or `lost`.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RACE_EVERY_NS 50000
#define RACE_FOR_NS 40000000ull
#define UDP_PATIENCE_MS 500
#define TCP_PATIENCE_MS 2500

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static void pause_ns(long ns)
{
	struct timespec span = {.tv_nsec = ns};

	nanosleep(&span, NULL);
}

static int fail(const char *what)
{
	fprintf(stderr, "asker: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* What is forked ends with who forked it. */
static pid_t fork_child(void)
{
	pid_t parent = getpid(), child = fork();

	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(0);
	}
	return child;
}

static void serve_udp(int fd)
{
	for (;;) {
		struct sockaddr_in from;
		socklen_t bytes = sizeof(from);
		uint64_t elapsed = 0, began;
		char request;

		if (recvfrom(fd, &request, 1, 0, (struct sockaddr *)&from, &bytes) != 1)
			continue;
		began = now_ns();
		do {
			elapsed = now_ns() - began;
			sendto(fd, &elapsed, sizeof(elapsed), 0, (struct sockaddr *)&from, bytes);
			pause_ns(RACE_EVERY_NS);
		} while (request == 'r' && elapsed < RACE_FOR_NS);
	}
}

static void serve_tcp(int fd)
{
	for (;;) {
		int one = accept(fd, NULL, NULL);
		char line[64];
		ssize_t n;

		if (one < 0 || fork_child())
			goto next;
		while ((n = read(one, line, sizeof(line))) > 0)
			if (write(one, line, (size_t)n) != n)
				break;
		_exit(0);
	next:
		if (one >= 0)
			close(one);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

static int serve(uint16_t udp_port, uint16_t tcp_port)
{
	struct sockaddr_in udp = {.sin_family = AF_INET, .sin_port = htons(udp_port)}, tcp = udp;
	int datagrams = socket(AF_INET, SOCK_DGRAM, 0), streams = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	tcp.sin_port = htons(tcp_port);
	setsockopt(streams, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(datagrams, (struct sockaddr *)&udp, sizeof(udp)) || bind(streams, (struct sockaddr *)&tcp, sizeof(tcp)) ||
	    listen(streams, 64))
		return fail("serve");
	if (fork_child())
		serve_udp(datagrams);
	serve_tcp(streams);
	return 0;
}

static int heard(int fd, int patience_ms)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	return poll(&wait, 1, patience_ms) == 1;
}

/* Returns microseconds, or a negative number. */
static double try_udp(const struct sockaddr_in *to, char request)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	uint64_t began = now_ns(), elapsed = 0;
	double result = -1;

	if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)) || send(fd, &request, 1, 0) != 1)
		return fail("udp");
	if (heard(fd, UDP_PATIENCE_MS) && recv(fd, &elapsed, sizeof(elapsed), 0) == sizeof(elapsed))
		result = (double)(request == 'r' ? elapsed : now_ns() - began) / 1e3;
	/* the others answers find an open port */
	if (request == 'r')
		pause_ns(RACE_FOR_NS * 2);
	close(fd);
	return result;
}

static double try_tcp(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), error = 0;
	struct pollfd wait = {.fd = fd, .events = POLLOUT};
	socklen_t bytes = sizeof(error);
	uint64_t began = now_ns();
	double result = -1;
	char line[8] = "hello\n";

	if (fd < 0 || (connect(fd, (const struct sockaddr *)to, sizeof(*to)) && errno != EINPROGRESS))
		return fail("tcp");
	if (poll(&wait, 1, TCP_PATIENCE_MS) == 1 && !getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) && !error &&
	    send(fd, line, sizeof(line), MSG_NOSIGNAL) == sizeof(line) && heard(fd, TCP_PATIENCE_MS) &&
	    recv(fd, line, sizeof(line), 0) == sizeof(line) && !shutdown(fd, SHUT_WR) && heard(fd, TCP_PATIENCE_MS) &&
	    recv(fd, line, sizeof(line), 0) == 0)
		result = (double)(now_ns() - began) / 1e3;
	close(fd);
	return result;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET};

	if (argc == 4 && !strcmp(argv[1], "serve"))
		return serve((uint16_t)atoi(argv[2]), (uint16_t)atoi(argv[3]));
	if (argc != 5 || inet_pton(AF_INET, argv[2], &to.sin_addr) != 1) {
		fprintf(stderr, "usage: asker serve UDP_PORT TCP_PORT | asker race|ask|connect ADDRESS PORT COUNT\n");
		return 2;
	}
	to.sin_port = htons((uint16_t)atoi(argv[3]));
	for (int left = atoi(argv[4]); left > 0; left--) {
		double us = !strcmp(argv[1], "connect") ? try_tcp(&to) : try_udp(&to, argv[1][0]);

		if (us < 0)
			puts("lost");
		else
			printf("%.0f\n", us);
	}
	return 0;
}
