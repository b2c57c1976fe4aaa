// SPDX-License-Identifier: MIT
/*
 * inject IFACE MARKER: sends crafted frames and watches for those that came through.
 *
 * stdin:  frames, each after its length (u16, host order).
 * stdout: for each frame that arrives with MARKER in it, the eight bytes after the marker, as they are.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAME_BYTES_MAX 1600
#define LOOKED_AT_BYTES 256
#define ID_BYTES 8

/* A burst of large segments must not push a marked frame out of the queue. */
#define QUEUE_BYTES (16 << 20)

static int open_packet_socket(const char *iface)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(iface),
	};
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), bytes = QUEUE_BYTES;

	if (fd < 0 || !at.sll_ifindex || bind(fd, (struct sockaddr *)&at, sizeof(at)))
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	return fd;
}

static int read_whole(void *to, size_t bytes)
{
	size_t done = 0;

	while (done < bytes) {
		ssize_t n = read(STDIN_FILENO, (char *)to + done, bytes - done);

		if (n <= 0)
			return -1;
		done += (size_t)n;
	}
	return 0;
}

static int send_next(int fd)
{
	unsigned char frame[FRAME_BYTES_MAX];
	uint16_t bytes;

	if (read_whole(&bytes, sizeof(bytes)) || bytes > sizeof(frame) || read_whole(frame, bytes))
		return -1;
	if (send(fd, frame, bytes, 0) != bytes)
		fprintf(stderr, "inject: a frame of %u bytes was not sent: %s\n", bytes, strerror(errno));
	return 0;
}

static void watch_next(int fd, const char *marker)
{
	unsigned char frame[LOOKED_AT_BYTES];
	struct sockaddr_ll from;
	socklen_t from_bytes = sizeof(from);
	ssize_t n = recvfrom(fd, frame, sizeof(frame), 0, (struct sockaddr *)&from, &from_bytes);
	unsigned char *hit;

	if (n <= 0 || from.sll_pkttype == PACKET_OUTGOING)
		return;
	hit = memmem(frame, (size_t)n, marker, strlen(marker));
	if (!hit || hit + strlen(marker) + ID_BYTES > frame + n)
		return;
	if (write(STDOUT_FILENO, hit + strlen(marker), ID_BYTES) != ID_BYTES)
		perror("inject: stdout");
}

int main(int argc, char **argv)
{
	struct pollfd wait[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.events = POLLIN}};

	if (argc != 3) {
		fprintf(stderr, "usage: inject IFACE MARKER\n");
		return 2;
	}
	wait[1].fd = open_packet_socket(argv[1]);
	if (wait[1].fd < 0) {
		fprintf(stderr, "inject: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	while (poll(wait, 2, -1) > 0) {
		if (wait[1].revents & POLLIN)
			watch_next(wait[1].fd, argv[2]);
		if (wait[0].revents && send_next(wait[1].fd))
			return 0;
	}
	return 1;
}
