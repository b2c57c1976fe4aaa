/* SPDX-License-Identifier: MIT */
/* The routines' environment in user space: every map an array. For tests and fuzz targets. */
#ifndef ROAMWALL_HOST_H
#define ROAMWALL_HOST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../hash.h"

static struct rw_shape rw_shape = { .bucket_bits = 5, .remainder_bits = 26, .tick_bits = 5, .wide = 1 };
static u32 rw_atomics;

#include "../sfr.h"

#define HOST_ROWS (4 << 5)
#define HOST_MIRRORS 2
#define HOST_SLOTS 8
#define HOST_FILTER_BYTES 256

static struct {
	u64 table[HOST_ROWS * 4], mirror[HOST_MIRRORS * HOST_ROWS * 4];
	u16 owner[HOST_ROWS * 8];
	u8 dirty[HOST_ROWS * 8 / RW_DIRTY_CELLS];
	struct rw_ctl ctl;
	struct rw_automata automata;
	struct rw_client clients[HOST_SLOTS];
	struct rw_client_key macs[HOST_SLOTS];
	u32 client_count;
	struct rw_windows windows[HOST_SLOTS];
	u32 used[HOST_SLOTS];
	struct rw_half_open half_open[HOST_SLOTS];
	u8 opener[HOST_ROWS * 8];
	struct rw_filter filter;
	u8 filter_bits[HOST_FILTER_BYTES];
	u64 counters[RW_COUNTERS];
	u32 events;
	struct rw_port port;
} host;

rw_inline u32 rw_seed(u32 index)
{
	return 0x243f6a88 * (index + 1);
}

rw_inline struct rw_port rw_port_of(u32 ifindex)
{
	struct rw_port none = {};

	return ifindex ? host.port : none;
}

rw_inline const struct rw_filter *rw_filter_lookup(u32 id)
{
	return id ? 0 : &host.filter;
}

rw_inline const u8 *rw_filter_word(u32 index)
{
	return index < HOST_FILTER_BYTES / 8 ? host.filter_bits + index * 8 : 0;
}

rw_inline u32 rw_zone_lookup(const struct rw_packet *p, u32 generation)
{
	(void)generation;
	return p->peer[0] & 3;
}

rw_inline u32 rw_service_lookup(u32 port, u32 generation)
{
	(void)generation;
	return port & 3;
}

rw_inline void *host_row(u64 *rows, u32 count, u32 index)
{
	return index < count ? (u8 *)rows + index * (rw_shape.wide ? 32 : 16) : 0;
}

rw_inline void *rw_table_row(u32 index)
{
	return host_row(host.table, HOST_ROWS, index);
}

rw_inline void *rw_mirror_row(u32 mirror, u32 index)
{
	return host_row(host.mirror, HOST_MIRRORS * HOST_ROWS, mirror * HOST_ROWS + index);
}

rw_inline u16 *rw_owner_row(u32 index)
{
	return index < HOST_ROWS ? host.owner + index * 8 : 0;
}

rw_inline void rw_dirty_set(u32 coordinate)
{
	host.dirty[coordinate / RW_DIRTY_CELLS] = 1;
}

rw_inline u64 rw_now(const struct rw_ctl *ctl)
{
	return ctl->test_now;
}

rw_inline struct rw_windows *rw_windows_of(u32 slot)
{
	return slot < HOST_SLOTS ? &host.windows[slot] : 0;
}

rw_inline u32 rw_used_by(u32 slot)
{
	return slot < HOST_SLOTS ? host.used[slot] : ~0u;
}

rw_inline struct rw_half_open *rw_half_open_of(u32 slot)
{
	return slot < HOST_SLOTS ? &host.half_open[slot] : 0;
}

rw_inline u8 *rw_opener_row(u32 index)
{
	return index < HOST_ROWS ? host.opener + index * 8 : 0;
}

rw_inline const struct rw_client *rw_client_lookup(const struct rw_client_key *key)
{
	u32 i;

	for (i = 0; i < host.client_count; i++)
		if (!memcmp(&host.macs[i], key, sizeof(*key)))
			return &host.clients[i];
	return 0;
}

rw_inline int rw_is_local(const struct rw_packet *p)
{
	return p->destination[0] == 0x0a0000fe;
}

rw_inline const struct rw_automata *rw_automata(void)
{
	return &host.automata;
}

rw_inline void rw_count(u32 index)
{
	host.counters[index]++;
}

rw_inline void rw_count_client(u32 slot, u32 passed, u32 denied, u32 bytes)
{
	(void)slot, (void)passed, (void)denied, (void)bytes;
}

rw_inline void rw_emit(const struct rw_ring_event *event, u32 bytes)
{
	(void)bytes;
	host.events += event->kind != RW_RING_WAKE;
}

static inline u32 host_cell(u32 coordinate)
{
	return rw_cell_read(rw_table_row(coordinate >> 3), coordinate & 7);
}

/* As a frame comes in: its first bytes, whatever `junk` says behind them. */
static inline void host_take(struct rw_packet *p, const u8 *frame, u32 length, u32 direction, int junk)
{
	memset(p, junk, sizeof(*p));
	memcpy(p->frame + RW_FRAME_AT, frame, length < RW_PARSE_BYTES ? length : RW_PARSE_BYTES);
	p->length = length;
	p->direction = direction;
	p->ifindex = p->tagged = p->gso = p->from_ap = 0;
}

/* The reason to deny a frame for its shape; what was read is in *p. */
static inline int host_read(struct rw_packet *p, const u8 *frame, u32 length, u32 direction, int junk)
{
	host_take(p, frame, length, direction, junk);
	if (length < 14)
		return RW_REASON_MALFORMED;
	rw_reset_packet(p);
	rw_read_mac(p);
	p->group_frame = 0;
	return rw_read_frame(p);
}

#define HOST_REF(state, rule) ((state) << 2 | (rule))

/* E for TCP and UDP alike, opened by H: enough to exercise opening, answering, refreshing, lowering. */
static inline void host_automata(void)
{
	struct rw_automata *a = &host.automata;
	const u8 e = HOST_REF(1, RW_RULE_BOTH), h = HOST_REF(2, RW_RULE_SAME), answered = HOST_REF(2, RW_RULE_OPPOSITE);

	memset(a, 0, sizeof(*a));
	a->classify[RW_CLASS_TCP][RW_TCP_SYN] = 1;
	a->classify[RW_CLASS_TCP][RW_TCP_SYN | RW_TCP_ACK] = 2;
	a->classify[RW_CLASS_TCP][RW_TCP_ACK] = 3;
	a->classify[RW_CLASS_TCP][RW_TCP_RST] = 4;
	a->classify[RW_CLASS_UDP][RW_UDP_UNICAST] = 1;
	a->classify[RW_CLASS_TAIL][0] = 5;
	a->type[1] = (struct rw_packet_type){ .candidate = { { .ref = h, .learn = 1 } }, .flags = RW_TYPE_OPENS, .open = 1 };
	a->type[2] = (struct rw_packet_type){ .candidate = { { .ref = answered, .learn = 2 } } };
	a->type[3] = (struct rw_packet_type){
		.candidate = { { .ref = e, .flags = RW_CAND_FULL_DONE, .full = 1 << 5 | 25, .learn = 3 } }, .pickup = 3
	};
	a->type[4] = (struct rw_packet_type){ .candidate = { { .ref = e, .learn = 4 } } };
	a->type[5] = (struct rw_packet_type){ .candidate = { { .ref = HOST_REF(7, RW_RULE_SAME) } } };
	a->learn[1][0] = (struct rw_learn_step){ h, RW_OP_MAX, 24, RW_MARK_HELD };
	a->learn[2][0] = (struct rw_learn_step){ e, RW_OP_MAX, 24, RW_MARK_HELD };
	a->learn[3][0] = (struct rw_learn_step){ e, RW_OP_MAX, 1 << 5 | 25, RW_MARK_DIRTY };
	a->learn[4][0] = (struct rw_learn_step){ e, RW_OP_MIN, 1 << 5 | 2, RW_MARK_DIRTY };
	a->head = (struct rw_learn_step){ HOST_REF(7, RW_RULE_SAME), RW_OP_MAX, 3, RW_MARK_HELD };
}

/* One client, 02:00:00:00:0a:01, who may open anything. */
static inline void host_begin(void)
{
	memset(&host, 0, sizeof(host));
	host_automata();
	host.client_count = 1;
	memcpy(host.macs[0].mac, "\x02\0\0\0\x0a\x01", 6);
	host.clients[0] = (struct rw_client){ .slot = 1, .presence = 1, .filter = { 0, 0xffff, 0xffff, 0xffff } };
	memset(host.filter_bits, 0xff, sizeof(host.filter_bits));
	host.filter = (struct rw_filter){ .bits = 64, .probes = 3, .out = 1 << (RW_PEER_ANY * 3 + RW_SERVICE_ANY) };
}

static inline int host_judge(struct rw_sfr *s, const u8 *frame, u32 length, u32 direction)
{
	host_take(&s->p, frame, length, direction, 0);
	s->stage = s->next_stage = 0;
	return rw_judge(s, &host.ctl);
}

#endif
