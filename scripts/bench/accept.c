// SPDX-License-Identifier: MIT
/*
 * What a queue costs by itself: takes every packet of a netfilter queue and accepts it, as the library's own example
 * does, with what it offers for speed (a large buffer, few bytes copied, segments whole). Says `ready`, then runs.
 *
 *   accept QUEUE
 */
#include <arpa/inet.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define COPIED_BYTES 128
#define QUEUE_PACKETS 4096
#define SOCKET_BYTES (4 << 20)

static int accept_packet(struct nfq_q_handle *queue, struct nfgenmsg *message, struct nfq_data *data, void *context)
{
	struct nfqnl_msg_packet_hdr *header = nfq_get_msg_packet_hdr(data);

	(void)message, (void)context;
	return header ? nfq_set_verdict(queue, ntohl(header->packet_id), NF_ACCEPT, 0, NULL) : 0;
}

int main(int argc, char **argv)
{
	static char bytes[65536] __attribute__((aligned(8)));
	struct nfq_handle *handle = nfq_open();
	struct nfq_q_handle *queue =
		handle && argc == 2 ? nfq_create_queue(handle, (uint16_t)atoi(argv[1]), accept_packet, NULL) : NULL;
	int room = SOCKET_BYTES;
	ssize_t got;

	if (!queue || nfq_set_mode(queue, NFQNL_COPY_PACKET, COPIED_BYTES) < 0 ||
	    nfq_set_queue_maxlen(queue, QUEUE_PACKETS) < 0 ||
	    nfq_set_queue_flags(queue, NFQA_CFG_F_GSO, NFQA_CFG_F_GSO) < 0) {
		perror("netfilter queue");
		return 1;
	}
	setsockopt(nfq_fd(handle), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	puts("ready");
	fflush(stdout);
	while ((got = recv(nfq_fd(handle), bytes, sizeof(bytes), 0)) >= 0)
		nfq_handle_packet(handle, bytes, (int)got);
	perror("recv");
	return 1;
}
