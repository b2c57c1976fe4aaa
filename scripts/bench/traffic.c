// SPDX-License-Identifier: MIT
/*
 * Traffic for the bench: bursts of UDP frames over a path, and TCP connections that open and close.
 *
 *   client namespace  --  access point (the thing measured)  --  server namespace
 *
 * One process on one core serves every path, so that paths alternate within milliseconds: it opens its sockets in
 * each namespace and keeps them. Commands come on stdin, one a line, each answered by one line on stdout:
 *
 *   burst PATH up|down FLOWS FIRST PACKETS          -> ns sent received
 *   paced PATH up|down FLOWS FIRST PACKETS          -> the same, at most 1024 of them on their way
 *   connects PATH CONNECTIONS RATE BYTES PARALLEL alone|beside   -> ns opened closed failed
 *
 * RATE 0: as fast as they go; BYTES: what the server answers before it closes; alone: nothing else that matters runs
 * on this core, so nothing else gets it; beside: what shares the core has the same right to it.
 *
 * veth carries a frame through the access point in its sender's context: the time of a burst is the time of the
 * whole path. Frames of bursts run between two hosts that do not exist: the receiver counts them and drops them as
 * somebody else's, which costs next to nothing.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "ends.h"

#define PATHS_MAX 8
#define BATCH 32
#define SERVER_PORT 8000
#define SERVER_PORTS 16
#define PARALLEL_MAX 256
#define REPLY_BYTES_MAX 65536

struct path {
	char name[32];
	struct end client, server;
	struct in_addr tcp_server;
	int listeners[SERVER_PORTS];
};

static struct path paths[PATHS_MAX];
static int path_count;

/*
 * A preempted burst measures somebody else, so bursts run as real-time; where the kernel refuses that, a high
 * priority has to do.
 */
static void priority_raise(int on)
{
	struct sched_param p = { .sched_priority = on ? 1 : 0 };

	if (sched_setscheduler(0, on ? SCHED_FIFO : SCHED_OTHER, &p) && on)
		setpriority(PRIO_PROCESS, 0, -20);
}

/* ---- bursts ---- */

static long long end_received(const struct end *e)
{
	static char text[65536];
	char name[IFNAMSIZ + 2];
	long long packets = 0;
	ssize_t n = pread(e->counters, text, sizeof(text) - 1, 0);
	char *at;

	if (n <= 0)
		die("counters");
	text[n] = 0;
	snprintf(name, sizeof(name), "%s:", e->interface);
	at = strstr(text, name);
	if (!at || sscanf(at + strlen(name), "%*d %lld", &packets) != 1)
		die("counters");
	return packets;
}

static long long burst_send(struct end *from, struct end *to, int up, unsigned int flows, unsigned int first,
			    unsigned int packets)
{
	static unsigned char frames[BATCH][FRAME_BYTES];
	struct mmsghdr messages[BATCH] = { 0 };
	struct iovec vectors[BATCH];
	unsigned int sent = 0, cycle = 0;
	int i, n;

	for (i = 0; i < BATCH; i++) {
		frame_write(frames[i], from, to);
		vectors[i] = (struct iovec){ frames[i], FRAME_BYTES };
		messages[i].msg_hdr.msg_iov = &vectors[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	while (sent < packets) {
		n = packets - sent < BATCH ? packets - sent : BATCH;
		for (i = 0; i < n; i++) {
			frame_set_flow(frames[i], first + cycle, up);
			if (++cycle == flows)
				cycle = 0;
		}
		for (i = 0; i < n;) {
			int done = sendmmsg(from->socket, messages + i, n - i, 0);

			if (done < 0 && errno != ENOBUFS)
				die("sendmmsg");
			i += done < 0 ? 1 : done;
		}
		sent += n;
	}
	return sent;
}

static void burst_run(struct path *p, const char *direction, unsigned int flows, unsigned int first,
		      unsigned int packets)
{
	int up = strcmp(direction, "up") == 0;
	struct end *from = up ? &p->client : &p->server;
	struct end *to = up ? &p->server : &p->client;
	long long before = end_received(to), start, ns;

	priority_raise(1);
	start = clock_now_ns();
	burst_send(from, to, up, flows, first, packets);
	ns = clock_now_ns() - start;
	priority_raise(0);
	printf("%lld %u %lld\n", ns, packets, end_received(to) - before);
}

#define ON_THEIR_WAY 1024
#define PACE 128
/* What has not arrived by then has been lost. */
#define PATIENCE_NS 200000000ll

/* Where somebody else hands the packets on, the sender must wait for them. Returns how many have arrived. */
static long long paced_wait(const struct end *to, long long before, long long wanted)
{
	long long deadline = clock_now_ns() + PATIENCE_NS, arrived;

	while ((arrived = end_received(to) - before) < wanted && clock_now_ns() < deadline)
		usleep(20);
	return arrived;
}

static void paced_run(struct path *p, const char *direction, unsigned int flows, unsigned int first,
		      unsigned int packets)
{
	int up = strcmp(direction, "up") == 0;
	struct end *from = up ? &p->client : &p->server;
	struct end *to = up ? &p->server : &p->client;
	long long before = end_received(to), start, ns, arrived;
	unsigned int sent = 0;

	priority_raise(1);
	start = clock_now_ns();
	while (sent < packets) {
		unsigned int part = packets - sent < PACE ? packets - sent : PACE;

		burst_send(from, to, up, flows, first + (flows > packets ? sent : sent % flows), part);
		sent += part;
		if (sent > ON_THEIR_WAY)
			paced_wait(to, before, sent - ON_THEIR_WAY);
	}
	arrived = paced_wait(to, before, packets);
	ns = clock_now_ns() - start;
	priority_raise(0);
	printf("%lld %u %lld\n", ns, packets, arrived);
}

/* ---- connections ---- */

/* What an epoll entry stands for: a listener, the server's side of a connection, or the client's. */
enum role { LISTENER, SERVER_SIDE, CLIENT_SIDE };

struct connections {
	struct path *path;
	int epoll;
	long long wanted, started, opened, closed, failed;
	long long start_ns, rate;
	int in_flight, parallel, reply_bytes;
};

static unsigned long long entry_of(enum role role, int fd)
{
	return (unsigned long long)role << 32 | (unsigned int)fd;
}

static void connections_watch(struct connections *c, int fd, enum role role, unsigned int events)
{
	struct epoll_event e = { .events = events, .data.u64 = entry_of(role, fd) };

	if (epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &e))
		die("epoll_ctl");
}

static void listeners_open(struct path *p)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int i, one = 1;

	namespace_enter(p->server.namespace);
	at.sin_addr = p->tcp_server;
	for (i = 0; i < SERVER_PORTS; i++) {
		p->listeners[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		setsockopt(p->listeners[i], SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		at.sin_port = htons(SERVER_PORT + i);
		if (bind(p->listeners[i], (struct sockaddr *)&at, sizeof(at)) || listen(p->listeners[i], 1024))
			die("listen");
	}
}

static void connection_start(struct connections *c)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr = c->path->tcp_server };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	to.sin_port = htons(SERVER_PORT + c->started % SERVER_PORTS);
	c->started++;
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) && errno != EINPROGRESS) {
		c->failed++;
		close(fd);
		return;
	}
	c->in_flight++;
	connections_watch(c, fd, CLIENT_SIDE, EPOLLOUT | EPOLLRDHUP);
}

static void client_side_close(struct connections *c, int fd)
{
	close(fd);
	c->in_flight--;
}

/* Without a reply the client closes as soon as it is connected; with one it reads until the server has closed. */
static void client_side_handle(struct connections *c, int fd, unsigned int events)
{
	static char sink[REPLY_BYTES_MAX];
	struct epoll_event want = { .events = EPOLLIN | EPOLLRDHUP, .data.u64 = entry_of(CLIENT_SIDE, fd) };
	ssize_t n;

	if (events & EPOLLERR) {
		c->failed++;
		client_side_close(c, fd);
		return;
	}
	if (events & EPOLLOUT) {
		c->opened++;
		if (!c->reply_bytes)
			client_side_close(c, fd);
		else if (write(fd, "?", 1) != 1 || epoll_ctl(c->epoll, EPOLL_CTL_MOD, fd, &want))
			die("request");
		return;
	}
	while ((n = read(fd, sink, sizeof(sink))) > 0)
		;
	if (n == 0 || errno != EAGAIN)
		client_side_close(c, fd);
}

static void server_side_handle(struct connections *c, int fd)
{
	static char reply[REPLY_BYTES_MAX];
	char request[16];
	ssize_t n = read(fd, request, sizeof(request));

	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0 && write(fd, reply, c->reply_bytes) != c->reply_bytes)
		c->failed++;
	close(fd);
	c->closed++;
}

static void listener_handle(struct connections *c, int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		connections_watch(c, fd, SERVER_SIDE, EPOLLIN | EPOLLRDHUP);
}

static int connections_due(const struct connections *c)
{
	if (c->started >= c->wanted || c->in_flight >= c->parallel)
		return 0;
	return !c->rate || c->started < (clock_now_ns() - c->start_ns) * c->rate / 1000000000LL + 1;
}

static void connections_poll(struct connections *c)
{
	struct epoll_event events[64];
	int i, n = epoll_wait(c->epoll, events, 64, c->rate ? 1 : 100);

	for (i = 0; i < n; i++) {
		int fd = (int)(unsigned int)events[i].data.u64;
		enum role role = events[i].data.u64 >> 32;

		if (role == LISTENER)
			listener_handle(c, fd);
		else if (role == SERVER_SIDE)
			server_side_handle(c, fd);
		else
			client_side_handle(c, fd, events[i].events);
	}
}

static void connections_run(struct path *p, long long wanted, long long rate, int reply_bytes, int parallel, int alone)
{
	struct connections c = { .path = p, .wanted = wanted, .rate = rate, .parallel = parallel };
	long long deadline, ns;
	int i;

	c.reply_bytes = reply_bytes < REPLY_BYTES_MAX ? reply_bytes : REPLY_BYTES_MAX;
	c.epoll = epoll_create1(EPOLL_CLOEXEC);
	for (i = 0; i < SERVER_PORTS; i++)
		connections_watch(&c, p->listeners[i], LISTENER, EPOLLIN);
	namespace_enter(p->client.namespace);
	setpriority(PRIO_PROCESS, 0, -20);
	if (alone)
		priority_raise(1);
	c.start_ns = clock_now_ns();
	deadline = c.start_ns + 30 * 1000000000LL + (rate ? wanted * 1000000000LL / rate : 0);
	while (c.closed + c.failed < wanted && clock_now_ns() < deadline) {
		while (connections_due(&c))
			connection_start(&c);
		connections_poll(&c);
	}
	ns = clock_now_ns() - c.start_ns;
	priority_raise(0);
	setpriority(PRIO_PROCESS, 0, 0);
	close(c.epoll);
	printf("%lld %lld %lld %lld\n", ns, c.opened, c.closed, c.failed);
}

/* ---- commands ---- */

static struct path *path_find(const char *name)
{
	int i;

	for (i = 0; i < path_count; i++)
		if (strcmp(paths[i].name, name) == 0)
			return &paths[i];
	fprintf(stderr, "traffic: no path %s\n", name);
	exit(2);
}

/* name/client end/server end/TCP server */
static void path_open(const char *text)
{
	struct path *p = &paths[path_count++];
	char client[160], server[160], tcp[16];

	if (path_count > PATHS_MAX || sscanf(text, "%31[^/]/%159[^/]/%159[^/]/%15s", p->name, client, server, tcp) != 4 ||
	    !end_parse(&p->client, client) || !end_parse(&p->server, server) || !inet_aton(tcp, &p->tcp_server)) {
		fprintf(stderr, "traffic: not a path: %s\n", text);
		exit(2);
	}
	end_open(&p->client);
	end_open(&p->server);
	listeners_open(p);
}

static void command_run(const char *line)
{
	char name[32], direction[8], beside[8];
	unsigned int flows, first, packets;
	long long wanted, rate;
	int bytes, parallel;

	if (sscanf(line, "burst %31s %7s %u %u %u", name, direction, &flows, &first, &packets) == 5)
		burst_run(path_find(name), direction, flows, first, packets);
	else if (sscanf(line, "paced %31s %7s %u %u %u", name, direction, &flows, &first, &packets) == 5)
		paced_run(path_find(name), direction, flows, first, packets);
	else if (sscanf(line, "connects %31s %lld %lld %d %d %7s", name, &wanted, &rate, &bytes, &parallel, beside) == 6)
		connections_run(path_find(name), wanted, rate, bytes, parallel < PARALLEL_MAX ? parallel : PARALLEL_MAX,
				strcmp(beside, "alone") == 0);
	else
		printf("error not a command\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char line[256];
	cpu_set_t cpus;
	int i;

	if (argc < 3) {
		fprintf(stderr, "usage: traffic CPU PATH...\n");
		return 2;
	}
	CPU_ZERO(&cpus);
	CPU_SET(atoi(argv[1]), &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		die("sched_setaffinity");
	for (i = 2; i < argc; i++)
		path_open(argv[i]);
	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin))
		command_run(line);
	return 0;
}
