// SPDX-License-Identifier: MIT
/*
 * slowwire IFACE IFACE MS: carries every frame from one interface to the other, MS milliseconds later. For kernels
 * without netem. Frames keep what is still to be done to them (checksums, segments).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WAITING_MAX 1024
#define FRAME_BYTES_MAX (70 << 10)

struct frame {
	uint64_t due_ns;
	size_t bytes;
	uint8_t *data;
};

/* One direction: all frames wait as long, so they leave in the order in which they came. */
struct line {
	int from, to;
	struct frame waiting[WAITING_MAX];
	unsigned int first, count;
};

static struct line lines[2];
static uint64_t delay_ns;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static int open_interface(const char *name)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(name)};
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at))) {
		fprintf(stderr, "slowwire %s: %s\n", name, strerror(errno));
		exit(1);
	}
	return fd;
}

/* What finds no place is lost, as on any wire. */
static void take(struct line *line)
{
	static uint8_t buffer[FRAME_BYTES_MAX];
	ssize_t bytes = recv(line->from, buffer, sizeof(buffer), MSG_DONTWAIT);
	struct frame *frame = &line->waiting[(line->first + line->count) % WAITING_MAX];

	if (bytes <= (ssize_t)sizeof(struct virtio_net_hdr) || line->count == WAITING_MAX)
		return;
	frame->data = malloc((size_t)bytes);
	if (!frame->data)
		return;
	memcpy(frame->data, buffer, (size_t)bytes);
	frame->bytes = (size_t)bytes;
	frame->due_ns = now_ns() + delay_ns;
	line->count++;
}

/* Returns when the next frame is due; 0: none waits. */
static uint64_t give(struct line *line)
{
	while (line->count) {
		struct frame *frame = &line->waiting[line->first];

		if (frame->due_ns > now_ns())
			return frame->due_ns;
		if (send(line->to, frame->data, frame->bytes, 0) < 0 && errno != ENOBUFS)
			fprintf(stderr, "slowwire: a frame of %zu bytes: %s\n", frame->bytes, strerror(errno));
		free(frame->data);
		line->first = (line->first + 1) % WAITING_MAX;
		line->count--;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct pollfd wait[2];

	if (argc != 4 || atoi(argv[3]) < 0) {
		fprintf(stderr, "usage: slowwire IFACE IFACE MS\n");
		return 2;
	}
	delay_ns = (uint64_t)atoi(argv[3]) * 1000000ull;
	lines[0].from = lines[1].to = open_interface(argv[1]);
	lines[1].from = lines[0].to = open_interface(argv[2]);
	for (;;) {
		uint64_t due = 0;
		struct timespec left = {0};

		for (int i = 0; i < 2; i++) {
			uint64_t next = give(&lines[i]);

			if (next && (!due || next < due))
				due = next;
			wait[i] = (struct pollfd){.fd = lines[i].from, .events = POLLIN};
		}
		if (due > now_ns())
			left.tv_nsec = (long)((due - now_ns()) % 1000000000ull);
		ppoll(wait, 2, due ? &left : NULL, NULL);
		for (int i = 0; i < 2; i++)
			if (wait[i].revents)
				take(&lines[i]);
	}
}
