// SPDX-License-Identifier: MIT
/*
 * Counts what a mesh link carries, all headers included, and when. Commands come on stdin, one a line, each answered
 * by one line on stdout:
 *
 *   reset   -> ok
 *   read SIDE WHAT   -> packets bytes first last
 *
 * SIDE is `out` (they left here), `in` or `both`; WHAT is `all`, or `udp` for IPv4 datagrams alone: a kernel whose
 * agent is down answers for itself (ARP, ICMP). First and last are CLOCK_MONOTONIC ns, 0 when there was none.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RECEIVE_BYTES (256 << 20)
#define PACKETS_MAX 1000000

struct seen {
	long long ns;
	int bytes;
	int outgoing;
	int udp;
};

static struct seen *seen;
static int seen_count;

static void die(const char *what)
{
	fprintf(stderr, "mesh: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long long clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int mesh_open(const char *namespace, const char *interface)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int one = 1, bytes = RECEIVE_BYTES, fd;
	char file[128];

	snprintf(file, sizeof(file), "/run/netns/%s", namespace);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die(file);
	close(fd);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	at.sll_ifindex = if_nametoindex(interface);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) ||
	    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)))
		die(interface);
	return fd;
}

static int packet_take(int fd)
{
	long long realtime_ahead = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
	struct sockaddr_ll from;
	unsigned char head[24] = { 0 }; /* to the IPv4 header's protocol */
	char control[256];
	struct iovec vector = { head, sizeof(head) };
	struct msghdr m = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &vector, .msg_iovlen = 1 };
	struct cmsghdr *c;
	ssize_t bytes;

	m.msg_control = control;
	m.msg_controllen = sizeof(control);
	bytes = recvmsg(fd, &m, MSG_TRUNC);
	if (bytes < 0)
		return 0;
	if (seen_count == PACKETS_MAX)
		return 1;
	seen[seen_count] = (struct seen){
		.bytes = bytes,
		.outgoing = from.sll_pkttype == PACKET_OUTGOING,
		.udp = head[12] == 0x08 && head[13] == 0x00 && head[23] == IPPROTO_UDP,
	};
	for (c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
			struct timespec t;

			memcpy(&t, CMSG_DATA(c), sizeof(t));
			seen[seen_count].ns = t.tv_sec * 1000000000LL + t.tv_nsec - realtime_ahead;
		}
	seen_count++;
	return 1;
}

static void seen_print(const char *side, int udp_only)
{
	long long bytes = 0, first = 0, last = 0;
	int i, packets = 0;

	for (i = 0; i < seen_count; i++) {
		if ((udp_only && !seen[i].udp) || strcmp(side, seen[i].outgoing ? "in" : "out") == 0)
			continue;
		packets++;
		bytes += seen[i].bytes;
		first = first ? first : seen[i].ns;
		last = seen[i].ns;
	}
	printf("%d %lld %lld %lld\n", packets, bytes, first, last);
}

static void command_run(const char *line)
{
	char side[8], what[8];

	if (strncmp(line, "reset", 5) == 0) {
		seen_count = 0;
		printf("ok\n");
	} else if (sscanf(line, "read %7s %7s", side, what) == 2) {
		seen_print(side, strcmp(what, "udp") == 0);
	} else {
		printf("error not a command\n");
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct pollfd polled[2];
	char line[128];

	if (argc != 3) {
		fprintf(stderr, "usage: mesh NAMESPACE INTERFACE\n");
		return 2;
	}
	seen = calloc(PACKETS_MAX, sizeof(*seen));
	polled[0] = (struct pollfd){ .fd = mesh_open(argv[1], argv[2]), .events = POLLIN };
	polled[1] = (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
	setvbuf(stdin, NULL, _IONBF, 0);
	printf("ready\n");
	fflush(stdout);
	while (poll(polled, 2, -1) >= 0) {
		while (packet_take(polled[0].fd))
			;
		if (!polled[1].revents)
			continue;
		if (!fgets(line, sizeof(line), stdin))
			return 0;
		command_run(line);
	}
	return 1;
}
