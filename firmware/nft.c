// SPDX-License-Identifier: MIT
/*
 * The rules through nf_tables: a table of our own in each family, made and replaced as a whole. A client port of a
 * bridge is seen by the bridge's table, frame by frame; one that is routed by those of IPv4 and IPv6. No packet is seen
 * twice: what a bridge carries has the bridge as its netdev in IP's tables.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink.h"
#include "nfqueue.h"

#define TABLE "roamwall"
/* Before defragmentation, and before br_netfilter. */
#define BEFORE_ALL (-450)
#define AFTER_ALL 310

static const struct hook {
	const char *chain;
	uint32_t number;
	int32_t priority;
	/* of the netdev that a rule compares */
	uint32_t meta;
} hooks[] = {
	{ "from_clients", NF_INET_PRE_ROUTING, BEFORE_ALL, NFT_META_IIFNAME },
	{ "to_clients", NF_INET_POST_ROUTING, AFTER_ALL, NFT_META_OIFNAME },
};

static const uint8_t families[] = { NFPROTO_BRIDGE, NFPROTO_IPV4, NFPROTO_IPV6 };

static struct nlmsghdr *batch_message(struct netlink_batch *batch, uint16_t type, uint16_t flags, uint8_t family)
{
	struct nfgenmsg body = { .nfgen_family = family, .version = NFNETLINK_V0 };

	if (type == NFNL_MSG_BATCH_BEGIN || type == NFNL_MSG_BATCH_END)
		body.res_id = htons(NFNL_SUBSYS_NFTABLES);
	else
		type |= NFNL_SUBSYS_NFTABLES << 8;
	return batch_begin(batch, type, flags, &body, sizeof(body));
}

static void put_table(struct netlink_batch *batch, uint16_t type, uint16_t flags, uint8_t family)
{
	batch_message(batch, type, flags, family);
	batch_text(batch, NFTA_TABLE_NAME, TABLE);
}

static void put_chain(struct netlink_batch *batch, uint8_t family, const struct hook *hook)
{
	size_t nest;

	batch_message(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE, family);
	batch_text(batch, NFTA_CHAIN_TABLE, TABLE);
	batch_text(batch, NFTA_CHAIN_NAME, hook->chain);
	nest = batch_nest(batch, NFTA_CHAIN_HOOK);
	batch_be32(batch, NFTA_HOOK_HOOKNUM, hook->number);
	batch_be32(batch, NFTA_HOOK_PRIORITY, (uint32_t)hook->priority);
	batch_nest_end(batch, nest);
	batch_be32(batch, NFTA_CHAIN_POLICY, NF_ACCEPT);
	batch_text(batch, NFTA_CHAIN_TYPE, "filter");
}

static size_t expression_begin(struct netlink_batch *batch, const char *name, size_t *data)
{
	size_t element = batch_nest(batch, NFTA_LIST_ELEM);

	batch_text(batch, NFTA_EXPR_NAME, name);
	*data = batch_nest(batch, NFTA_EXPR_DATA);
	return element;
}

static void expression_end(struct netlink_batch *batch, size_t element, size_t data)
{
	batch_nest_end(batch, data);
	batch_nest_end(batch, element);
}

static void put_netdev_is(struct netlink_batch *batch, uint32_t meta, const char name[IFNAMSIZ])
{
	size_t element, data, nest;

	element = expression_begin(batch, "meta", &data);
	batch_be32(batch, NFTA_META_KEY, meta);
	batch_be32(batch, NFTA_META_DREG, NFT_REG_1);
	expression_end(batch, element, data);
	element = expression_begin(batch, "cmp", &data);
	batch_be32(batch, NFTA_CMP_SREG, NFT_REG_1);
	batch_be32(batch, NFTA_CMP_OP, NFT_CMP_EQ);
	nest = batch_nest(batch, NFTA_CMP_DATA);
	batch_bytes(batch, NFTA_DATA_VALUE, name, IFNAMSIZ);
	batch_nest_end(batch, nest);
	expression_end(batch, element, data);
}

static void put_queue(struct netlink_batch *batch)
{
	size_t data, element = expression_begin(batch, "queue", &data);

	batch_be16(batch, NFTA_QUEUE_NUM, settings.queue);
	batch_be16(batch, NFTA_QUEUE_TOTAL, 1);
	batch_be16(batch, NFTA_QUEUE_FLAGS, settings.fail_open ? NFT_QUEUE_FLAG_BYPASS : 0);
	expression_end(batch, element, data);
}

static void put_rule(struct netlink_batch *batch, uint8_t family, const struct hook *hook, const char *port)
{
	size_t nest;

	batch_message(batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, family);
	batch_text(batch, NFTA_RULE_TABLE, TABLE);
	batch_text(batch, NFTA_RULE_CHAIN, hook->chain);
	nest = batch_nest(batch, NFTA_RULE_EXPRESSIONS);
	put_netdev_is(batch, hook->meta, port);
	put_queue(batch);
	batch_nest_end(batch, nest);
}

static void put_rules(struct netlink_batch *batch, uint8_t family)
{
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		put_chain(batch, family, &hooks[i]);
		for (unsigned int port = 0; port < settings.port_count; port++)
			put_rule(batch, family, &hooks[i], settings.ports[port].name);
	}
}

static int batch_run(struct netlink_batch *batch)
{
	batch_message(batch, NFNL_MSG_BATCH_END, 0, AF_UNSPEC);
	return batch_send(batch, NETLINK_NETFILTER);
}

/* One transaction: what was there is replaced, or stays if anything is refused. */
int nft_install(void)
{
	static struct netlink_batch batch;

	batch_clear(&batch);
	batch_message(&batch, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC);
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		put_table(&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, families[i]);
		put_table(&batch, NFT_MSG_DELTABLE, 0, families[i]);
		put_table(&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, families[i]);
		put_rules(&batch, families[i]);
	}
	batch_want_answer(&batch);
	return batch_run(&batch);
}

int nft_remove(void)
{
	static struct netlink_batch batch;
	int error = 0;

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		int one;

		batch_clear(&batch);
		batch_message(&batch, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC);
		put_table(&batch, NFT_MSG_DELTABLE, 0, families[i]);
		batch_want_answer(&batch);
		one = batch_run(&batch);
		if (one && one != -ENOENT && one != -EAFNOSUPPORT && one != -EOPNOTSUPP)
			error = one;
	}
	return error;
}

/* A chain with a hook is used by its rules alone. */
static void count_rules(struct nlmsghdr *message, void *context)
{
	int bytes = (int)message->nlmsg_len - (int)NLMSG_SPACE(sizeof(struct nfgenmsg));
	struct nlattr *attribute = (struct nlattr *)((uint8_t *)message + NLMSG_SPACE(sizeof(struct nfgenmsg)));
	uint32_t uses;

	while (bytes >= NLA_HDRLEN && attribute->nla_len >= NLA_HDRLEN && attribute->nla_len <= bytes) {
		if ((attribute->nla_type & NLA_TYPE_MASK) == NFTA_CHAIN_USE &&
		    attribute->nla_len == NLA_HDRLEN + sizeof(uses)) {
			memcpy(&uses, (uint8_t *)attribute + NLA_HDRLEN, sizeof(uses));
			*(uint32_t *)context = ntohl(uses);
		}
		bytes -= NLA_ALIGN(attribute->nla_len);
		attribute = (struct nlattr *)((uint8_t *)attribute + NLA_ALIGN(attribute->nla_len));
	}
}

/* A table that was flushed keeps its chains. */
static bool chain_leads(uint8_t family, const char *chain)
{
	static struct netlink_batch batch;
	uint32_t rules = 0;

	batch_clear(&batch);
	batch.told = count_rules;
	batch.context = &rules;
	batch_message(&batch, NFT_MSG_GETCHAIN, 0, family);
	batch_text(&batch, NFTA_CHAIN_TABLE, TABLE);
	batch_text(&batch, NFTA_CHAIN_NAME, chain);
	batch_want_answer(&batch);
	return !batch_send(&batch, NETLINK_NETFILTER) && rules >= settings.port_count;
}

bool nft_holds(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(families) * ARRAY_SIZE(hooks); i++)
		if (!chain_leads(families[i / 2], hooks[i % 2].chain))
			return false;
	return true;
}
