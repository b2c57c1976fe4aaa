// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* The programs on a client port, and the maps that they share with roamwalld. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "hash.h"

/* Sizes of the maps below are placeholders: roamwalld sets them, and the constants, before it loads. */
const volatile struct rw_shape rw_shape = { .bucket_bits = 10, .remainder_bits = 26, .tick_bits = 5, .wide = 1 };
const volatile __u32 rw_seeds[4] = {};
const volatile __u32 rw_atomics = 1;
const volatile __u32 rw_testing = 0;

#include "sfr.h"

#define RW_ROWS (RW_SUBTABLES << 10)

struct rw_row_wide {
	__u32 cells[RW_BUCKET_CELLS];
};

struct rw_row_owners {
	__u16 owners[RW_BUCKET_CELLS];
};

struct rw_row_openers {
	__u8 openers[RW_BUCKET_CELLS];
};

#define RW_ARRAY(name, of, entries, flags)               \
	struct {                                         \
		__uint(type, BPF_MAP_TYPE_ARRAY);        \
		__uint(max_entries, entries);            \
		__uint(map_flags, flags);                \
		__type(key, __u32);                      \
		__type(value, of);                       \
	} name SEC(".maps")

RW_ARRAY(ctl, struct rw_ctl, 1, BPF_F_MMAPABLE);
RW_ARRAY(table, struct rw_row_wide, RW_ROWS, BPF_F_MMAPABLE);
RW_ARRAY(owner, struct rw_row_owners, RW_ROWS, BPF_F_MMAPABLE);
RW_ARRAY(dirty, __u64, RW_ROWS * RW_BUCKET_CELLS / RW_DIRTY_CELLS / 8, BPF_F_MMAPABLE);
RW_ARRAY(mirror, struct rw_row_wide, RW_ROWS, BPF_F_MMAPABLE);
RW_ARRAY(windows, struct rw_windows, 1024, 0);
RW_ARRAY(used, __u32, 1024, BPF_F_MMAPABLE);
RW_ARRAY(opener, struct rw_row_openers, RW_ROWS, BPF_F_MMAPABLE);
RW_ARRAY(half_open, struct rw_half_open, 1024, BPF_F_MMAPABLE);
RW_ARRAY(filters, struct rw_filter, RW_FILTERS_MAX, 0);
RW_ARRAY(filter_bits, __u64, 1024, BPF_F_MMAPABLE);
RW_ARRAY(services, struct rw_service, 65536, 0);
RW_ARRAY(automata, struct rw_automata, 1, 0);

#define RW_HASH(name, key_type, of, entries)              \
	struct {                                          \
		__uint(type, BPF_MAP_TYPE_HASH);          \
		__uint(max_entries, entries);             \
		__uint(map_flags, BPF_F_NO_PREALLOC);     \
		__type(key, key_type);                    \
		__type(value, of);                        \
	} name SEC(".maps")

struct rw_address {
	__u32 word[4];
};

RW_HASH(clients, struct rw_client_key, struct rw_client, 1024);
RW_HASH(ports, __u32, struct rw_port, 64);
RW_HASH(own_macs, struct rw_client_key, __u32, 64);
RW_HASH(local_addrs, struct rw_address, __u32, 256);

#define RW_PERCPU(name, of, entries)                      \
	struct {                                          \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);  \
		__uint(max_entries, entries);             \
		__type(key, __u32);                       \
		__type(value, of);                        \
	} name SEC(".maps")

RW_PERCPU(client_counters, struct rw_client_counters, 1024);
RW_PERCPU(denied_counters, __u64, RW_COUNTERS);

#define RW_ZONES(name)                                    \
	struct {                                          \
		__uint(type, BPF_MAP_TYPE_LPM_TRIE);      \
		__uint(max_entries, 1024);                \
		__uint(map_flags, BPF_F_NO_PREALLOC);     \
		__type(key, struct rw_zone_key);          \
		__type(value, __u32);                     \
	} name SEC(".maps")

/* By generation of the policy. */
RW_ZONES(zones);
RW_ZONES(zones_1);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} events SEC(".maps");

/* The routines' environment: each of these is a line in user space. */
#define rw_at(map, index)                                 \
	({                                                \
		__u32 key_ = (index);                     \
		bpf_map_lookup_elem(&(map), &key_);       \
	})

rw_inline u32 rw_seed(u32 index)
{
	return rw_seeds[index];
}

rw_inline struct rw_port rw_port_of(u32 ifindex)
{
	const struct rw_port *port = rw_at(ports, ifindex);
	struct rw_port none = {};

	return port ? *port : none;
}

rw_inline const struct rw_filter *rw_filter_lookup(u32 id)
{
	return rw_at(filters, id);
}

rw_inline const u8 *rw_filter_word(u32 index)
{
	return rw_at(filter_bits, index);
}

/* IPv4 is looked up as ::ffff:a.b.c.d. */
rw_inline void rw_mapped_address(u32 *to, u32 family, const u32 *from)
{
	u32 i;

	rw_unrolled for (i = 0; i < 4; i++)
		to[i] = rw_be32(family == 6 ? from[i] : i == 2 ? 0xffff : i == 3 ? from[0] : 0);
}

rw_inline u32 rw_zone_lookup(const struct rw_packet *p, u32 generation)
{
	struct rw_zone_key key = { .prefix_bits = 128 };
	u32 address[4], *zone;

	rw_mapped_address(address, p->family, p->peer);
	__builtin_memcpy(key.address, address, 16);
	/* two calls: of one that may mean either map the kernel would not know the map, and call slowly */
	if (generation) {
		zone = bpf_map_lookup_elem(&zones_1, &key);
		rw_forget();
	} else {
		zone = bpf_map_lookup_elem(&zones, &key);
	}
	return zone ? *zone : 0;
}

rw_inline u32 rw_service_lookup(u32 port, u32 generation)
{
	const struct rw_service *service = rw_at(services, port & 0xffff);

	return service ? service->of[generation & 1] : 0;
}

rw_inline void *rw_table_row(u32 index)
{
	return rw_at(table, index);
}

rw_inline void *rw_mirror_row(u32 k, u32 index)
{
	return rw_at(mirror, (k << (rw_shape.bucket_bits + 2)) | index);
}

rw_inline u16 *rw_owner_row(u32 index)
{
	return rw_at(owner, index);
}

rw_inline u64 rw_now(const struct rw_ctl *c)
{
	return rw_testing ? c->test_now : bpf_ktime_get_ns();
}

rw_inline struct rw_windows *rw_windows_of(u32 slot)
{
	return rw_at(windows, slot);
}

rw_inline u32 rw_used_by(u32 slot)
{
	const u32 *cells = rw_at(used, slot);

	return cells ? *cells : ~0u;
}

rw_inline struct rw_half_open *rw_half_open_of(u32 slot)
{
	return rw_at(half_open, slot);
}

rw_inline u8 *rw_opener_row(u32 index)
{
	return rw_at(opener, index);
}

rw_inline const struct rw_client *rw_client_lookup(const struct rw_client_key *key)
{
	return bpf_map_lookup_elem(&clients, key);
}

rw_inline int rw_is_local(const struct rw_packet *p)
{
	struct rw_address address;

	rw_mapped_address(address.word, p->family, p->destination);
	return bpf_map_lookup_elem(&local_addrs, &address) != 0;
}

rw_inline const struct rw_automata *rw_automata(void)
{
	return rw_at(automata, 0);
}

rw_inline void rw_count(u32 index)
{
	u64 *counter = rw_at(denied_counters, index & (RW_COUNTERS - 1));

	if (counter)
		++*counter;
}

rw_inline void rw_count_client(u32 slot, u32 passed, u32 denied, u32 bytes)
{
	struct rw_client_counters *counters = rw_at(client_counters, slot);

	if (!counters)
		return;
	counters->passed += passed;
	counters->denied += denied;
	counters->bytes += bytes;
}

rw_inline void rw_emit(const struct rw_ring_event *event, u32 bytes)
{
	if (bpf_ringbuf_output(&events, (void *)event, bytes, 0))
		rw_count(RW_COUNTER_RING_LOST);
}

/* Who sleeps until there is something to publish is woken once. */
rw_inline void rw_dirty_set(u32 coordinate)
{
	u8 *eight = rw_at(dirty, coordinate / RW_DIRTY_CELLS / 8);
	struct rw_ctl *c = rw_at(ctl, 0);
	struct rw_ring_event wake = { .kind = RW_RING_WAKE };

	if (!eight || !c)
		return;
	eight[coordinate / RW_DIRTY_CELLS & 7] = 1;
	if (c->armed) {
		c->armed = 0;
		rw_emit(&wake, sizeof(wake));
	}
}

RW_PERCPU(scratch, struct rw_sfr, 1);

int rw_from_client(struct __sk_buff *skb);
int rw_to_client(struct __sk_buff *skb);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__uint(key_size, sizeof(__u32));
	__array(values, int(struct __sk_buff *));
} stages SEC(".maps") = { .values = { &rw_from_client, &rw_to_client } };

/* A frame between two stations of one port is seen at egress only: the sender's side is judged first, then ours. */
enum { RW_STAGE_ONLY, RW_STAGE_SENDER, RW_STAGE_RECEIVER };

/*
 * Copies the first bytes in words: half the price of the helper's call. Frame and packet have the same alignment (two
 * bytes before a multiple of eight), also where unaligned access is forbidden. Returns the bytes copied.
 */
rw_inline u32 rw_copy_words(u8 *to, const u8 *from, const u8 *end)
{
	u32 i;

	if (from + 14 > end)
		return 0;
	*(u16 *)to = *(const u16 *)from;
	*(u32 *)(to + 2) = *(const u32 *)(from + 2);
	*(u64 *)(to + 6) = *(const u64 *)(from + 6);
	rw_unrolled for (i = 14; i + 8 <= RW_PARSE_BYTES; i += 8) {
		if (from + i + 8 > end)
			break;
		*(u64 *)(to + i) = *(const u64 *)(from + i);
	}
	if (i + 4 <= RW_PARSE_BYTES && from + i + 4 <= end) {
		*(u32 *)(to + i) = *(const u32 *)(from + i);
		i += 4;
	}
	if (from + i + 2 <= end) {
		*(u16 *)(to + i) = *(const u16 *)(from + i);
		i += 2;
	}
	if (from + i + 1 <= end && i < RW_PARSE_BYTES)
		to[i] = from[i], i++;
	return i;
}

/* Headers may lie in fragments of the buffer: then the helper collects them. Pulling would write to the frame. */
rw_inline int rw_copy_frame(struct __sk_buff *skb, u8 *to, u32 length)
{
	u32 copied = rw_copy_words(to, (const u8 *)(long)skb->data, (const u8 *)(long)skb->data_end), rest;

	if (copied >= length)
		return 1;
	rest = length - copied;
	copied &= 0x7f;
	if (rest > RW_PARSE_BYTES || !rest)
		return 0;
	return bpf_skb_load_bytes(skb, copied, to + copied, rest) == 0;
}

rw_inline struct rw_sfr *rw_begin(struct __sk_buff *skb, u32 direction)
{
	struct rw_sfr *s = rw_at(scratch, 0);
	u32 length = skb->len;

	if (!s)
		return 0;
	s->stage = s->next_stage;
	s->next_stage = RW_STAGE_ONLY;
	s->p.direction = direction;
	s->p.length = length;
	s->p.gso = skb->gso_size > 0;
	s->p.from_ap = skb->ingress_ifindex == 0;
	s->p.tagged = skb->vlan_present;
	s->p.ifindex = skb->ifindex;
	if (rw_testing) {
		rw_forget();
		s->p.tagged = skb->cb[0];
		s->p.ifindex = skb->cb[1];
	}
	if (length > RW_PARSE_BYTES)
		length = RW_PARSE_BYTES;
	if (length < 14 || !rw_copy_frame(skb, s->p.frame + RW_FRAME_AT, length))
		return 0;
	return s;
}

rw_inline int rw_end(struct __sk_buff *skb, const struct rw_sfr *s, int pass)
{
	if (rw_testing)
		skb->cb[2] = s->reason | (u32)s->type << 8 | (u32)s->monitored << 15 | (u32)s->slot << 16;
	return pass ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}

rw_inline struct rw_client_key rw_source_of(const struct rw_sfr *s)
{
	return rw_key_at(&s->p, RW_FRAME_AT + 6);
}

/* The record of everybody unknown is nobody's. */
rw_inline int rw_is_client(const struct rw_client_key *key)
{
	u32 i, any = 0;

	rw_unrolled for (i = 0; i < 6; i++)
		any |= key->mac[i];
	return any && rw_client_lookup(key);
}

/* tc ingress of a client port: what its clients send. */
SEC("tc")
int rw_from_client(struct __sk_buff *skb)
{
	struct rw_sfr *s = rw_begin(skb, RW_SIDE_CLIENT);
	const struct rw_ctl *c = rw_at(ctl, 0);
	int pass;

	if (!s || !c)
		return TC_ACT_SHOT;
	pass = rw_judge(s, c);
	if (!pass || s->stage != RW_STAGE_SENDER)
		return rw_end(skb, s, pass);
	s->next_stage = RW_STAGE_RECEIVER;
	bpf_tail_call(skb, &stages, 1);
	s->next_stage = RW_STAGE_ONLY;
	return TC_ACT_SHOT;
}

/* tc egress of a client port: what its clients are sent. */
SEC("tc")
int rw_to_client(struct __sk_buff *skb)
{
	struct rw_sfr *s = rw_begin(skb, RW_SIDE_PEER);
	const struct rw_ctl *c = rw_at(ctl, 0);
	struct rw_client_key source;

	if (!s || !c)
		return TC_ACT_SHOT;
	if (s->p.from_ap && s->stage != RW_STAGE_RECEIVER) {
		source = rw_source_of(s);
		if (bpf_map_lookup_elem(&own_macs, &source))
			return TC_ACT_UNSPEC;
		if (rw_is_client(&source)) {
			s->next_stage = RW_STAGE_SENDER;
			bpf_tail_call(skb, &stages, 0);
			s->next_stage = RW_STAGE_ONLY;
			return TC_ACT_SHOT;
		}
	}
	return rw_end(skb, s, rw_judge(s, c));
}

char _license[] SEC("license") = "Dual MIT/GPL";
