/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* A frame, and what is read out of it: client, peer, protocol, ports, class. Checksums are not verified. */
#ifndef ROAMWALL_PACKET_H
#define ROAMWALL_PACKET_H

#include "hash.h"

/* The environment's. */
rw_inline struct rw_port rw_port_of(u32 ifindex);

/* Positions count from two bytes before the frame: every IP header then starts at a multiple of four. */
#define RW_FRAME_ROOM 272
#define RW_EXTENSIONS_MAX 6

enum { RW_WHOLE, RW_HEAD, RW_TAIL };

struct rw_packet {
	u8 frame[RW_FRAME_ROOM] __attribute__((aligned(8)));
	/* given */
	u32 length;
	u32 ifindex;
	u8 direction;
	u8 tagged;
	u8 gso;
	u8 from_ap;
	/* read */
	u32 at;
	u32 limit; /* end of the IP packet */
	u32 end; /* end of what may be read: of the packet, or of the captured bytes */
	u32 mac0, mac1;
	u32 client[4], peer[4], destination[4];
	u16 client_port, peer_port;
	u16 service[2]; /* by ACL direction */
	u16 ethertype;
	u8 family;
	u8 proto;
	u8 pair_proto; /* what the tails of a head show */
	u8 class;
	u8 sub;
	u8 fragment;
	u8 group;
	u8 group_frame; /* at egress, to a group MAC: judged by the group record */
	u8 hop_limit;
	u8 icmp_type;
	u8 icmp_code;
	u8 headers;
};

/* The room behind the frame holds what a masked position can reach, so that no read needs a branch. */
rw_inline u32 rw_byte(const struct rw_packet *p, u32 at)
{
	return p->frame[at & 0xff];
}

rw_inline u32 rw_half(const struct rw_packet *p, u32 at)
{
	return rw_be16(*(const u16 *)(p->frame + (at & 0xfe)));
}

rw_inline u32 rw_word(const struct rw_packet *p, u32 at)
{
	return rw_be32(*(const u32 *)(p->frame + (at & 0xfc)));
}

rw_inline int rw_fits(const struct rw_packet *p, u32 at, u32 bytes)
{
	return at + bytes <= p->end;
}

/* An embedded packet went the other way: its source is the receiver of the error. */
rw_inline void rw_read_addresses(struct rw_packet *p, u32 at, u32 words, int embedded)
{
	u32 swap = (p->direction == RW_SIDE_CLIENT) == embedded ? words * 4 : 0;
	u32 i;

	rw_unrolled for (i = 0; i < words; i++) {
		p->client[i] = rw_word(p, at + swap + i * 4);
		p->peer[i] = rw_word(p, at + words * 4 - swap + i * 4);
		if (!embedded)
			p->destination[i] = rw_word(p, at + words * 4 + i * 4);
	}
}

rw_inline int rw_read_fragment(struct rw_packet *p, u32 offset, int more)
{
	if (offset) {
		p->fragment = RW_TAIL;
		/* RFC 1858: such a tail would write over the flags that were judged. */
		return p->proto == 6 && offset == 1 ? RW_REASON_MALFORMED : 0;
	}
	if (more)
		p->fragment = RW_HEAD;
	return 0;
}

rw_inline int rw_read_ip4(struct rw_packet *p, int embedded)
{
	u32 at = p->at, first, header, total, fragment;

	if (!rw_fits(p, at, 20))
		return RW_REASON_MALFORMED;
	first = rw_word(p, at);
	header = (first >> 24 & 15) * 4;
	if (first >> 28 != 4 || header < 20)
		return RW_REASON_MALFORMED;
	if (!embedded) {
		u32 room = p->length + RW_FRAME_AT - at;

		total = first & 0xffff;
		if (!total && p->gso)
			total = room;
		if (header > total || total > room)
			return RW_REASON_MALFORMED;
		p->limit = at + total;
		if (p->limit < p->end)
			p->end = p->limit;
		p->hop_limit = rw_byte(p, at + 8);
	}
	p->proto = p->pair_proto = rw_byte(p, at + 9);
	rw_read_addresses(p, at + 12, 1, embedded);
	p->at = at + header;
	fragment = rw_half(p, at + 6);
	return rw_read_fragment(p, fragment & 0x1fff, fragment & 0x2000);
}

/* Walks extension headers; AH, ESP and what is unknown end the chain as a protocol of their own. */
rw_inline int rw_walk_extensions(struct rw_packet *p)
{
	u32 next, fragment;
	u64 i;

	rw_rolled for (i = 0; i <= RW_EXTENSIONS_MAX; i++) {
		rw_hide(i);
		rw_forget();
		next = p->proto;
		if (next != 0 && next != 43 && next != 44 && next != 60)
			return 0;
		if (p->headers++ >= RW_EXTENSIONS_MAX || !rw_fits(p, p->at, 8))
			return RW_REASON_MALFORMED;
		p->proto = rw_byte(p, p->at);
		if (next == 44) {
			fragment = rw_half(p, p->at + 2);
			p->pair_proto = p->proto;
			p->at += 8;
			if (rw_read_fragment(p, fragment >> 3, fragment & 1))
				return RW_REASON_MALFORMED;
			if (p->fragment == RW_TAIL)
				return 0;
		} else {
			p->at += (rw_byte(p, p->at + 1) + 1) * 8;
			if (p->at > p->end)
				return RW_REASON_MALFORMED;
		}
	}
	return RW_REASON_MALFORMED;
}

rw_inline int rw_read_ip6(struct rw_packet *p, int embedded)
{
	u32 at = p->at, payload;

	if (!rw_fits(p, at, 40) || rw_byte(p, at) >> 4 != 6)
		return RW_REASON_MALFORMED;
	if (!embedded) {
		u32 room = p->length + RW_FRAME_AT - at - 40;

		payload = rw_half(p, at + 4);
		if (!payload && p->gso)
			payload = room;
		if (payload > room)
			return RW_REASON_MALFORMED;
		p->limit = at + 40 + payload;
		if (p->limit < p->end)
			p->end = p->limit;
		p->hop_limit = rw_byte(p, at + 7);
	}
	p->proto = rw_byte(p, at + 6);
	rw_read_addresses(p, at + 8, 4, embedded);
	p->at = at + 40;
	return rw_walk_extensions(p);
}

rw_inline int rw_read_ip(struct rw_packet *p, int embedded)
{
	return p->family == 4 ? rw_read_ip4(p, embedded) : rw_read_ip6(p, embedded);
}

/* The request type that names a query and its answer alike; 0: no query. */
rw_inline u32 rw_query_kind(u32 family, u32 type)
{
	if (family == 6)
		return (type & ~1u) == 128 ? 128 : 0;
	if (type == 0)
		return 8;
	if (type == 8 || type == 13 || type == 15 || type == 17)
		return type;
	return type == 14 || type == 16 || type == 18 ? type - 1 : 0;
}

rw_inline int rw_is_error(u32 family, u32 type)
{
	return family == 4 ? type == 3 || type == 11 || type == 12 : type >= 1 && type <= 4;
}

rw_inline u32 rw_class_of(u32 family, u32 proto)
{
	if (proto == 6)
		return RW_CLASS_TCP;
	if (proto == 17)
		return RW_CLASS_UDP;
	if (proto == 1 && family == 4)
		return RW_CLASS_ICMP;
	return proto == 58 && family == 6 ? RW_CLASS_ICMP6 : RW_CLASS_OTHER;
}

rw_inline void rw_read_query(struct rw_packet *p, u32 at, u32 kind)
{
	p->client_port = rw_half(p, at + 4);
	p->peer_port = kind;
	p->service[0] = p->service[1] = kind;
}

/* Source port first: the client's, unless the packet went the other way. */
rw_inline void rw_read_ports(struct rw_packet *p, u32 at, int embedded)
{
	u32 swap = (p->direction == RW_SIDE_CLIENT) == embedded ? 2 : 0;

	p->client_port = rw_half(p, at + swap);
	p->peer_port = rw_half(p, at + 2 - swap);
	p->service[RW_DIRECTION_OUT] = p->peer_port;
	p->service[RW_DIRECTION_IN] = p->client_port;
}

/* An error speaks about a packet of its receiver: tuple and class are those of the embedded packet. */
rw_inline int rw_read_error(struct rw_packet *p)
{
	u32 i, class, kind, fragment = p->fragment;

	p->class = RW_CLASS_ERROR;
	p->at += 8;
	p->fragment = RW_WHOLE;
	if (rw_read_ip(p, 1))
		return RW_REASON_MALFORMED;
	rw_forget();
	rw_unrolled for (i = 0; i < 4; i++)
		if (p->destination[i] != (p->direction == RW_SIDE_CLIENT ? p->peer[i] : p->client[i]))
			return RW_REASON_MALFORMED;
	if (p->fragment == RW_TAIL) {
		p->fragment = fragment;
		p->sub = RW_CLASS_TAIL;
		return 0;
	}
	p->fragment = fragment;
	if (!rw_fits(p, p->at, 8))
		return RW_REASON_MALFORMED;
	p->sub = class = rw_class_of(p->family, p->proto);
	if (class == RW_CLASS_TCP || class == RW_CLASS_UDP) {
		rw_read_ports(p, p->at, 1);
	} else if (class != RW_CLASS_OTHER) {
		kind = rw_query_kind(p->family, rw_byte(p, p->at));
		if (!kind)
			return RW_REASON_MALFORMED;
		rw_read_query(p, p->at, kind);
	}
	return 0;
}

rw_inline int rw_read_icmp(struct rw_packet *p)
{
	u32 kind;

	if (!rw_fits(p, p->at, 8))
		return RW_REASON_MALFORMED;
	p->icmp_type = p->sub = rw_byte(p, p->at);
	p->icmp_code = rw_byte(p, p->at + 1);
	if (rw_is_error(p->family, p->icmp_type))
		return rw_read_error(p);
	kind = rw_query_kind(p->family, p->icmp_type);
	if (kind)
		rw_read_query(p, p->at, kind);
	return 0;
}

rw_inline int rw_read_transport(struct rw_packet *p)
{
	u32 at = p->at, header, flags;

	p->class = rw_class_of(p->family, p->proto);
	rw_forget();
	if (p->class == RW_CLASS_TCP) {
		header = (rw_byte(p, at + 12) >> 4) * 4;
		if (!rw_fits(p, at, 20) || header < 20 || at + header > p->limit)
			return RW_REASON_MALFORMED;
		rw_read_ports(p, at, 0);
		flags = rw_byte(p, at + 13);
		p->sub = (flags & 7) | (flags >> 1 & RW_TCP_ACK);
		return 0;
	}
	if (p->class == RW_CLASS_UDP) {
		header = rw_half(p, at + 4);
		/* A tunnel's segments of more than 64 kB have no length that the field could hold. */
		if (!header && p->gso)
			header = 8;
		if (!rw_fits(p, at, 8) || header < 8 || (p->fragment == RW_WHOLE && at + header > p->limit))
			return RW_REASON_MALFORMED;
		rw_read_ports(p, at, 0);
		return 0;
	}
	if (p->class == RW_CLASS_OTHER) {
		p->sub = p->proto;
		return 0;
	}
	return rw_read_icmp(p);
}

rw_inline int rw_is_group_address(const struct rw_packet *p)
{
	u32 top = p->destination[0];

	return p->family == 4 ? top >> 28 == 14 || top == 0xffffffff : top >> 24 == 0xff;
}

/* The client's MAC: who sends at ingress, who receives at egress. */
rw_inline void rw_read_mac(struct rw_packet *p)
{
	u32 at = RW_FRAME_AT + (p->direction == RW_SIDE_CLIENT ? 6 : 0);

	p->mac0 = rw_half(p, at) << 16 | rw_half(p, at + 2);
	p->mac1 = rw_half(p, at + 4) << 16;
	p->group = rw_byte(p, RW_FRAME_AT) & 1;
}

/* Two stores of four bytes, as a hash reads them: it would wait for narrower ones to come together. */
rw_inline struct rw_client_key rw_key_at(const struct rw_packet *p, u32 at)
{
	union {
		u32 words[2];
		struct rw_client_key key;
	} both = { .words = { rw_be32(rw_half(p, at) << 16 | rw_half(p, at + 2)), rw_be32(rw_half(p, at + 4) << 16) } };

	return both.key;
}

/* Ethernet, a tag, IP, transport. Returns a reason, 0 = well formed. */
rw_inline int rw_read_frame(struct rw_packet *p)
{
	u32 type = rw_half(p, 14), inside = type == 0x8100 || type == 0x88a8;
	int reason;

	p->ethertype = type;
	if ((p->tagged || inside) && p->direction == RW_SIDE_CLIENT && !(rw_port_of(p->ifindex).flags & RW_PORT_TAGGED))
		return RW_REASON_VLAN;
	p->at = inside ? 20 : 16;
	if (p->length + RW_FRAME_AT < p->at)
		return RW_REASON_MALFORMED;
	p->ethertype = rw_half(p, p->at - 2);
	if (p->ethertype != 0x0800 && p->ethertype != 0x86dd)
		return 0;
	p->family = p->ethertype == 0x0800 ? 4 : 6;
	reason = rw_read_ip(p, 0);
	rw_forget();
	if (reason)
		return reason;
	if (rw_is_group_address(p))
		p->group = 1;
	if (p->fragment == RW_TAIL) {
		p->class = RW_CLASS_TAIL;
	} else {
		reason = rw_read_transport(p);
		if (reason)
			return reason;
	}
	if (p->class == RW_CLASS_UDP && p->group && p->direction == RW_SIDE_CLIENT)
		p->sub = RW_UDP_GROUP;
	return 0;
}

/* A header that lies says nothing about whose flow it is. */
rw_inline void rw_forget_tuple(struct rw_packet *p)
{
	u32 i;

	rw_unrolled for (i = 0; i < 4; i++)
		p->client[i] = p->peer[i] = p->destination[i] = 0;
	p->client_port = p->peer_port = 0;
	p->family = p->proto = 0;
}

/* Sets what a frame before may have left behind. */
rw_inline void rw_reset_packet(struct rw_packet *p)
{
	rw_forget_tuple(p);
	p->service[0] = p->service[1] = 0;
	p->ethertype = 0;
	p->class = p->sub = 0;
	p->fragment = RW_WHOLE;
	p->hop_limit = p->icmp_type = p->icmp_code = p->headers = 0;
	p->end = RW_FRAME_AT + (p->length < RW_PARSE_BYTES ? p->length : RW_PARSE_BYTES);
}

#endif
