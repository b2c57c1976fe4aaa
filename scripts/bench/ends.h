/* SPDX-License-Identifier: MIT */
/*
 * The two ends of a path through an access point, and the UDP frames that run between hosts that do not exist: the
 * receiver counts them and drops them as somebody else's, which costs next to nothing.
 */
#ifndef BENCH_ENDS_H
#define BENCH_ENDS_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_BYTES 60
#define PORTS_PER_ADDRESS 60000
#define FIRST_CLIENT_PORT 1024
#define FIRST_PEER_PORT 20000

/* One end of a path: what a burst needs to send from here, and the counter of what arrived here. */
struct end {
	char namespace[64];
	char interface[IFNAMSIZ];
	/* of the host that bursts stand for */
	unsigned char mac[ETH_ALEN];
	unsigned char router_mac[ETH_ALEN];
	struct in_addr address;
	struct sockaddr_ll to;
	int socket;
	int counters;
};

static void die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	exit(1);
}

static long long clock_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void namespace_enter(const char *name)
{
	char file[128];
	int fd;

	snprintf(file, sizeof(file), "/run/netns/%s", name);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die(file);
	close(fd);
}

static void end_open(struct end *e)
{
	int one = 1;

	namespace_enter(e->namespace);
	e->socket = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (e->socket < 0)
		die("packet socket");
	e->to = (struct sockaddr_ll){ .sll_family = AF_PACKET, .sll_halen = ETH_ALEN };
	e->to.sll_ifindex = if_nametoindex(e->interface);
	if (!e->to.sll_ifindex)
		die(e->interface);
	if (setsockopt(e->socket, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)))
		die("PACKET_QDISC_BYPASS");
	/* protocol 0: it sends, and gets no copies of what arrives */
	if (bind(e->socket, (struct sockaddr *)&e->to, sizeof(e->to)))
		die("bind");
	/* opened here, it shows this namespace for as long as it is open */
	e->counters = open("/proc/thread-self/net/dev", O_RDONLY | O_CLOEXEC);
	if (e->counters < 0)
		die("/proc/thread-self/net/dev");
}

static unsigned short checksum_of(const void *data, int bytes)
{
	const unsigned short *word = data;
	unsigned int sum = 0;

	for (; bytes > 0; bytes -= 2)
		sum += *word++;
	sum = (sum >> 16) + (sum & 0xffff);
	return ~(sum + (sum >> 16));
}

static void frame_write(unsigned char *frame, const struct end *from, const struct end *to)
{
	struct ethhdr *eth = (void *)frame;
	struct iphdr *ip = (void *)(frame + sizeof(*eth));
	struct udphdr *udp = (void *)(ip + 1);

	memset(frame, 0, FRAME_BYTES);
	memcpy(eth->h_dest, from->router_mac, ETH_ALEN);
	memcpy(eth->h_source, from->mac, ETH_ALEN);
	eth->h_proto = htons(ETH_P_IP);
	ip->version = 4;
	ip->ihl = 5;
	ip->ttl = 64;
	ip->protocol = IPPROTO_UDP;
	ip->tot_len = htons(FRAME_BYTES - sizeof(*eth));
	ip->saddr = from->address.s_addr;
	ip->daddr = to->address.s_addr;
	ip->check = checksum_of(ip, sizeof(*ip));
	udp->len = htons(FRAME_BYTES - sizeof(*eth) - sizeof(*ip));
}

static void frame_set_flow(unsigned char *frame, unsigned int flow, int up)
{
	struct udphdr *udp = (void *)(frame + sizeof(struct ethhdr) + sizeof(struct iphdr));
	unsigned short client = htons(FIRST_CLIENT_PORT + flow % PORTS_PER_ADDRESS);
	unsigned short peer = htons(FIRST_PEER_PORT + flow / PORTS_PER_ADDRESS);

	udp->source = up ? client : peer;
	udp->dest = up ? peer : client;
}

static int mac_parse(unsigned char *mac, const char *text)
{
	return sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) == 6;
}

/* namespace,interface,router MAC,host MAC,host address */
static int end_parse(struct end *e, const char *text)
{
	char router[18], mac[18], address[16];

	return sscanf(text, "%63[^,],%15[^,],%17[^,],%17[^,],%15s", e->namespace, e->interface, router, mac, address) ==
		       5 &&
	       mac_parse(e->router_mac, router) && mac_parse(e->mac, mac) && inet_aton(address, &e->address);
}

#endif
