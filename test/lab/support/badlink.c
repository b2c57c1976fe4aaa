// SPDX-License-Identifier: MIT
/*
 * badlink SEED IFACE...: a switch for the mesh link that misbehaves on purpose. Interfaces are ports 1, 2, ...; each copy
 * of a UDP frame, from one port to another, has a fate of its own. Other frames (ARP) suffer partitions only.
 *
 * stdin, a command a line; every command but `report` is answered with "ok":
 *     loss P | duplicate P | reorder P | corrupt P     P in thousandths; reordered: held back for up to REORDER_NS
 *     delay MIN MAX                                    milliseconds, each copy its own
 *     cut A B | join A B                               frames from port A to port B; 0: every port
 *     record FILE COUNT                                the next COUNT UDP frames, each after its length (u16, host order)
 *     report                                           counters, as one line of JSON
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORTS_MAX 16
#define FRAME_BYTES_MAX 2048
#define WAITING_MAX 8192
#define QUEUE_BYTES (16 << 20)
#define REORDER_NS 20000000ull
#define MS_NS 1000000ull
#define IPV4_PROTOCOL 23
#define UDP 17
/* Ethernet, IPv4 and UDP: what a corrupted datagram keeps, so that it arrives. */
#define HEADER_BYTES 42

/* A frame as a packet socket with PACKET_VNET_HDR gives it: checksums that are still to be filled in stay so. */
struct frame {
	uint64_t due_ns;
	uint64_t turn;
	int out;
	int bytes;
	unsigned char data[FRAME_BYTES_MAX];
};

static struct {
	unsigned int loss, duplicate, reorder, corrupt;
	uint64_t delay_min_ns, delay_max_ns;
	bool is_cut[PORTS_MAX][PORTS_MAX];
} rules;

static struct {
	unsigned long forwarded, lost, duplicated, reordered, corrupted, delayed, cut, overflowed;
} did;

static int ports[PORTS_MAX], port_count;
static struct frame *waiting[WAITING_MAX];
static int waiting_count;
static uint64_t turn, random_state;
static FILE *record;
static long record_left;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static uint64_t random64(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * 0x2545f4914f6cdd1dull;
}

static uint64_t random_below(uint64_t bound)
{
	return bound ? (random64() >> 11) % bound : 0;
}

static bool happens(unsigned int thousandths)
{
	return random_below(1000) < thousandths;
}

static bool is_before(const struct frame *a, const struct frame *b)
{
	return a->due_ns < b->due_ns || (a->due_ns == b->due_ns && a->turn < b->turn);
}

static void swap(int a, int b)
{
	struct frame *kept = waiting[a];

	waiting[a] = waiting[b];
	waiting[b] = kept;
}

static void push(struct frame *frame)
{
	int at = waiting_count++;

	waiting[at] = frame;
	for (; at > 0 && is_before(waiting[at], waiting[(at - 1) / 2]); at = (at - 1) / 2)
		swap(at, (at - 1) / 2);
}

static struct frame *pop(void)
{
	struct frame *first = waiting[0];
	int at = 0;

	waiting[0] = waiting[--waiting_count];
	for (;;) {
		int least = at, left = 2 * at + 1;

		for (int child = left; child <= left + 1 && child < waiting_count; child++)
			if (is_before(waiting[child], waiting[least]))
				least = child;
		if (least == at)
			return first;
		swap(at, least);
		at = least;
	}
}

static void transmit(int out, const unsigned char *data, int bytes)
{
	if (send(ports[out], data, (size_t)bytes, 0) != bytes)
		fprintf(stderr, "badlink: port %d: %s\n", out + 1, strerror(errno));
	did.forwarded++;
}

static void send_due(void)
{
	uint64_t now = now_ns();

	while (waiting_count && waiting[0]->due_ns <= now) {
		struct frame *frame = pop();

		transmit(frame->out, frame->data, frame->bytes);
		free(frame);
	}
}

static void corrupt(unsigned char *data, int bytes)
{
	int first = (int)sizeof(struct virtio_net_hdr) + HEADER_BYTES;

	if (bytes > first)
		data[first + (int)random_below((uint64_t)(bytes - first))] ^= (unsigned char)(1u << random_below(8));
	did.corrupted++;
}

/* One copy of a UDP frame. */
static void send_copy(int out, const unsigned char *data, int bytes)
{
	uint64_t wait_ns = rules.delay_min_ns + random_below(rules.delay_max_ns - rules.delay_min_ns + 1);
	struct frame *frame;

	if (happens(rules.loss)) {
		did.lost++;
		return;
	}
	if (wait_ns)
		did.delayed++;
	if (happens(rules.reorder)) {
		wait_ns += 1 + random_below(REORDER_NS);
		did.reordered++;
	}
	if (waiting_count == WAITING_MAX || !(frame = malloc(sizeof(*frame)))) {
		did.overflowed++;
		return;
	}
	frame->due_ns = now_ns() + wait_ns;
	frame->turn = turn++;
	frame->out = out;
	frame->bytes = bytes;
	memcpy(frame->data, data, (size_t)bytes);
	if (happens(rules.corrupt))
		corrupt(frame->data, bytes);
	push(frame);
}

static bool is_udp(const unsigned char *frame, int bytes)
{
	return bytes >= HEADER_BYTES && frame[12] == 0x08 && frame[13] == 0x00 && frame[IPV4_PROTOCOL] == UDP;
}

static void keep_record(const unsigned char *frame, int bytes)
{
	uint16_t length = (uint16_t)bytes;

	fwrite(&length, sizeof(length), 1, record);
	fwrite(frame, (size_t)bytes, 1, record);
	if (--record_left == 0) {
		fclose(record);
		record = NULL;
	}
}

static void take_from(int in)
{
	unsigned char data[FRAME_BYTES_MAX];
	struct sockaddr_ll from;
	socklen_t from_bytes = sizeof(from);
	int bytes = (int)recvfrom(ports[in], data, sizeof(data), 0, (struct sockaddr *)&from, &from_bytes);
	int header = (int)sizeof(struct virtio_net_hdr);
	bool udp;

	if (bytes <= header || from.sll_pkttype == PACKET_OUTGOING)
		return;
	udp = is_udp(data + header, bytes - header);
	if (udp && record)
		keep_record(data + header, bytes - header);
	for (int out = 0; out < port_count; out++) {
		if (out == in)
			continue;
		if (rules.is_cut[in][out]) {
			did.cut++;
		} else if (!udp) {
			transmit(out, data, bytes);
		} else {
			send_copy(out, data, bytes);
			if (happens(rules.duplicate)) {
				did.duplicated++;
				send_copy(out, data, bytes);
			}
		}
	}
}

static void set_cut(int from, int to, bool is_cut)
{
	for (int a = 0; a < port_count; a++)
		for (int b = 0; b < port_count; b++)
			if ((from == 0 || from == a + 1) && (to == 0 || to == b + 1))
				rules.is_cut[a][b] = is_cut;
}

static void report(void)
{
	printf("{\"forwarded\":%lu,\"lost\":%lu,\"duplicated\":%lu,\"reordered\":%lu,\"corrupted\":%lu,"
	       "\"delayed\":%lu,\"cut\":%lu,\"overflowed\":%lu}\n",
	       did.forwarded, did.lost, did.duplicated, did.reordered, did.corrupted, did.delayed, did.cut,
	       did.overflowed);
}

static bool set_chance(const char *name, unsigned int thousandths)
{
	const struct {
		const char *name;
		unsigned int *chance;
	} table[] = {
		{"loss", &rules.loss},
		{"duplicate", &rules.duplicate},
		{"reorder", &rules.reorder},
		{"corrupt", &rules.corrupt},
	};

	for (unsigned int i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (!strcmp(name, table[i].name)) {
			*table[i].chance = thousandths;
			return true;
		}
	}
	return false;
}

static void obey(const char *line)
{
	char word[16] = "", path[256];
	unsigned int a = 0, b = 0;
	int numbers = 0;

	if (sscanf(line, "record %255s %ld", path, &record_left) == 2) {
		record = fopen(path, "w");
		puts(record ? "ok" : "error: cannot write there");
		return;
	}
	if (sscanf(line, "%15s", word) == 1)
		numbers = sscanf(line, "%*s %u %u", &a, &b);
	if (!strcmp(word, "report")) {
		report();
	} else if (!strcmp(word, "delay") && numbers == 2 && a <= b) {
		rules.delay_min_ns = a * MS_NS;
		rules.delay_max_ns = b * MS_NS;
		puts("ok");
	} else if ((!strcmp(word, "cut") || !strcmp(word, "join")) && numbers == 2) {
		set_cut((int)a, (int)b, word[0] == 'c');
		puts("ok");
	} else if (numbers == 1 && a <= 1000 && set_chance(word, a)) {
		puts("ok");
	} else {
		printf("error: %s", line);
	}
}

/* Lines may come several at a time or in pieces. False: the lab is gone. */
static bool take_commands(void)
{
	static char text[4096];
	static size_t have;
	ssize_t n = read(STDIN_FILENO, text + have, sizeof(text) - 1 - have);
	char *end;

	if (n <= 0)
		return false;
	have += (size_t)n;
	text[have] = '\0';
	while ((end = strchr(text, '\n'))) {
		*end = '\0';
		obey(text);
		have -= (size_t)(end + 1 - text);
		memmove(text, end + 1, have + 1);
	}
	fflush(stdout);
	return have < sizeof(text) - 1;
}

static int open_port(const char *iface)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(iface),
	};
	struct packet_mreq all = {.mr_ifindex = at.sll_ifindex, .mr_type = PACKET_MR_PROMISC};
	int fd = socket(AF_PACKET, SOCK_RAW, 0), bytes = QUEUE_BYTES, on = 1;

	if (fd < 0 || !at.sll_ifindex || setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)))
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	return fd;
}

static void wait_for_work(struct pollfd *wait)
{
	struct timespec timeout = {0};
	uint64_t now = now_ns(), left_ns;

	if (!waiting_count) {
		ppoll(wait, (nfds_t)port_count + 1, NULL, NULL);
		return;
	}
	left_ns = waiting[0]->due_ns > now ? waiting[0]->due_ns - now : 0;
	timeout.tv_sec = (time_t)(left_ns / 1000000000ull);
	timeout.tv_nsec = (long)(left_ns % 1000000000ull);
	ppoll(wait, (nfds_t)port_count + 1, &timeout, NULL);
}

int main(int argc, char **argv)
{
	struct pollfd wait[PORTS_MAX + 1] = {{.fd = STDIN_FILENO, .events = POLLIN}};

	if (argc < 3 || argc - 2 > PORTS_MAX) {
		fprintf(stderr, "usage: badlink SEED IFACE... (at most %d)\n", PORTS_MAX);
		return 2;
	}
	random_state = strtoull(argv[1], NULL, 10) * 0x9e3779b97f4a7c15ull + 1;
	for (port_count = 0; port_count < argc - 2; port_count++) {
		ports[port_count] = open_port(argv[port_count + 2]);
		if (ports[port_count] < 0) {
			fprintf(stderr, "badlink: %s: %s\n", argv[port_count + 2], strerror(errno));
			return 1;
		}
		wait[port_count + 1] = (struct pollfd){.fd = ports[port_count], .events = POLLIN};
	}
	for (;;) {
		wait_for_work(wait);
		for (int i = 0; i < port_count; i++)
			if (wait[i + 1].revents & POLLIN)
				take_from(i);
		send_due();
		if (wait[0].revents && !take_commands())
			return 0;
	}
}
