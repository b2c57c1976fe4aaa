/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The stateful firewall routine: client, exemptions, access list, expectations, verdict. */
#ifndef ROAMWALL_SFR_H
#define ROAMWALL_SFR_H

#include "expect.h"

/* The environment's. `rw_count` counts in denied_counters. */
rw_inline const struct rw_client *rw_client_lookup(const struct rw_client_key *key);
rw_inline int rw_is_local(const struct rw_packet *p);
rw_inline const struct rw_automata *rw_automata(void);
rw_inline void rw_emit(const struct rw_ring_event *event, u32 bytes);
rw_inline void rw_count(u32 index);
rw_inline void rw_count_client(u32 slot, u32 passed, u32 denied, u32 bytes);

#define RW_ARRIVAL_WINDOW_BITS 27 /* ns: an eighth of a second */
#define RW_EXEMPT_PER_WINDOW 256
#define RW_DENIALS_PER_WINDOW 64
#define RW_TRACED_PER_WINDOW 256
#define RW_OPENED_PER_WINDOW 8
#define RW_ARRIVALS_UNKNOWN 64 /* all unknown clients share slot 0 */

/* Ports are unknown: the pair decides, not the filters. */
rw_inline int rw_is_tail(const struct rw_packet *p)
{
	return p->class == RW_CLASS_TAIL || (p->class == RW_CLASS_ERROR && p->sub == RW_CLASS_TAIL);
}

/* Is there a candidate that only the reply direction may hit? Else the forward answer is enough. */
rw_inline int rw_needs_reply(const struct rw_packet_type *type)
{
	u32 i, flags = 0;

	rw_unrolled for (i = 0; i < RW_CANDIDATES_MAX; i++)
		flags |= type->candidate[i].flags;
	return flags & RW_CAND_NEEDS_REPLY;
}

rw_inline int rw_may_answer_group(const struct rw_packet *p)
{
	return p->class == RW_CLASS_UDP && p->direction == RW_SIDE_PEER && !p->group_frame;
}

/* An answer to a question put to a group: the rule that let the question out stands for it. */
rw_inline void rw_ask_group_answer(struct rw_sfr *s, const struct rw_client *client)
{
	s->question.group = 1;
	rw_ask(&s->p, &s->question, client, RW_DIRECTION_OUT, RW_TEMPLATES_GROUP_ANSWER);
}

/* Asks the filters: s->forward (may open), s->reply (may answer), s->group_answer. Returns a reason. */
rw_inline int rw_ask_acl(struct rw_sfr *s, const struct rw_client *client, const struct rw_packet_type *type)
{
	const struct rw_packet *p = &s->p;
	u32 allowed;
	u64 i;

	s->forward = s->reply = s->group_answer = 0;
	s->question.group = p->group && p->direction == RW_SIDE_CLIENT;
	if (!p->group_frame && rw_is_tail(p))
		return 0;
	rw_ask(p, &s->question, client, p->direction, RW_TEMPLATES_ALL);
	s->forward = rw_acl_allows(p, &s->question);
	rw_forget();
	if (s->forward && !rw_needs_reply(type))
		return 0;
	rw_rolled for (i = 0; i < 2; i++) {
		rw_hide(i);
		if (i == 0)
			rw_ask(p, &s->question, client, 1 - p->direction, RW_TEMPLATES_ALL);
		else
			rw_ask_group_answer(s, client);
		rw_forget();
		allowed = rw_acl_allows(p, &s->question);
		if (i == 0)
			s->reply = allowed;
		else
			s->group_answer = allowed;
		rw_forget();
		if (s->forward || s->reply || !rw_may_answer_group(p))
			break;
	}
	return s->forward || s->reply || s->group_answer ? 0 : RW_REASON_ACL;
}

/* LLC XID to everybody: how an access point tells switches where a client now is. */
rw_inline int rw_is_llc_probe(const struct rw_packet *p)
{
	u32 control = rw_byte(p, p->at + 2);

	return p->ethertype <= 1500 && p->group && rw_fits(p, p->at, 3) && (control & 0xef) == 0xaf;
}

rw_inline int rw_is_exempt_icmp6(const struct rw_packet *p)
{
	u32 type = p->icmp_type;

	if (p->hop_limit == 255 && p->icmp_code == 0) {
		if (p->direction == RW_SIDE_CLIENT ? type == 133 || type == 135 || type == 136 : type >= 133 && type <= 137)
			return 1;
	}
	return p->hop_limit == 1 && (type == 131 || type == 132 || type == 143 ||
				     (type == 130 && p->direction == RW_SIDE_PEER));
}

rw_inline int rw_is_exempt_dhcp(const struct rw_packet *p)
{
	u32 client = p->family == 4 ? 68 : 546;
	const u32 *to = p->destination;

	if (p->client_port != client || p->peer_port != client + (p->family == 4 ? -1 : 1))
		return 0;
	if (p->direction == RW_SIDE_PEER)
		return 1;
	if (p->family == 4)
		return to[0] == 0xffffffff;
	return to[0] == 0xff020000 && !to[1] && !to[2] && to[3] == 0x10002;
}

/* What must never be filtered for a network to live, by direction and shape. */
rw_inline int rw_is_exempt(const struct rw_packet *p)
{
	if (!p->family)
		return p->ethertype == 0x0806 || p->ethertype == 0x888e || p->ethertype == 0x88c7 || rw_is_llc_probe(p);
	if (p->fragment != RW_WHOLE)
		return 0;
	if (p->class == RW_CLASS_ICMP6)
		return rw_is_exempt_icmp6(p);
	if (p->class == RW_CLASS_UDP)
		return rw_is_exempt_dhcp(p);
	return p->class == RW_CLASS_OTHER && p->proto == 2 && p->family == 4;
}

rw_inline int rw_exempt_within_rate(const struct rw_ctl *ctl, u32 slot)
{
	struct rw_windows *w = rw_windows_of(slot);
	u32 window = rw_window_now(ctl, RW_WINDOW_BITS);

	if (!w)
		return 0;
	if (w->exempt_window != window) {
		w->exempt_window = window;
		w->exempt = 0;
	}
	if (w->exempt >= RW_EXEMPT_PER_WINDOW)
		return 0;
	w->exempt++;
	return 1;
}

rw_inline void rw_report(struct rw_sfr *s, u32 kind, u32 lost)
{
	struct rw_ring_event *e = &s->event;
	const struct rw_packet *p = &s->p;
	u32 i;

	e->kind = kind;
	e->reason = s->reason;
	e->direction = p->direction;
	e->proto = p->proto;
	e->slot = s->slot;
	e->ethertype = p->ethertype;
	e->ifindex = p->ifindex;
	rw_unrolled for (i = 0; i < 6; i++)
		e->mac[i] = i < 4 ? p->mac0 >> (24 - i * 8) : p->mac1 >> (56 - i * 8);
	e->family = p->family;
	e->type = s->type;
	rw_unrolled for (i = 0; i < 4; i++) {
		e->client[i] = p->client[i];
		e->peer[i] = p->peer[i];
	}
	e->client_port = p->client_port;
	e->peer_port = p->peer_port;
	e->monitored = s->monitored;
	e->lost = lost;
	e->length = p->length;
	e->captured = 0;
	if (kind != RW_RING_DENIED) {
		rw_emit(e, sizeof(*e));
		return;
	}
	e->captured = p->length < RW_PARSE_BYTES ? p->length : RW_PARSE_BYTES;
	rw_emit(e, sizeof(*e) + RW_FRAME_AT + RW_PARSE_BYTES);
}

/* A frame at ingress is what makes an arrival; egress proves nothing (bridges flood). */
rw_inline void rw_note_arrival(struct rw_sfr *s, const struct rw_ctl *ctl)
{
	struct rw_windows *w = rw_windows_of(s->slot);
	u32 window = rw_window_now(ctl, RW_ARRIVAL_WINDOW_BITS);

	if (!w)
		return;
	if (w->arrival_window != window) {
		w->arrival_window = window;
		w->arrivals = 0;
	}
	if (w->arrivals >= (s->slot == RW_SLOT_UNKNOWN ? RW_ARRIVALS_UNKNOWN : 1))
		return;
	w->arrivals++;
	rw_report(s, RW_RING_ARRIVED, 0);
}

/* Counts one more of its kind in this window; openings are a mere sample, of the others each that is not told is lost. */
rw_inline int rw_may_sample(struct rw_windows *w, u32 kind)
{
	if (kind == RW_RING_DENIED)
		return w->events < RW_DENIALS_PER_WINDOW && ++w->events;
	if (kind == RW_RING_TRACED)
		return w->traced < RW_TRACED_PER_WINDOW && ++w->traced;
	return w->opened < RW_OPENED_PER_WINDOW && ++w->opened;
}

/* For people: denials, the first packet of a flow, all of a client that is traced; each within its rate. */
rw_inline void rw_tell(struct rw_sfr *s, const struct rw_ctl *ctl)
{
	u32 kind = s->reason ? RW_RING_DENIED : s->traced ? RW_RING_TRACED : RW_RING_OPENED;
	struct rw_windows *w;
	u32 window, lost;

	if (!s->reason && !s->traced && !s->opened)
		return;
	w = rw_windows_of(s->slot);
	if (!w)
		return;
	window = rw_window_now(ctl, RW_WINDOW_BITS);
	if (w->event_window != window) {
		w->event_window = window;
		w->events = w->traced = w->opened = 0;
	}
	if (!rw_may_sample(w, kind)) {
		w->lost += kind != RW_RING_OPENED;
		return;
	}
	lost = w->lost;
	w->lost = 0;
	rw_report(s, kind, lost);
}

/* Algorithm 1 of the papers: access list, expectations, conformance of a first packet. Returns a reason, 0 = pass. */
rw_inline int rw_inspect(struct rw_sfr *s, const struct rw_ctl *ctl, const struct rw_client *client)
{
	const struct rw_automata *automata = rw_automata();
	const struct rw_packet_type *type;
	u32 reason;

	if (!automata)
		return RW_REASON_FLAGS;
	s->type = automata->classify[s->p.class & (RW_CLASSES - 1)][s->p.sub];
	type = &automata->type[s->type & (RW_TYPES_MAX - 1)];
	reason = rw_ask_acl(s, client, type);
	if (s->p.group_frame)
		return s->forward || s->reply ? 0 : RW_REASON_GROUP;
	if (reason)
		return reason;
	if (!s->type)
		return RW_REASON_FLAGS;
	rw_forget();
	s->flow = rw_flow_of(&s->p, s->p.proto, rw_asks_group(&s->p), rw_ports_of(&s->p));
	s->clock = rw_clock_at(ctl->fast, ctl->slow);
	rw_forget();
	if (rw_is_settled(s, type) && s->p.fragment != RW_HEAD)
		return 0;
	rw_list_candidates(s, type);
	rw_forget();
	rw_match(s, ctl);
	rw_forget();
	s->list = 0;
	s->opener = 0;
	s->reach = 0;
	s->reason = 0;
	if (s->hit) {
		rw_choose_list(s, ctl, client, type);
	} else if (s->group_answer) {
		return RW_REASON_ACL;
	} else if (type->flags & RW_TYPE_OPENS && s->forward) {
		if (!rw_may_open(s, ctl, client))
			return RW_REASON_BUDGET;
		s->list = type->open;
		s->opened = 1;
		s->opener = client->half_open ? 1 + s->p.direction : 0;
	} else {
		s->reason = rw_is_tail(&s->p) ? RW_REASON_FRAGMENT : RW_REASON_STATE;
		if (type->pickup && (ctl->pickup || s->monitor)) {
			s->list = type->pickup;
			if (ctl->pickup) {
				s->reason = 0;
				rw_count(RW_COUNTER_PICKED_UP);
			}
		}
	}
	rw_forget();
	if (!s->list && s->p.fragment != RW_HEAD)
		return s->reason;
	return rw_learn(s, automata);
}

/* From the frame to a reason. `own`: the record of this very client, if there is one. */
rw_inline int rw_find_reason(struct rw_sfr *s, const struct rw_ctl *ctl, const struct rw_client *own)
{
	const struct rw_client *client = own;
	struct rw_client_key anyone = {};
	int reason = rw_read_frame(&s->p);

	rw_forget();
	if (reason) {
		rw_forget_tuple(&s->p);
		return reason;
	}
	if (s->p.direction == RW_SIDE_CLIENT && !s->stage && (!own || own->presence == RW_PRESENCE_REMOTE))
		rw_note_arrival(s, ctl);
	if (rw_is_exempt(&s->p))
		return s->p.direction == RW_SIDE_PEER || rw_exempt_within_rate(ctl, s->slot) ? 0 : RW_REASON_EXEMPT_RATE;
	if (!s->p.family)
		return RW_REASON_NON_IP;
	if (!client)
		client = rw_client_lookup(&anyone);
	if (!client)
		return RW_REASON_UNKNOWN;
	if (client->flags & RW_CLIENT_MONITOR)
		s->monitor = 1;
	s->from = client->from | ctl->write_through;
	if (s->from && client->zone != rw_port_of(s->p.ifindex).zone)
		s->from = 0;
	reason = rw_inspect(s, ctl, client);
	if (reason && s->p.direction == RW_SIDE_CLIENT && rw_is_local(&s->p))
		return 0;
	return reason;
}

/* The verdict on the frame in s->p: 1 = pass. */
rw_inline int rw_judge(struct rw_sfr *s, const struct rw_ctl *ctl)
{
	const struct rw_client *own;
	struct rw_client_key key;
	int passed;

	rw_reset_packet(&s->p);
	rw_read_mac(&s->p);
	s->p.group_frame = s->p.direction == RW_SIDE_PEER && s->p.group;
	key = rw_key_at(&s->p, s->p.direction == RW_SIDE_CLIENT ? RW_FRAME_AT + 6 : RW_FRAME_AT);
	if (s->p.group_frame)
		__builtin_memset(key.mac, 0xff, 6);
	own = rw_client_lookup(&key);
	s->slot = own ? own->slot : RW_SLOT_UNKNOWN;
	s->type = s->monitored = s->reason = s->opened = 0;
	if (!own && s->p.group_frame)
		return 1;
	s->monitor = ctl->mode == RW_MODE_MONITOR || (own && own->flags & RW_CLIENT_MONITOR);
	s->traced = own && own->flags & RW_CLIENT_TRACE;
	rw_forget();
	s->reason = rw_find_reason(s, ctl, own);
	rw_forget();
	if (s->reason) {
		s->monitored = s->monitor;
		rw_count(s->reason);
	}
	passed = !s->reason || s->monitored;
	rw_count_client(s->slot, passed, s->reason != 0, passed ? s->p.length : 0);
	rw_tell(s, ctl);
	return passed;
}

#endif
