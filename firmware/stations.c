// SPDX-License-Identifier: MIT
/*
 * Whose MAC an address has. Netfilter names the MAC that a packet came from, not the one that it goes to: at a routed
 * port that is what the kernel's neighbour table says; behind a bridge, or a client that routes, it is whoever was
 * heard with that address. Both tables are bounded; a full one forgets an entry.
 */
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "keyed.h"
#include "netlink.h"
#include "nfqueue.h"

#define STATIONS_MAX 4096
/* An address whose owner was heard so long ago is anybody's. */
#define SILENT_S 60
#define NUD_KNOWN (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP)

struct station_key {
	uint32_t ifindex;
	uint8_t address[16];
};

struct station {
	uint8_t mac[6];
	/* second of the clock, in so many bits; of those that were heard */
	uint16_t heard;
};

static struct rw_keyed *neighbours, *heard;
static uint32_t forget_at;
static int neighbours_fd = -1, ask_fd = -1;

static struct rw_keyed *table_make(void)
{
	struct rw_keyed *t = calloc(1, rw_keyed_bytes(STATIONS_MAX, sizeof(struct station_key), sizeof(struct station)));

	if (!t)
		die(EXIT_RUNTIME, "out of memory");
	rw_keyed_begin(t, STATIONS_MAX, sizeof(struct station_key), sizeof(struct station), settings.seeds[1]);
	return t;
}

static struct station_key key_of(uint32_t ifindex, const uint8_t address[16])
{
	struct station_key key = { .ifindex = ifindex };

	memcpy(key.address, address, sizeof(key.address));
	return key;
}

static void forget_one(struct rw_keyed *t)
{
	struct rw_keyed_entry *entry = rw_keyed_at(t, forget_at++ % t->limit);

	if (entry->used)
		rw_keyed_drop(t, entry->words);
}

static struct station *remember(struct rw_keyed *t, const struct station_key *key, const uint8_t mac[6])
{
	struct station *station;

	while (!(station = rw_keyed_insert(t, key)))
		forget_one(t);
	memcpy(station->mac, mac, sizeof(station->mac));
	return station;
}

/* --- the kernel's neighbours --- */

static bool neighbour_read(struct nlmsghdr *message, struct station_key *key, const uint8_t **mac)
{
	struct ndmsg *info = NLMSG_DATA(message);
	size_t want = info->ndm_family == AF_INET ? 4 : 16;
	int bytes = (int)(message->nlmsg_len - NLMSG_LENGTH(sizeof(*info)));
	bool found = false;

	*key = (struct station_key){ .ifindex = (uint32_t)info->ndm_ifindex };
	key->address[10] = key->address[11] = 0xff;
	*mac = NULL;
	for (struct rtattr *a = (struct rtattr *)((uint8_t *)info + NLMSG_ALIGN(sizeof(*info))); RTA_OK(a, bytes);
	     a = RTA_NEXT(a, bytes)) {
		if (a->rta_type == NDA_DST && RTA_PAYLOAD(a) == want) {
			memcpy(key->address + 16 - want, RTA_DATA(a), want);
			found = true;
		}
		if (a->rta_type == NDA_LLADDR && RTA_PAYLOAD(a) == 6)
			*mac = RTA_DATA(a);
	}
	if (message->nlmsg_type == RTM_DELNEIGH || !(info->ndm_state & NUD_KNOWN))
		*mac = NULL;
	return found && (info->ndm_family == AF_INET || info->ndm_family == AF_INET6);
}

static void neighbour_take(struct nlmsghdr *message, void *context)
{
	struct station_key key;
	struct rw_port port;
	const uint8_t *mac;

	(void)context;
	if (message->nlmsg_type != RTM_NEWNEIGH && message->nlmsg_type != RTM_DELNEIGH)
		return;
	if (!neighbour_read(message, &key, &mac) || keyed_get(KEYED_PORTS, &key.ifindex, &port))
		return;
	if (mac)
		remember(neighbours, &key, mac);
	else
		rw_keyed_drop(neighbours, &key);
}

/* Returns whether there was anything. */
static bool neighbours_read(void)
{
	static char buffer[65536] __attribute__((aligned(8)));
	bool any = false;
	ssize_t got;

	while ((got = recv(neighbours_fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0) {
		int bytes = (int)got;

		for (struct nlmsghdr *m = (struct nlmsghdr *)buffer; NLMSG_OK(m, bytes); m = NLMSG_NEXT(m, bytes))
			neighbour_take(m, NULL);
		any = true;
	}
	if (got < 0 && errno == ENOBUFS) {
		netlink_dump(RTM_GETNEIGH, neighbour_take, NULL);
		any = true;
	}
	return any;
}

static void neighbours_ready(uint32_t events)
{
	(void)events;
	if (neighbours_read())
		queue_retry();
}

/* --- what the queue asks --- */

/* Whoever claims another's address does not get what is meant for him: he would have to be silent for that. */
void stations_learn(uint32_t ifindex, const uint8_t address[16], const uint8_t mac[6])
{
	struct station_key key = key_of(ifindex, address);
	struct station *known = rw_keyed_lookup(heard, &key);
	uint16_t now = (uint16_t)(clock_ns() / NS_PER_S);

	if (!known || (memcmp(known->mac, mac, sizeof(known->mac)) && (uint16_t)(now - known->heard) > SILENT_S))
		known = remember(heard, &key, mac);
	if (!memcmp(known->mac, mac, sizeof(known->mac)))
		known->heard = now;
}

bool stations_find(uint32_t ifindex, const uint8_t address[16], uint8_t mac[6])
{
	struct station_key key = key_of(ifindex, address);
	const struct station *station = rw_keyed_lookup(neighbours, &key);

	if (!station && neighbours_read())
		station = rw_keyed_lookup(neighbours, &key);
	if (!station)
		station = rw_keyed_lookup(heard, &key);
	if (station)
		memcpy(mac, station->mac, sizeof(station->mac));
	return station != NULL;
}

void stations_ask(uint32_t ifindex, const uint8_t address[16])
{
	static struct netlink_batch batch;
	bool v4 = !memcmp(address, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
	struct ndmsg body = {
		.ndm_family = v4 ? AF_INET : AF_INET6,
		.ndm_ifindex = (int)ifindex,
		.ndm_flags = NTF_USE,
	};

	batch_clear(&batch);
	batch_begin(&batch, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &body, sizeof(body));
	batch_bytes(&batch, NDA_DST, address + (v4 ? 12 : 0), v4 ? 4 : 16);
	if (send(ask_fd, batch.bytes, batch.used, MSG_DONTWAIT) < 0)
		say("rtnetlink: %s", strerror(errno));
	/* refusals are nobody's business: the packet waits in vain then */
	recv(ask_fd, batch.bytes, sizeof(batch.bytes), MSG_DONTWAIT);
}

void stations_start(void)
{
	neighbours = table_make();
	heard = table_make();
	neighbours_fd = netlink_open(RTMGRP_NEIGH);
	ask_fd = netlink_open(0);
	if (loop_add(neighbours_fd, neighbours_ready))
		die(EXIT_RUNTIME, "event loop: %s", strerror(errno));
}

/* Only neighbours of ports are kept. A port that comes later brings them by itself: it has none yet. */
void stations_read(void)
{
	netlink_dump(RTM_GETNEIGH, neighbour_take, NULL);
}
