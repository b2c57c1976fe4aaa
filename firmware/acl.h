/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The access list: is a key of the packet in one of the client's Bloom filters? */
#ifndef ROAMWALL_ACL_H
#define ROAMWALL_ACL_H

#include "packet.h"

/* The environment's; absent things are NULL or 0. A filter word is eight bytes, bit i of it in byte i / 8. */
rw_inline u32 rw_seed(u32 index);
rw_inline const struct rw_filter *rw_filter_lookup(u32 id);
rw_inline const u8 *rw_filter_word(u32 index);
rw_inline u32 rw_zone_lookup(const struct rw_packet *p, u32 generation);
rw_inline u32 rw_service_lookup(u32 port, u32 generation);

#define RW_TEMPLATES_ALL ((1 << RW_TEMPLATES) - 1)
/* What may answer a question that was put to a group: any service, since the answer's port was never named. */
#define RW_TEMPLATES_GROUP_ANSWER (0x3f << (RW_PEER_ZONE * 3))

/* A question to the filters. It lies in memory: the verifier forgets how it came about. */
struct rw_question {
	u32 direction;
	u32 group; /* the peer is a group, whatever its address says */
	u32 generation; /* of zones and services: those that the filters were made for */
	u32 asked; /* templates of any filter */
	u32 peer[3], service[3]; /* words of the keys, by kind */
	u64 key; /* the two hash lanes of one template's key */
	u16 filter[RW_CLIENT_FILTERS];
	u16 mask[RW_CLIENT_FILTERS]; /* templates, by filter */
};

/* Double hashing as the policy compiler does it; bit = g * bits >> 32 spares a division. */
rw_inline int rw_filter_holds(const struct rw_filter *f, u64 key)
{
	u32 g = ((u32)key ^ f->seed) * XXH_1, step = (((u32)(key >> 32) + f->seed) * XXH_2) | 1;
	u64 bit, i;
	const u8 *word;

	rw_rolled for (i = 0; i < RW_FILTER_PROBES_MAX; i++) {
		rw_hide(i);
		if (i >= f->probes)
			break;
		bit = (u64)g * f->bits >> 32;
		word = rw_filter_word(f->base + (u32)(bit >> 6));
		if (!word || !(word[bit >> 3 & 7] >> (bit & 7) & 1))
			return 0;
		g += step;
	}
	return f->probes != 0;
}

/* Two lanes over the key's words: tag, peer, service. An IPv6 address is four words. */
rw_inline u64 rw_acl_key(const struct rw_packet *p, const struct rw_question *q, u32 template)
{
	u32 peer_kind = template / 3, service = q->service[template % 3];
	u32 tag = template | q->direction << 4 | (u32)p->proto << 8;

	if (peer_kind == RW_PEER_ADDRESS && p->family == 6) {
		u32 words[6] = { tag | 1 << 5, p->peer[0], p->peer[1], p->peer[2], p->peer[3], service };

		return (u64)rw_xxh32(words, 6, rw_seed(3), 1) << 32 | rw_xxh32(words, 6, rw_seed(2), 0);
	} else {
		u32 words[3] = { tag, q->peer[peer_kind], service };

		return (u64)rw_xxh32(words, 3, rw_seed(3), 1) << 32 | rw_xxh32(words, 3, rw_seed(2), 0);
	}
}

rw_inline int rw_any_filter_holds(const struct rw_question *q, u32 template)
{
	const struct rw_filter *f;
	u32 todo = 0;
	u64 i;

	rw_unrolled for (i = 0; i < RW_CLIENT_FILTERS; i++)
		todo |= (q->mask[i] >> template & 1) << i;
	rw_rolled for (i = 0; i < RW_CLIENT_FILTERS; i++) {
		rw_hide(i);
		f = rw_filter_lookup(q->filter[rw_lowest(todo) & 3]);
		if (!f)
			return 0;
		if (rw_filter_holds(f, q->key))
			return 1;
		todo &= todo - 1;
		if (!todo)
			return 0;
	}
	return 0;
}

#define RW_TEMPLATES_OF_ZONES (7 << (RW_PEER_ZONE * 3))
#define RW_TEMPLATES_OF_CLASSES (0x49 << RW_SERVICE_CLASS)

/* What the templates need of the packet. A peer without a zone, a port without a class match no template of these. */
rw_inline u32 rw_ask_words(const struct rw_packet *p, struct rw_question *q, u32 templates)
{
	u32 port = p->service[q->direction & 1];

	q->peer[RW_PEER_ADDRESS] = p->peer[0];
	q->peer[RW_PEER_ZONE] = q->peer[RW_PEER_ANY] = 0;
	q->service[RW_SERVICE_PORT] = port;
	q->service[RW_SERVICE_ANY] = 0;
	if (templates & RW_TEMPLATES_OF_ZONES)
		q->peer[RW_PEER_ZONE] = q->group ? RW_ZONE_GROUP : rw_zone_lookup(p, q->generation);
	q->service[RW_SERVICE_CLASS] = rw_service_lookup(port, q->generation);
	rw_forget();
	if (!q->peer[RW_PEER_ZONE])
		templates &= ~RW_TEMPLATES_OF_ZONES;
	if (!q->service[RW_SERVICE_CLASS])
		templates &= ~RW_TEMPLATES_OF_CLASSES;
	return templates;
}

/* Which templates each filter of the client uses in this direction. */
rw_inline void rw_ask(const struct rw_packet *p, struct rw_question *q, const struct rw_client *client, u32 direction,
		      u32 templates)
{
	const struct rw_filter *f;
	u32 i, all = 0;

	q->direction = direction;
	q->generation = client->flags / RW_CLIENT_GENERATION & 1;
	rw_unrolled for (i = 0; i < RW_CLIENT_FILTERS; i++) {
		q->mask[i] = 0;
		q->filter[i] = client->filter[i];
		f = rw_filter_lookup(client->filter[i]);
		if (!f)
			continue;
		q->mask[i] = (direction == RW_DIRECTION_OUT ? f->out : f->in) & templates;
		all |= q->mask[i];
	}
	q->asked = rw_ask_words(p, q, all);
}

/*
 * Each template's key is hashed once and looked for in every filter that uses it; the commonest first: by zone, for
 * any peer, by address; by class, by port, for any service. Unrolled: where one instruction is reached by many loops'
 * turns, the verifier forgets what it has seen and walks again.
 */
rw_inline int rw_acl_allows(const struct rw_packet *p, struct rw_question *q)
{
	static const u32 order[RW_TEMPLATES] = { 4, 3, 5, 7, 6, 8, 1, 0, 2 };
	u32 turn;

	rw_unrolled for (turn = 0; turn < RW_TEMPLATES; turn++) {
		if (!(q->asked >> order[turn] & 1))
			continue;
		q->key = rw_acl_key(p, q, order[turn]);
		rw_forget();
		if (rw_any_filter_holds(q, order[turn]))
			return 1;
	}
	return 0;
}

#endif
