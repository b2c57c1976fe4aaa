// SPDX-License-Identifier: MIT
/*
 * A client that roams from one access point to its neighbour while a server sends to it, and tells when each flow's
 * packets reach it. Commands come on stdin, one a line, each answered by one line on stdout:
 *
 *   takeover FLOWS FIRST TIMEOUT_MS [SOCKET COMMAND]
 *       -> ns passed denied retried again: from the client's first frame at the neighbour until a packet of each flow has
 *          passed there, flows that did, packets that did not, ns until the last time that any had to be sent again (0: none
 *          ever); then the first once more, which is what sending alone takes
 *   roam FLOWS FIRST PERIOD_MS BEFORE_MS AFTER_MS [SOCKET COMMAND]
 *       -> kept gap_us gap_before_us sent passed: each flow sends every PERIOD_MS, over the first access point, then over
 *          the other; the gap is the longest between two packets of one flow; kept flows pass in the last second
 *
 * Packets go towards the client: no filter lets them open a flow, so what passes passes by state that came from the
 * first access point. Only the client's first frame at the neighbour goes the other way, on a flow of its own.
 * SOCKET: a unix stream that is sent COMMAND, an int, at that very moment: how conntrackd is told to commit.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/resource.h>
#include <sys/un.h>

#include "ends.h"

#define FLOWS_MAX 32768
#define SIDES 2
#define BATCH 32
#define RECEIVE_BYTES (64 << 20)
/* a flow that nobody measures */
#define ARRIVAL_FLOW (PORTS_PER_ADDRESS * 100u)
/* Rejected packets are asked for again after this long at most, and no sooner than all others were. */
#define RETRY_NS 1000000
#define NS_PER_MS 1000000LL

struct side {
	struct end client, server;
	int received;
};

static struct side sides[SIDES];
static long long first_ns[FLOWS_MAX], last_ns[FLOWS_MAX], gap_ns[FLOWS_MAX];
static unsigned int flows, first;
static long long passed_count, sent_count;

static int receiver_open(const struct end *e)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP) };
	int bytes = RECEIVE_BYTES, fd;

	namespace_enter(e->namespace);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	at.sll_ifindex = if_nametoindex(e->interface);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)))
		die(e->interface);
	return fd;
}

static void flow_passed(unsigned int flow, long long now)
{
	long long gap = now - last_ns[flow];

	passed_count++;
	if (!first_ns[flow])
		first_ns[flow] = now;
	else if (gap > gap_ns[flow])
		gap_ns[flow] = gap;
	last_ns[flow] = now;
}

static void side_drain(const struct side *s)
{
	unsigned char frame[FRAME_BYTES];
	const struct udphdr *udp = (void *)(frame + sizeof(struct ethhdr) + sizeof(struct iphdr));
	const struct iphdr *ip = (void *)(frame + sizeof(struct ethhdr));

	while (recv(s->received, frame, sizeof(frame), 0) == FRAME_BYTES) {
		unsigned int flow;

		if (ip->protocol != IPPROTO_UDP || ip->daddr != s->client.address.s_addr)
			continue;
		flow = (ntohs(udp->source) - FIRST_PEER_PORT) * PORTS_PER_ADDRESS + ntohs(udp->dest) - FIRST_CLIENT_PORT;
		if (flow - first < flows)
			flow_passed(flow - first, clock_now_ns());
	}
}

static void flow_send(struct side *s, unsigned int flow, int up)
{
	struct end *from = up ? &s->client : &s->server, *to = up ? &s->server : &s->client;
	unsigned char frame[FRAME_BYTES];

	frame_write(frame, from, to);
	frame_set_flow(frame, flow, up);
	if (sendto(from->socket, frame, FRAME_BYTES, 0, (struct sockaddr *)&from->to, sizeof(from->to)) < 0 &&
	    errno != ENOBUFS)
		die("send");
}

/* A commit takes its time: nobody waits for the answer. */
static int commit_tell(const char *path, int command)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd;

	if (!*path)
		return -1;
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) ||
	    send(fd, &command, sizeof(command), 0) != sizeof(command))
		die(path);
	return fd;
}

static int arrive(const char *path, int command)
{
	flow_send(&sides[1], ARRIVAL_FLOW, 1);
	return commit_tell(path, command);
}

static void flows_forget(unsigned int count, unsigned int from)
{
	flows = count < FLOWS_MAX ? count : FLOWS_MAX;
	first = from;
	for (int i = 0; i < SIDES; i++)
		side_drain(&sides[i]);
	passed_count = sent_count = 0;
	memset(first_ns, 0, sizeof(first_ns));
	memset(last_ns, 0, sizeof(last_ns));
	memset(gap_ns, 0, sizeof(gap_ns));
}

static unsigned int flows_passed(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < flows; i++)
		n += first_ns[i] != 0;
	return n;
}

/* One packet of each flow that none has passed of. */
static void missing_send(void)
{
	static unsigned char frames[BATCH][FRAME_BYTES];
	struct side *s = &sides[1];
	struct mmsghdr messages[BATCH];
	struct iovec vectors[BATCH];
	unsigned int i = 0;

	while (i < flows) {
		int n = 0;

		for (; i < flows && n < BATCH; i++) {
			if (first_ns[i])
				continue;
			frame_write(frames[n], &s->server, &s->client);
			frame_set_flow(frames[n], first + i, 0);
			vectors[n] = (struct iovec){ frames[n], FRAME_BYTES };
			messages[n] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &vectors[n], .msg_iovlen = 1 } };
			n++;
		}
		sent_count += n;
		if (n && sendmmsg(s->server.socket, messages, n, 0) < 0 && errno != ENOBUFS)
			die("sendmmsg");
		side_drain(s);
	}
}

/* Sends until all have passed, or it is late; returns when the last flow's first packet did. `again`: the last repetition. */
static long long all_await(long long deadline, long long *again)
{
	long long last = 0, round = 0;
	unsigned int i;

	while (flows_passed() < flows && clock_now_ns() < deadline) {
		if (round)
			*again = clock_now_ns();
		round = clock_now_ns();
		missing_send();
		if (clock_now_ns() - round < RETRY_NS)
			usleep(RETRY_NS / 1000);
		side_drain(&sides[1]);
	}
	for (i = 0; i < flows; i++)
		if (first_ns[i] > last)
			last = first_ns[i];
	return last;
}

static void takeover_run(long long timeout_ms, const char *path, int command)
{
	long long start = clock_now_ns(), retried = start, took, again;
	int told = arrive(path, command);
	long long denied;
	unsigned int passed;

	took = all_await(start + timeout_ms * NS_PER_MS, &retried) - start;
	passed = flows_passed();
	denied = sent_count - passed_count;
	flows_forget(flows, first);
	again = clock_now_ns();
	again = all_await(again + timeout_ms * NS_PER_MS, &(long long){ 0 }) - again;
	if (told >= 0)
		close(told);
	printf("%lld %u %lld %lld %lld\n", took, passed, denied, retried - start, again);
}

static long long gap_longest(void)
{
	long long longest = 0;
	unsigned int i;

	for (i = 0; i < flows; i++)
		if (gap_ns[i] > longest)
			longest = gap_ns[i];
	return longest;
}

/* Flows send one after the other, spread over the period, from `start` to `end`; returns how many packets. */
static long long period_run(struct side *s, long long start, long long end, long long step_ns, long long sent)
{
	struct pollfd polled[SIDES] = { { sides[0].received, POLLIN, 0 }, { sides[1].received, POLLIN, 0 } };
	struct timespec wait = { 0, 50000 };
	long long begun = sent, now;

	while ((now = clock_now_ns()) < end) {
		for (; start + (sent - begun) * step_ns <= now; sent++)
			flow_send(s, first + sent % flows, 0);
		if (ppoll(polled, SIDES, &wait, NULL) > 0)
			for (int i = 0; i < SIDES; i++)
				side_drain(&sides[i]);
	}
	return sent;
}

static void roam_run(long long period_ms, long long before_ms, long long after_ms, const char *path, int command)
{
	long long step = period_ms * NS_PER_MS / flows, start = clock_now_ns(), moved = start + before_ms * NS_PER_MS;
	long long end = moved + after_ms * NS_PER_MS, sent, before;
	unsigned int i, kept = 0;
	int told;

	sent = period_run(&sides[0], start, moved, step, 0);
	before = gap_longest();
	told = arrive(path, command);
	sent = period_run(&sides[1], clock_now_ns(), end, step, sent);
	for (i = 0; i < flows; i++) {
		if (end - last_ns[i] > gap_ns[i])
			gap_ns[i] = end - last_ns[i];
		kept += last_ns[i] > end - 1000 * NS_PER_MS;
	}
	if (told >= 0)
		close(told);
	printf("%u %lld %lld %lld %lld\n", kept, gap_longest() / 1000, before / 1000, sent, passed_count);
}

static void command_run(const char *line)
{
	unsigned int count, from;
	long long a, b, c;
	char path[108] = "";
	int command = 0;

	if (sscanf(line, "takeover %u %u %lld %107s %d", &count, &from, &a, path, &command) >= 3) {
		flows_forget(count, from);
		takeover_run(a, path, command);
	} else if (sscanf(line, "roam %u %u %lld %lld %lld %107s %d", &count, &from, &a, &b, &c, path, &command) >= 5) {
		flows_forget(count, from);
		roam_run(a, b, c, path, command);
	} else {
		printf("error not a command\n");
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char line[256];
	cpu_set_t cpus;

	if (argc != 6) {
		fprintf(stderr, "usage: roam CPU CLIENT SERVER CLIENT SERVER\n");
		return 2;
	}
	CPU_ZERO(&cpus);
	CPU_SET(atoi(argv[1]), &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		die("sched_setaffinity");
	for (int i = 0; i < SIDES; i++) {
		if (!end_parse(&sides[i].client, argv[2 + 2 * i]) || !end_parse(&sides[i].server, argv[3 + 2 * i]))
			die("not an end");
		end_open(&sides[i].client);
		end_open(&sides[i].server);
		sides[i].received = receiver_open(&sides[i].client);
	}
	setpriority(PRIO_PROCESS, 0, -20);
	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin))
		command_run(line);
	return 0;
}
