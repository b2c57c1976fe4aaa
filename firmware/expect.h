/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Expectations: what was waited for, what a hit teaches, what opening a flow costs. */
#ifndef ROAMWALL_EXPECT_H
#define ROAMWALL_EXPECT_H

#include "acl.h"
#include "dlcbf.h"
#include "packet.h"

/* The environment's; slots without a window have spent it. */
rw_inline struct rw_windows *rw_windows_of(u32 slot);
rw_inline u32 rw_used_by(u32 slot);
rw_inline struct rw_half_open *rw_half_open_of(u32 slot);
rw_inline u8 *rw_opener_row(u32 index);
rw_inline u64 rw_now(const struct rw_ctl *ctl);

#define RW_WINDOW_BITS 30 /* ns: about a second */
#define RW_LOAD_FAIR 205 /* of 256: clients over their share open no more */
#define RW_LOAD_CLOSED 225 /* nobody does */

enum { RW_HIT_NONE, RW_HIT_OWN, RW_HIT_MIRROR };

/* All that is known about one packet. It lies in memory, not on the stack: the verifier forgets how it came about. */
struct rw_sfr {
	struct rw_ring_event event;
	struct rw_packet p; /* the frame lies behind the event: a sample is both, without a copy */
	struct rw_question question;
	struct rw_clock clock;
	struct rw_change change;
	struct rw_scan scan; /* the own table, as it was when the candidate was looked for */
	u64 flow;
	u64 expected[RW_CANDIDATES_MAX];
	u32 from;
	u32 hit_at, hit_timer;
	u32 hit_rank; /* in a mirror, by its source's clock */
	u32 reach; /* what a mirror holds of the expectation that was hit: less is not stored here; 0 = all is */
	u16 slot;
	u8 stage, next_stage;
	u8 reason;
	u8 monitor;
	u8 monitored;
	u8 type;
	u8 forward, reply, group_answer;
	u8 hit;
	u8 list;
	u8 candidate;
	u8 candidates, absent; /* a bit each */
	u8 scanned; /* it was */
	u8 traced; /* somebody watches this client */
	u8 opened; /* the first packet of a flow */
	u8 opener; /* 1 + the side that opens, where what is not answered is limited */
};
_Static_assert(__builtin_offsetof(struct rw_sfr, p.frame) == sizeof(struct rw_ring_event), "a sample is one piece");

rw_inline u32 rw_window_now(const struct rw_ctl *ctl, u32 bits)
{
	return (u32)(rw_now(ctl) >> bits);
}

/* Words of the flow key, client first; their hash in two lanes, the second over the words in reverse order. */
rw_inline u64 rw_flow_of(const struct rw_packet *p, u32 proto, int any_peer, u32 ports)
{
	u32 i, mac1 = p->mac1 | proto << 8 | p->family, keep = any_peer ? 0 : ~0u;
	u32 w4[5], w6[11];

	if (p->family == 4) {
		w4[0] = p->mac0;
		w4[1] = mac1;
		w4[2] = p->client[0];
		w4[3] = p->peer[0] & keep;
		w4[4] = ports;
		return (u64)rw_xxh32(w4, 5, rw_seed(1), 1) << 32 | rw_xxh32(w4, 5, rw_seed(0), 0);
	}
	w6[0] = p->mac0;
	w6[1] = mac1;
	rw_unrolled for (i = 0; i < 4; i++) {
		w6[2 + i] = p->client[i];
		w6[6 + i] = p->peer[i] & keep;
	}
	w6[10] = ports;
	return (u64)rw_xxh32(w6, 11, rw_seed(1), 1) << 32 | rw_xxh32(w6, 11, rw_seed(0), 0);
}

/* A question to a group names no peer: any host may answer. Its fragments follow it. */
rw_inline int rw_asks_group(const struct rw_packet *p)
{
	return p->group && p->direction == RW_SIDE_CLIENT &&
	       (p->class == RW_CLASS_UDP || (p->class == RW_CLASS_TAIL && p->proto == 17));
}

rw_inline u32 rw_ports_of(const struct rw_packet *p)
{
	return (u32)p->client_port << 16 | p->peer_port;
}

/* State and side of an expectation reference, for a packet of this direction. */
rw_inline u32 rw_state_side(u32 ref, u32 direction)
{
	u32 rule = ref & 3;

	return ref >> 2 << 1 | (((rule - 1) ^ direction) & (rule | rule >> 1) & 1);
}

rw_inline u64 rw_expected(const struct rw_sfr *s, u64 flow, u32 ref)
{
	return rw_fingerprint(flow, rw_state_side(ref, s->p.direction), &rw_shape);
}

/* The own table, then the mirrors of those neighbours the client may come from. */
rw_inline int rw_look(struct rw_sfr *s, const struct rw_ctl *ctl, u64 x, struct rw_scan *kept)
{
	struct rw_clock clock;
	struct rw_hit hit = {};
	u32 k, ticks, from = s->from & ((1 << RW_MIRRORS_MAX) - 1);
	int found;
	u64 i;

	if (rw_find(x, &s->clock, RW_OWN_TABLE, &hit, kept) > 0) {
		s->hit_at = hit.coordinate;
		s->hit_timer = hit.timer;
		return RW_HIT_OWN;
	}
	rw_rolled for (i = 0; i < RW_MIRRORS_MAX; i++) {
		rw_hide(i);
		if (!from)
			return RW_HIT_NONE;
		k = rw_lowest(from) & (RW_MIRRORS_MAX - 1);
		from &= from - 1;
		ticks = ctl->mirror_ticks[k];
		clock = rw_clock_at(ticks & 0xff, ticks >> 8 & 0xff);
		found = rw_find(x, &clock, k, &hit, 0);
		if (found)
			break;
	}
	/* Behind a mirror that is not there, none is. */
	s->hit_timer = hit.timer;
	s->hit_rank = rw_rank(&clock, hit.timer);
	return i < RW_MIRRORS_MAX && found > 0 ? RW_HIT_MIRROR : RW_HIT_NONE;
}

/*
 * The way of nearly all packets: the first candidate lives in the own table and stands at its full timer. What was
 * found, or found to be absent (s->absent), is not looked for again.
 */
rw_inline int rw_is_settled(struct rw_sfr *s, const struct rw_packet_type *type)
{
	const struct rw_candidate *c = &type->candidate[0];
	struct rw_hit hit = {};
	int found;

	s->absent = s->scanned = s->candidate = 0;
	s->hit = RW_HIT_NONE;
	if (!(c->flags & RW_CAND_FULL_DONE) || c->flags & RW_CAND_NEEDS_REPLY || s->group_answer)
		return 0;
	found = rw_find(rw_expected(s, s->flow, c->ref), &s->clock, RW_OWN_TABLE, &hit, 0);
	if (found > 0 && rw_rank(&s->clock, hit.timer) == c->full)
		return 1;
	if (found <= 0) {
		s->absent = !s->from;
		return 0;
	}
	s->hit = RW_HIT_OWN;
	s->hit_at = hit.coordinate;
	s->hit_timer = hit.timer;
	return 0;
}

/* Does this candidate count for this packet? Bits, not branches: 1 or 0. */
rw_inline u32 rw_counts(const struct rw_sfr *s, const struct rw_packet_type *type, const struct rw_candidate *c)
{
	u32 group_key = c->flags / RW_CAND_GROUP_KEY & 1, needs_reply = c->flags / RW_CAND_NEEDS_REPLY & 1;
	/* A group's answer teaches nothing: it must not hide what the packet, allowed of itself, would open. */
	u32 hides = group_key & type->flags & s->forward;

	return (((u32)c->ref + 0xff) >> 8) & ~(needs_reply & ~s->reply) & ~(s->group_answer & ~group_key) &
	       ~(group_key & ~s->p.direction) & ~hides & 1;
}

/* Which candidates count for this packet, and their fingerprints. */
rw_inline void rw_list_candidates(struct rw_sfr *s, const struct rw_packet_type *type)
{
	const struct rw_candidate *c;
	u64 group_flow, i;
	u32 any = 0, mask;

	rw_unrolled for (i = 0; i < RW_CANDIDATES_MAX; i++)
		any |= type->candidate[i].flags;
	group_flow = s->flow;
	if (any & RW_CAND_GROUP_KEY)
		group_flow = rw_flow_of(&s->p, s->p.proto, 1, rw_ports_of(&s->p));
	s->candidates = 0;
	rw_rolled for (i = 0; i < RW_CANDIDATES_MAX; i++) {
		rw_hide(i);
		c = &type->candidate[i];
		mask = rw_counts(s, type, c);
		rw_hide(mask);
		s->candidates |= mask << i;
		mask = 0 - (c->flags / RW_CAND_GROUP_KEY & 1);
		rw_hide(mask);
		s->expected[i] = rw_expected(s, s->flow ^ ((s->flow ^ group_flow) & ((u64)mask << 32 | mask)), c->ref);
	}
	s->candidates &= ~s->absent;
}

/* The first candidate that is expected: s->hit, s->candidate. */
rw_inline void rw_match(struct rw_sfr *s, const struct rw_ctl *ctl)
{
	u64 i;

	if (s->hit)
		return;
	rw_rolled for (i = 0; i < RW_CANDIDATES_MAX; i++) {
		rw_hide(i);
		rw_forget();
		if (!s->candidates)
			break;
		s->scanned = 1;
		s->candidate = rw_lowest(s->candidates) & 3;
		s->candidates &= s->candidates - 1;
		s->hit = rw_look(s, ctl, s->expected[s->candidate & 3], &s->scan);
		rw_forget();
		if (s->hit)
			break;
	}
}

/* A superseded transitional state need not be told to the neighbours any more. */
rw_inline void rw_supersede(const struct rw_sfr *s)
{
	u16 *owner = rw_owner_row(s->hit_at >> 3);
	u32 mark;

	if (!owner)
		return;
	owner += s->hit_at & 7;
	mark = *owner >> RW_OWNER_MARK_SHIFT;
	if (mark == RW_MARK_HELD || mark == RW_MARK_AGED)
		*(volatile u16 *)owner = *owner & RW_OWNER_SLOT_MASK;
}

/* An opening waits for its answer from now on. A cell does not tell its state: the byte beside it does. */
rw_inline void rw_half_open_begin(const struct rw_sfr *s)
{
	u8 *openers = rw_opener_row(s->change.coordinate >> 3);
	struct rw_half_open *half = rw_half_open_of(s->slot);

	if (!openers || !half)
		return;
	openers[s->change.coordinate & 7] = s->opener;
	half->by[(s->opener - 1) & 1]++;
}

/* The answer came. Two CPUs may count one down twice: roamwalld counts anew. */
rw_inline void rw_half_open_end(const struct rw_sfr *s)
{
	u8 *openers = rw_opener_row(s->hit_at >> 3);
	struct rw_half_open *half = rw_half_open_of(s->slot);
	u32 opener, count;

	if (!openers || !half)
		return;
	opener = openers[s->hit_at & 7];
	if (!opener)
		return;
	openers[s->hit_at & 7] = 0;
	count = half->by[(opener - 1) & 1];
	if (count)
		half->by[(opener - 1) & 1] = count - 1;
}

rw_inline int rw_half_open_spent(u32 slot, u32 side, u32 limit)
{
	const struct rw_half_open *half = rw_half_open_of(slot);

	return !half || half->by[side & 1] >= limit;
}

/* What a hit teaches: s->list; 0 = nothing. */
rw_inline void rw_choose_list(struct rw_sfr *s, const struct rw_ctl *ctl, const struct rw_client *client,
			      const struct rw_packet_type *type)
{
	const struct rw_candidate *c = &type->candidate[s->candidate & 3];
	u32 fast, known = 0, asked = 0;
	u64 i;

	s->list = c->learn;
	if (ctl->write_through && s->hit == RW_HIT_MIRROR)
		s->reach = s->hit_rank;
	if (c->flags & RW_CAND_FULL_DONE && s->hit == RW_HIT_OWN && rw_rank(&s->clock, s->hit_timer) == c->full) {
		s->list = 0;
		return;
	}
	if (c->flags & RW_CAND_SUPERSEDES && s->hit == RW_HIT_OWN)
		rw_supersede(s);
	if (c->flags & RW_CAND_ANSWERS && s->hit == RW_HIT_OWN && client->half_open)
		rw_half_open_end(s);
	fast = !(s->hit_timer >> rw_shape.tick_bits);
	if (c->flags & RW_CAND_PROBE_IF_FAST && !fast)
		return;
	rw_rolled for (i = 0; i < 2; i++) {
		rw_hide(i);
		if (!c->probe[i])
			continue;
		asked++;
		known += rw_look(s, ctl, rw_expected(s, s->flow, c->probe[i]), 0) != RW_HIT_NONE;
	}
	if (asked && known == asked)
		s->list = c->learn_alt;
}

/* May this client, or this client's peers, open one flow more? */
rw_inline int rw_may_open(const struct rw_sfr *s, const struct rw_ctl *ctl, const struct rw_client *client)
{
	u32 load = ctl->load, limit, window, count;
	int out = s->p.direction == RW_SIDE_CLIENT;
	struct rw_windows *w;

	if (s->monitor)
		return 1;
	if (load >= RW_LOAD_CLOSED || (load >= RW_LOAD_FAIR && rw_used_by(s->slot) > ctl->share))
		return 0;
	if (client->half_open && rw_half_open_spent(s->slot, s->p.direction, client->half_open))
		return 0;
	limit = out ? client->open_out : client->open_in;
	if (!limit)
		return 1;
	w = rw_windows_of(s->slot);
	if (!w)
		return 0;
	window = rw_window_now(ctl, RW_WINDOW_BITS);
	if (w->open_window != window) {
		w->open_window = window;
		w->open_out = w->open_in = 0;
	}
	count = out ? w->open_out : w->open_in;
	if (count >= limit)
		return 0;
	if (out)
		w->open_out = count + 1;
	else
		w->open_in = count + 1;
	return 1;
}

/* Step i of s->list, or that of a head of fragments, as a change; 0 = there is none. */
rw_inline int rw_take_step(struct rw_sfr *s, const struct rw_automata *automata, u32 i)
{
	const struct rw_learn_step *step = &automata->head;
	u64 flow = s->flow;

	if (i < RW_LEARN_STEPS) {
		if (!s->list)
			return 0;
		step = &automata->learn[s->list & (RW_LEARN_LISTS_MAX - 1)][i];
	} else {
		if (s->p.fragment != RW_HEAD || s->p.class == RW_CLASS_ERROR || s->reason)
			return 0;
		flow = rw_flow_of(&s->p, s->p.pair_proto, rw_asks_group(&s->p), 0);
	}
	s->change.x = rw_expected(s, flow, step->ref);
	s->change.op = step->op;
	s->change.code = step->code;
	s->change.mark = step->mark & 3;
	s->change.slot = s->slot;
	s->change.scanned = 0;
	if (s->change.x != s->expected[s->candidate & 3])
		return step->op != RW_OP_NONE;
	/* A cell that was found stays where it is; free ones are as they were before the first change. */
	s->change.scanned = s->scanned & (i == 0 || s->hit == RW_HIT_OWN);
	s->change.scan = s->scan;
	/* Write through: what a mirror holds of it will do, so that a state does not stand in every table. */
	if (step->op == RW_OP_MAX && rw_merge(s->reach, step->code) == s->reach)
		return 0;
	return step->op != RW_OP_NONE;
}

/* The steps of s->list, then that of a head of fragments. A lost race is run again once. */
rw_inline int rw_learn(struct rw_sfr *s, const struct rw_automata *automata)
{
	u32 i, outcome;
	u64 attempt;

	rw_unrolled for (i = 0; i <= RW_LEARN_STEPS; i++) {
		if (!rw_take_step(s, automata, i))
			continue;
		rw_forget();
		rw_rolled for (attempt = 0; attempt < 2; attempt++) {
			rw_hide(attempt);
			outcome = rw_try_change(&s->change, &s->clock);
			if (outcome != RW_LOST_RACE)
				break;
		}
		if (outcome == RW_NO_ROOM)
			return RW_REASON_FULL;
		if (outcome == RW_LOST_RACE)
			return RW_REASON_BUSY;
		if (i == 0 && s->opener)
			rw_half_open_begin(s);
		rw_forget();
	}
	return s->reason;
}

#endif
