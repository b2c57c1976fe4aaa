// SPDX-License-Identifier: MIT
/* What rtnetlink knows of the AP itself: its MACs and its addresses. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "datapath.h"
#include "netlink.h"

#define KEYS_MAX 4096

/* The AP's own MACs or addresses as they are now; what is in the table and not here goes. */
struct key_set {
	enum keyed table;
	size_t key_bytes;
	size_t count;
	uint8_t keys[KEYS_MAX][16];
};

static void key_set_add(struct key_set *set, const void *key)
{
	uint32_t one = 1;

	if (set->count == KEYS_MAX)
		return;
	memcpy(set->keys[set->count++], key, set->key_bytes);
	if (keyed_put(set->table, key, &one) && errno == E2BIG)
		say("more MACs or addresses of this machine than its table holds");
}

static bool key_set_has(const struct key_set *set, const void *key)
{
	for (size_t i = 0; i < set->count; i++)
		if (!memcmp(set->keys[i], key, set->key_bytes))
			return true;
	return false;
}

static void key_set_prune(const struct key_set *set)
{
	uint8_t key[16], next[16];
	bool more = !keyed_next(set->table, NULL, next);

	while (more) {
		memcpy(key, next, sizeof(key));
		more = !keyed_next(set->table, key, next);
		if (!key_set_has(set, key))
			keyed_drop(set->table, key);
	}
}

static struct key_set *key_set_begin(enum keyed table, size_t key_bytes)
{
	static struct key_set set;

	set.table = table;
	set.key_bytes = key_bytes;
	set.count = 0;
	return &set;
}

static bool table_has(enum keyed table, const void *key)
{
	uint32_t value;

	return !keyed_get(table, key, &value);
}

/* --- MACs --- */

static struct rw_client_key mac_key(const struct link *link)
{
	struct rw_client_key key = { 0 };

	memcpy(key.mac, link->mac, sizeof(key.mac));
	return key;
}

static void macs_take(struct nlmsghdr *message, void *context)
{
	struct link link = link_read(message);
	struct rw_client_key key;

	if (message->nlmsg_type != RTM_NEWLINK || !link.mac)
		return;
	key = mac_key(&link);
	key_set_add(context, &key);
}

void own_macs_sync(void)
{
	struct key_set *macs = key_set_begin(KEYED_OWN_MACS, sizeof(struct rw_client_key));

	netlink_dump(RTM_GETLINK, macs_take, macs);
	key_set_prune(macs);
}

bool own_mac_known(const struct link *link)
{
	struct rw_client_key key = mac_key(link);

	return table_has(KEYED_OWN_MACS, &key);
}

/* --- addresses --- */

static bool address_read(struct nlmsghdr *message, uint8_t key[16])
{
	struct ifaddrmsg *info = NLMSG_DATA(message);
	size_t want = info->ifa_family == AF_INET ? 4 : 16;
	int bytes = (int)IFA_PAYLOAD(message);
	bool found = false;

	memset(key, 0, 10);
	key[10] = key[11] = 0xff;
	for (struct rtattr *a = IFA_RTA(info); RTA_OK(a, bytes); a = RTA_NEXT(a, bytes)) {
		/* the local end of a point-to-point link; elsewhere IFA_ADDRESS is the same, or all there is */
		if (RTA_PAYLOAD(a) != want || (a->rta_type != IFA_LOCAL && (a->rta_type != IFA_ADDRESS || found)))
			continue;
		memcpy(key + 16 - want, RTA_DATA(a), want);
		found = true;
	}
	return found;
}

static void addresses_take(struct nlmsghdr *message, void *context)
{
	uint8_t key[16];

	if (message->nlmsg_type == RTM_NEWADDR && address_read(message, key))
		key_set_add(context, key);
}

void own_addresses_sync(void)
{
	struct key_set *addresses = key_set_begin(KEYED_LOCAL_ADDRS, 16);

	netlink_dump(RTM_GETADDR, addresses_take, addresses);
	key_set_prune(addresses);
}

/* Does this message say anything new? */
bool own_address_changed(struct nlmsghdr *message)
{
	uint8_t key[16];

	return message->nlmsg_type == RTM_DELADDR || !address_read(message, key) || !table_has(KEYED_LOCAL_ADDRS, key);
}
