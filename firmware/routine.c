// SPDX-License-Identifier: MIT
/* The routine over plain memory: what sfr.bpf.c does in the kernel, here for one packet after the other. */
#include "memory.h"
#include "routine.h"

static struct rw_sfr state;

uint8_t *routine_frame(void)
{
	return state.p.frame + RW_FRAME_AT;
}

static u32 word_at(const uint8_t *at)
{
	u32 word;

	__builtin_memcpy(&word, at, 4);
	return word;
}

/* Does the frame name one of the machine's addresses as its source? Address bytes: words of a table's key. */
static bool source_is_local(const uint8_t *frame)
{
	u32 address[4] = { 0, 0, rw_be32(0xffff), 0 };
	u32 tag = frame[12] == 0x81 || frame[12] == 0x88 ? 4 : 0, i;
	u32 type = frame[12 + tag] << 8 | frame[13 + tag];
	const uint8_t *ip = frame + 14 + tag;

	if (tag && frame[12] == 0x88 && frame[13] != 0xa8)
		return true;
	if (type == 0x0800)
		address[3] = word_at(ip + 12);
	else if (type == 0x86dd)
		for (i = 0; i < 4; i++)
			address[i] = word_at(ip + 8 + i * 4);
	else
		return true;
	return rw_is_local_address(address);
}

static bool is_mac(const struct rw_client_key *key)
{
	static const struct rw_client_key none;

	return __builtin_memcmp(key, &none, sizeof(none));
}

/*
 * What the AP itself sends is its own firewall's business. Where netfilter says by which netdev a packet came, what
 * came by one is not the AP's; a bridge says it of nothing that it sends, so the addresses tell.
 */
bool routine_is_own(const struct routine_packet *packet)
{
	const uint8_t *frame = routine_frame();
	struct rw_client_key key = { 0 };

	if (!packet->to_client || !packet->no_origin)
		return false;
	__builtin_memcpy(key.mac, frame + 6, 6);
	/* no MAC: netfilter shows a packet of IP before it has one */
	return (!is_mac(&key) || rw_keyed_find(rw_memory.own_macs, &key)) && source_is_local(frame);
}

bool routine_judge(const struct routine_packet *packet)
{
	struct rw_sfr *s = &state;

	if (packet->length < 14)
		return false;
	if (routine_is_own(packet))
		return true;
	s->stage = s->next_stage = 0;
	s->p.direction = packet->to_client ? RW_SIDE_PEER : RW_SIDE_CLIENT;
	s->p.length = packet->length;
	s->p.gso = packet->gso;
	s->p.from_ap = 0;
	s->p.tagged = packet->tagged;
	s->p.ifindex = packet->ifindex;
	return rw_judge(s, rw_memory.ctl);
}

void routine_count(uint32_t reason)
{
	rw_count(reason);
}
