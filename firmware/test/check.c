// SPDX-License-Identifier: MIT
/* Host tests of the routines: numbered rows, each a rule. `make check` runs them with the sanitizers on. */
#include "host.h"

static u32 failures, row;

#define CHECK(rule, condition)                                                          \
	do {                                                                            \
		row++;                                                                  \
		if (!(condition)) {                                                     \
			failures++;                                                     \
			printf("not ok %u %s (%s:%d)\n", row, rule, __FILE__, __LINE__);   \
		}                                                                       \
	} while (0)

/* Frames of every shape that the parser knows; `headers`: bytes without which the frame cannot be judged. */
static const struct {
	const char *what;
	u32 headers;
	const char *hex;
} shapes[] = {
	{ "IPv4 TCP", 54,
	  "020000000b01020000000a0108004500002c000100004006000" "00a0000010a01000104000050000000010000000050020000000000"
	  "0001020304" },
	{ "IPv4 UDP with options", 46,
	  "020000000b01020000000a010800460000240001000040110000" "0a0000010a010001010101010400003500"
	  "0c00000102030405060708" },
	{ "IPv4 echo", 42,
	  "020000000b01020000000a010800450000200001000040010000" "0a0000010a01000108000000123400010102030400000000" },
	{ "IPv4 fragment tail", 34, "020000000b01020000000a0108004500001c0001000a40110000" "0a0000010a0100010102030405060708" },
	{ "IPv4 error about TCP", 70,
	  "020000000b01020000000a0108004500003800010000400100000a0000010a0100010303000000000000"
	  "45000028000100004006" "00000a0100010a000001005004000000000100000000" },
	{ "IPv6 UDP behind hop-by-hop", 70,
	  "020000000b01020000000a0186dd600000000014004020010db8000000000000000000000001"
	  "20010db8000100000000000000000001" "11000502000001000400003500" "0c0000" "01020304" },
	{ "IPv6 echo", 62,
	  "020000000b01020000000a0186dd60000000000c3a4020010db8000000000000000000000001"
	  "20010db8000100000000000000000001" "800000001234000101020304" },
	{ "IPv6 fragment head", 82,
	  "020000000b01020000000a0186dd60000000001c2c4020010db8000000000000000000000001"
	  "20010db8000100000000000000000001" "060000010000000a" "0400005000000001000000005002000000000000" },
	{ "IPv6 error about UDP", 110,
	  "020000000b01020000000a0186dd6000000000383a4020010db8000000000000000000000001"
	  "20010db8000100000000000000000001" "0100000000000000"
	  "60000000000811402001" "0db800010000000000000000000120010db8000000000000000000000001" "0035040000080000" },
	{ "tagged IPv4 UDP", 46,
	  "020000000b01020000000a01810000070800450000200001000040110000" "0a0000010a0100010400003500"
	  "0c000001020304" },
};

static u32 from_hex(const char *hex, u8 *out)
{
	u32 n = 0;

	for (; hex[0] && hex[1]; hex += 2)
		sscanf(hex, "%2hhx", &out[n++]);
	return n;
}

/* What the parser says about the frame, over two kinds of leftovers. */
static int read_both(struct rw_packet *p, const u8 *frame, u32 length, u32 direction)
{
	static struct rw_packet other;
	int reason = host_read(p, frame, length, direction, 0), again = host_read(&other, frame, length, direction, 0xff);

	CHECK("what lies behind the captured bytes changes nothing",
	      reason == again && (reason || (p->class == other.class && p->sub == other.sub &&
					     p->client_port == other.client_port && p->fragment == other.fragment)));
	return reason;
}

static u32 ip_end(const u8 *frame)
{
	u32 at = frame[12] == 0x81 ? 18 : 14;

	return at + (frame[at] >> 4 == 4 ? frame[at + 3] : 40 + frame[at + 5]);
}

static void check_shapes(void)
{
	static struct rw_packet p;
	u8 frame[256];
	u32 i, cut, length;

	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		length = from_hex(shapes[i].hex, frame);
		CHECK(shapes[i].what, read_both(&p, frame, length, RW_SIDE_PEER) == 0 && p.family);
		if (frame[12] != 0x81)
			CHECK(shapes[i].what, read_both(&p, frame, length, RW_SIDE_CLIENT) == 0 && p.family);
		for (cut = 0; cut < length; cut++) {
			int reason = read_both(&p, frame, cut, RW_SIDE_PEER);

			/* Behind the IP packet's end there is but padding. */
			CHECK("a frame cut anywhere in its packet is malformed",
			      reason == (cut < ip_end(frame) ? RW_REASON_MALFORMED : 0));
		}
	}
}

/* Shortens the IP length too: the packet is whole, its headers are not. */
static void check_lying_headers(void)
{
	static struct rw_packet p;
	u8 frame[256];
	u32 i, cut;

	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		u32 at = 14;

		from_hex(shapes[i].hex, frame);
		if (frame[12] == 0x81)
			at = 18;
		for (cut = at + (frame[at] >> 4 == 4 ? 20 : 40); cut < shapes[i].headers; cut++) {
			if (frame[at] >> 4 == 4)
				frame[at + 2] = 0, frame[at + 3] = cut - at;
			else
				frame[at + 4] = 0, frame[at + 5] = cut - at - 40;
			CHECK("a packet that ends within its headers is malformed",
			      read_both(&p, frame, cut, RW_SIDE_PEER) == RW_REASON_MALFORMED);
		}
	}
}

static void check_timers(void)
{
	struct rw_clock clock;
	u32 now, code, timer;

	for (now = 0; now < 31; now++) {
		clock = rw_clock_at(now, (now * 7) % 31);
		CHECK("a free cell is never live", !rw_is_live(&clock, 0) && !rw_is_live(&clock, 32));
		for (code = 1; code < 26; code++) {
			timer = rw_timer_of(&clock, code);
			CHECK("a timer's rank is its code", rw_is_live(&clock, timer) && rw_rank(&clock, timer) == code);
			timer = rw_timer_of(&clock, code | 32);
			CHECK("a timer's rank is its code", rw_is_live(&clock, timer) && rw_rank(&clock, timer) == (code | 32));
		}
		for (code = 26; code < 31; code++)
			CHECK("what has passed is not live", !rw_is_live(&clock, rw_timer_of(&clock, code)));
	}
	CHECK("the later expiry wins", rw_merge(5, 9) == 9 && rw_merge(9, 5) == 9 && rw_merge(40, 24) == 40);
	CHECK("a last slow tick never cuts a fast lifetime", rw_merge(32, 24) == 33);
}

static void check_lowest(void)
{
	u32 i;

	for (i = 0; i < 32; i++)
		CHECK("the lowest bit is found", rw_lowest(1u << i) == i && rw_lowest(~0u << i) == i);
}

/* A full bucket refuses, and nobody's cell moves. */
static void check_no_eviction(void)
{
	static u32 before[HOST_ROWS * 8];
	struct rw_clock clock = rw_clock_at(0, 0);
	u32 stored = 0, refused = 0, i, at;
	struct rw_hit hit;

	host_begin();
	for (i = 1; i <= 4000; i++) {
		struct rw_change change = { .x = i * 0x12345ull & 0x7fffffff, .op = RW_OP_MAX, .code = 20, .slot = 3 };

		for (at = 0; at < HOST_ROWS * 8; at++)
			before[at] = host_cell(at);
		if (rw_try_change(&change, &clock) == RW_STORED) {
			stored++;
			CHECK("what is stored is found", rw_find(change.x, &clock, RW_OWN_TABLE, &hit, 0) && hit.timer == 21);
		} else {
			refused++;
		}
		for (at = 0; at < HOST_ROWS * 8; at++)
			if (before[at] && before[at] != host_cell(at))
				failures++, printf("not ok: cell %u was overwritten\n", at);
	}
	CHECK("the table fills to nine tenths before it refuses", stored >= HOST_ROWS * 8 * 9 / 10);
	CHECK("a full table refuses", refused > 0 && stored <= HOST_ROWS * 8);
}

static void check_conversation(void)
{
	static struct rw_sfr s;
	u8 syn[64], back[64];
	u32 length = from_hex(shapes[0].hex, syn), i;

	host_begin();
	memcpy(back, syn, length);
	for (i = 0; i < 6; i++)
		back[i] = syn[6 + i], back[6 + i] = syn[i];
	for (i = 0; i < 4; i++)
		back[26 + i] = syn[30 + i], back[30 + i] = syn[26 + i];
	for (i = 0; i < 2; i++)
		back[34 + i] = syn[36 + i], back[36 + i] = syn[34 + i];
	back[47] = 0x12;
	CHECK("an answer that nobody asked for is denied", !host_judge(&s, back, length, 1) && s.reason == RW_REASON_STATE);
	host.filter.out = 0;
	CHECK("and no rule, no flow", !host_judge(&s, syn, length, 0) && s.reason == RW_REASON_ACL);
	host.filter.out = 1 << (RW_PEER_ANY * 3 + RW_SERVICE_ANY);
	CHECK("a SYN opens", host_judge(&s, syn, length, 0) && s.slot == 1);
	CHECK("its SYN-ACK passes", host_judge(&s, back, length, 1));
	syn[47] = back[47] = 0x10;
	CHECK("data passes", host_judge(&s, syn, length, 0) && host_judge(&s, back, length, 1));
	host.filter.out = 0;
	CHECK("until the rule goes", !host_judge(&s, syn, length, 0) && s.reason == RW_REASON_ACL);
	syn[11] ^= 1;
	CHECK("nobody else's MAC has that flow", !host_judge(&s, syn, length, 0) && s.reason == RW_REASON_UNKNOWN);
}

int main(void)
{
	check_shapes();
	check_lying_headers();
	check_timers();
	check_lowest();
	check_no_eviction();
	rw_atomics = 1;
	check_no_eviction();
	check_conversation();
	printf("%u checks, %u failed\n", row, failures);
	return failures != 0;
}
