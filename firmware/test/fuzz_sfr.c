// SPDX-License-Identifier: MIT
/*
 * Any automata, any frames: no packet moves more cells than its lists have steps, no cell changes its remainder while it
 * lives, a free cell is nothing but zero, and what is denied has a reason.
 */
#include "host.h"

static u32 before[HOST_ROWS * 8];

static void check_cells(const struct rw_sfr *s)
{
	u32 at, now, changed = 0, timer_bits = rw_timer_bits(), timer_mask = (1 << timer_bits) - 1;
	struct rw_clock clock = rw_clock_at(host.ctl.fast, host.ctl.slow);

	for (at = 0; at < HOST_ROWS * 8; at++) {
		now = host_cell(at);
		if (now && !(now & rw_modulus()))
			abort();
		if (now == before[at])
			continue;
		changed++;
		if (before[at] && now && before[at] >> timer_bits != now >> timer_bits)
			abort();
		if (now && !rw_is_live(&clock, now & timer_mask))
			abort();
	}
	if (changed > RW_LEARN_STEPS + 1 || s->reason >= RW_REASONS)
		abort();
}

/* Codes that a compiler could have written: a live number of ticks. */
static void set_automata(const u8 *data, size_t size)
{
	u8 *bytes = (u8 *)&host.automata;
	struct rw_learn_step *step = &host.automata.learn[0][0];
	u32 i;

	for (i = 0; i + 3 <= size; i += 3)
		bytes[(data[i] << 8 | data[i + 1]) % sizeof(host.automata)] = data[i + 2];
	for (i = 0; i <= RW_LEARN_LISTS_MAX * RW_LEARN_STEPS; i++, step++)
		step->code = (step->code & 1u << rw_shape.tick_bits) | (1 + (step->code & 31) % rw_live_max());
}

/* Half of the frames are our client's, and IP: the fuzzer need not find that out. */
static void aim_frame(u8 *frame, u32 how)
{
	static const u8 mac[6] = { 2, 0, 0, 0, 0x0a, 1 };

	if (!(how & 2))
		return;
	memcpy(frame + (how & 1 ? 0 : 6), mac, 6);
	if (!(how & 4))
		return;
	frame[12] = how & 8 ? 0x86 : 8;
	frame[13] = how & 8 ? 0xdd : 0;
	if (how & 16 && !(how & 8))
		frame[14] = 0x45, frame[16] = frame[17] = frame[20] = 0, frame[17] = 40, frame[23] = how & 32 ? 6 : 17;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct rw_sfr s;
	static u8 frame[256];
	size_t automata, length;
	u32 at;

	if (size < 8)
		return 0;
	rw_shape.wide = data[0] & 1;
	rw_shape.remainder_bits = rw_shape.wide ? (data[0] & 2 ? 26 : 4) : 12;
	rw_shape.tick_bits = rw_shape.wide ? 5 : 3;
	rw_atomics = data[0] >> 2 & 1;
	host_begin();
	host.ctl.mode = data[0] >> 3 & 1;
	host.ctl.pickup = data[0] >> 4 & 1;
	host.ctl.write_through = data[0] >> 5 & 1 ? 0xff : 0;
	host.ctl.fast = data[1] % rw_modulus();
	host.ctl.slow = data[2] % rw_modulus();
	host.clients[0].from = data[3];
	host.filter.in = data[4];
	automata = data[5];
	data += 6, size -= 6;
	if (automata > size)
		return 0;
	set_automata(data, automata);
	data += automata, size -= automata;
	while (size > 2) {
		length = data[0];
		if (length < 14 || length + 2 > size)
			return 0;
		for (at = 0; at < HOST_ROWS * 8; at++)
			before[at] = host_cell(at);
		memcpy(frame, data + 2, length);
		if (length >= 24)
			aim_frame(frame, data[1]);
		if (!host_judge(&s, frame, length, data[1] & 1) && !s.reason)
			abort();
		check_cells(&s);
		data += length + 2, size -= length + 2;
	}
	return 0;
}
