// SPDX-License-Identifier: MIT
/*
 * The routine of user space against vectors that the model has answered, on any CPU. Reads records in the framing of the
 * stream, all numbers in little endian, on stdin; says on stdout how many packets there were and how many answers were
 * wrong. BENCH records have no answers: they only take time, for an emulator to count.
 *
 * With -DFREESTANDING it needs no library: for CPUs without an FPU, for which Debian has none (MIPS).
 */
#include "vector_tables.h"
#include "bare.h"

struct answer {
	u8 pass, reason, type, monitored;
	u16 slot, pad;
	u32 half_open[2];
};

/* Of the whole table (cell, owner, opener, by coordinate), and of the bytes of all events since the last one. */
struct check {
	u32 table, events;
};

#define FILE_BYTES (16 << 20)
#define PRIME 16777619u

static u8 file[FILE_BYTES] __attribute__((aligned(8)));
static u32 packets, wrong, first_wrong, events_digest;

void rw_memory_event(const struct rw_ring_event *event, u32 bytes)
{
	struct rw_ring_event of = *event;
	const u8 *at = (const u8 *)&of;
	u32 i;

	(void)bytes;
	native(&of, "111122411111111444444442211" "11444");
	for (i = 0; i < sizeof(of); i++)
		events_digest = (events_digest ^ at[i]) * PRIME;
}

static char *put_number(char *at, u32 number)
{
	char digits[12];
	int count = 0;

	do
		digits[count++] = '0' + number % 10;
	while (number /= 10);
	while (count)
		*at++ = digits[--count];
	return at;
}

static void say_result(void)
{
	char text[64], *at = text;

	at = put_number(at, packets);
	*at++ = ' ';
	at = put_number(at, wrong);
	*at++ = ' ';
	at = put_number(at, first_wrong);
	*at++ = '\n';
	write_all(text, (u32)(at - text));
}

static int judge(const struct run *how, const u8 *frame, u32 length, u32 turn)
{
	struct routine_packet packet = {
		.length = length,
		.ifindex = how->ifindex,
		.to_client = how->direction,
		.tagged = how->tagged,
		.gso = how->gso,
	};
	u8 *to = routine_frame();

	__builtin_memset(to, 0, RW_PARSE_BYTES);
	__builtin_memcpy(to, frame, length < RW_PARSE_BYTES ? length : RW_PARSE_BYTES);
	if (how->vary)
		to[34] ^= turn >> 8, to[35] ^= turn;
	return routine_judge(&packet);
}

static void run(u8 *body, u32 bytes)
{
	struct run *how = (struct run *)body;
	struct answer *answer = (struct answer *)(how + 1);
	const u32 head = sizeof(*how) + sizeof(*answer);
	int pass, same;

	native(how, "1111111144");
	native(answer, "11112244");
	pass = judge(how, body + head, bytes - head, 0);
	same = pass == answer->pass;
	/* a frame too short for a header is no packet: there is nothing to compare */
	if (bytes - head >= 14) {
		same &= state.reason == answer->reason && state.type == answer->type && state.slot == answer->slot &&
			state.monitored == answer->monitored;
		same &= half_open[state.slot].by[0] == answer->half_open[0] &&
			half_open[state.slot].by[1] == answer->half_open[1];
	}
	packets++;
	if (!same && !wrong++)
		first_wrong = packets;
}

static void bench(u8 *body, u32 bytes)
{
	struct run *how = (struct run *)body;
	u32 turn;

	native(how, "1111111144");
	for (turn = 0; turn < how->repeat; turn++)
		packets += judge(how, body + sizeof(*how), bytes - sizeof(*how), turn) >= 0;
}

static void check(struct check *expected)
{
	u32 digest = 1, i;

	native(expected, "44");
	for (i = 0; i < cells; i++) {
		digest = (digest ^ (rw_shape.wide ? ((u32 *)table)[i] : ((u16 *)table)[i])) * PRIME;
		digest = (digest ^ owner[i]) * PRIME;
		digest = (digest ^ opener[i]) * PRIME;
	}
	if ((digest != expected->table || events_digest != expected->events) && !wrong++)
		first_wrong = packets;
	events_digest = 1;
}

static void obey(u32 kind, u8 *body, u32 bytes)
{
	switch (kind) {
	case SHAPE:
		return set_shape((struct shape *)body);
	case RESET:
		return reset();
	case RUN:
		return run(body, bytes);
	case BENCH:
		return bench(body, bytes);
	case CHECK:
		return check((struct check *)body);
	case SET_CTL:
		native(body, "44444444" "8" "44444444");
		__builtin_memcpy(&ctl, body, sizeof(ctl));
		return;
	case RW_COMMAND_LOAD_AUTOMATA:
		__builtin_memcpy(&automata, body, sizeof(automata));
		return;
	case RW_COMMAND_SET_CLIENT:
		return set_client(body);
	case RW_COMMAND_DELETE_CLIENT:
		rw_keyed_drop(rw_memory.clients, body);
		return;
	case RW_COMMAND_SET_FILTER:
		return set_filter(body, bytes);
	case RW_COMMAND_SET_ZONES:
		return set_zones(body, bytes);
	case RW_COMMAND_SET_SERVICES:
		return set_services(body, bytes);
	case RW_COMMAND_MIRROR_CELLS:
		return mirror_cells(body, bytes);
	case SET_PORT:
		return set_port(body);
	case OWN_MACS:
		return;
	case LOCAL_ADDRESSES:
		return set_local(body, bytes);
	case SET_USED:
		return set_used(body);
	case SET_CELLS:
		return set_cells(body, bytes);
	case SET_HALF_OPEN:
		return set_half_open(body);
	default:
		wrong++;
	}
}

static int run_all(void)
{
	/* where unaligned access is forbidden, records lie as they need it */
	static u8 body[1 << 19] __attribute__((aligned(8)));
	u32 size = 0, at = 0;
	long got;

	while (size < FILE_BYTES && (got = read_some(file + size, FILE_BYTES - size)) > 0)
		size += (u32)got;
	events_digest = 1;
	while (at + sizeof(struct rw_stream_header) <= size) {
		struct rw_stream_header header;

		__builtin_memcpy(&header, file + at, sizeof(header));
		native(&header, "224");
		if (header.bytes < sizeof(header) || header.bytes > size - at || header.bytes > sizeof(body)) {
			wrong++;
			break;
		}
		__builtin_memcpy(body, file + at + sizeof(header), header.bytes - sizeof(header));
		obey(header.kind, body, header.bytes - sizeof(header));
		at += header.bytes;
	}
	say_result();
	return wrong || !packets;
}
