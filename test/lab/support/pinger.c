// SPDX-License-Identifier: MIT
/*
 * pinger ADDRESS PERIOD_MS: ICMP echo requests, one after the other.
 *
 * stdin: a line asks for a report. stdout: {"sent":N,"received":N,"longestGapMs":N}, all since the start.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define IPV4_HEADER_BYTES 20

static unsigned long sent, received;
static double last_ms, longest_ms;

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static uint16_t checksum(const void *data, size_t bytes)
{
	const uint16_t *word = data;
	uint32_t sum = 0;

	for (; bytes > 1; bytes -= 2)
		sum += *word++;
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)~(sum + (sum >> 16));
}

static void ask(int fd, const struct sockaddr_in *to, uint16_t id)
{
	struct icmphdr echo = {.type = ICMP_ECHO};

	echo.un.echo.id = id;
	echo.un.echo.sequence = htons((uint16_t)++sent);
	echo.checksum = checksum(&echo, sizeof(echo));
	/* While the client is off the air there may be no way to send: that is a lost ping, no error. */
	sendto(fd, &echo, sizeof(echo), 0, (const struct sockaddr *)to, sizeof(*to));
}

static double silent_ms(void)
{
	double silent = now_ms() - last_ms;

	return silent > longest_ms ? silent : longest_ms;
}

static void hear(int fd, uint16_t id)
{
	unsigned char packet[256];
	ssize_t n = recv(fd, packet, sizeof(packet), 0);
	struct icmphdr echo;

	if (n < IPV4_HEADER_BYTES + (ssize_t)sizeof(echo))
		return;
	memcpy(&echo, packet + IPV4_HEADER_BYTES, sizeof(echo));
	if (echo.type != ICMP_ECHOREPLY || echo.un.echo.id != id)
		return;
	received++;
	longest_ms = silent_ms();
	last_ms = now_ms();
}

/* Returns 0 when the lab is gone. */
static int answer(void)
{
	char line[64];
	ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);

	if (n <= 0)
		return 0;
	printf("{\"sent\":%lu,\"received\":%lu,\"longestGapMs\":%.1f}\n", sent, received, silent_ms());
	fflush(stdout);
	return 1;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	struct pollfd wait[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.events = POLLIN}};
	double period_ms, next_ms = now_ms();
	uint16_t id = (uint16_t)getpid();

	if (argc != 3 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 || (period_ms = atof(argv[2])) <= 0) {
		fprintf(stderr, "usage: pinger ADDRESS PERIOD_MS\n");
		return 2;
	}
	wait[1].fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	if (wait[1].fd < 0) {
		fprintf(stderr, "pinger: %s\n", strerror(errno));
		return 1;
	}
	last_ms = next_ms;
	for (;;) {
		double left_ms = next_ms - now_ms();

		if (left_ms <= 0) {
			ask(wait[1].fd, &to, id);
			next_ms += period_ms;
			continue;
		}
		poll(wait, 2, (int)left_ms + 1);
		if (wait[1].revents & POLLIN)
			hear(wait[1].fd, id);
		if (wait[0].revents && !answer())
			return 0;
	}
}
