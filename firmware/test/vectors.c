// SPDX-License-Identifier: MIT
/*
 * The routine of user space against vectors that the model has answered, on any CPU. Reads records in the framing of the
 * stream, all numbers in little endian, on stdin; says on stdout how many packets there were and how many answers were
 * wrong. BENCH records have no answers: they only take time, for an emulator to count.
 *
 * With -DFREESTANDING it needs no library: for CPUs without an FPU, for which Debian has none (MIPS).
 */
#include "../routine.c"
#include "records.h"

struct run {
	u8 direction, tagged, gso, vary; /* vary: each repetition has another source port */
	u32 ifindex, repeat;
};

struct answer {
	u8 pass, reason, type, monitored;
	u16 slot, pad;
	u32 half_open[2];
};

struct shape {
	u32 bucket_bits, remainder_bits, mirrors, slots, seeds[4];
};

/* Of the whole table (cell, owner, opener, by coordinate), and of the bytes of all events since the last one. */
struct check {
	u32 table, events;
};

#define FILE_BYTES (16 << 20)
#define CELLS_MAX (1 << 15)
#define MIRRORS_MAX 3
#define SLOTS_MAX 64
#define ENTRIES_MAX 256
#define PRIME 16777619u

static u8 file[FILE_BYTES] __attribute__((aligned(8)));
static u64 table[CELLS_MAX / 2], mirror[MIRRORS_MAX * CELLS_MAX / 2], used[SLOTS_MAX], denied[RW_COUNTERS];
static u64 filter_bits[FILTERS * FILTER_WORDS];
static u16 owner[CELLS_MAX];
static struct rw_service services[65536];
static u8 dirty[CELLS_MAX / RW_DIRTY_CELLS], opener[CELLS_MAX];
static struct rw_half_open half_open[SLOTS_MAX];
static struct rw_ctl ctl;
static struct rw_automata automata;
static struct rw_windows windows[SLOTS_MAX];
static struct rw_filter filters[RW_FILTERS_MAX];
static struct rw_client_counters counters[SLOTS_MAX];
static u32 zone_lengths[RW_PREFIX_LENGTHS];
/* as much as a keyed table of so many entries with the longest key and value takes */
static u64 keyed[6][(40 + ENTRIES_MAX * (4 + 8 + 20 + sizeof(struct rw_client))) / 8];
static u32 cells, packets, wrong, first_wrong, events_digest;

struct rw_memory rw_memory;
struct rw_shape rw_shape;

/* --- the machine --- */

#ifdef FREESTANDING
static long system_call(long number, long a, long b, long c)
{
	register long v0 asm("v0") = number, a0 asm("a0") = a, a1 asm("a1") = b, a2 asm("a2") = c, a3 asm("a3");

	asm volatile("syscall"
		     : "+r"(v0), "=r"(a3)
		     : "r"(a0), "r"(a1), "r"(a2)
		     : "memory", "at", "v1", "t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8", "t9", "hi", "lo");
	return a3 ? -1 : v0;
}

static long read_some(void *to, u32 bytes)
{
	return system_call(4003, 0, (long)to, bytes);
}

static void write_all(const char *text, u32 bytes)
{
	system_call(4004, 1, (long)text, bytes);
}

void *memcpy(void *to, const void *from, __SIZE_TYPE__ bytes)
{
	u8 *out = to;
	const u8 *in = from;

	while (bytes--)
		*out++ = *in++;
	return to;
}

void *memset(void *to, int value, __SIZE_TYPE__ bytes)
{
	u8 *out = to;

	while (bytes--)
		*out++ = (u8)value;
	return to;
}

int memcmp(const void *one, const void *other, __SIZE_TYPE__ bytes)
{
	const u8 *a = one, *b = other;

	for (; bytes; bytes--, a++, b++)
		if (*a != *b)
			return *a - *b;
	return 0;
}

/* What the compiler calls for shifts of 64 bits by a number that it does not know. */
union halves {
	u64 whole;
	struct {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		u32 high, low;
#else
		u32 low, high;
#endif
	} of;
};

u64 __lshrdi3(u64 value, int by)
{
	union halves v = { value };

	if (by >= 32)
		v.of.low = v.of.high >> (by - 32), v.of.high = 0;
	else if (by)
		v.of.low = v.of.low >> by | v.of.high << (32 - by), v.of.high >>= by;
	return v.whole;
}

u64 __ashldi3(u64 value, int by)
{
	union halves v = { value };

	if (by >= 32)
		v.of.high = v.of.low << (by - 32), v.of.low = 0;
	else if (by)
		v.of.high = v.of.high << by | v.of.low >> (32 - by), v.of.low <<= by;
	return v.whole;
}
#else
#include <unistd.h>

static long read_some(void *to, u32 bytes)
{
	return read(0, to, bytes);
}

static void write_all(const char *text, u32 bytes)
{
	if (write(1, text, bytes) != (ssize_t)bytes)
		_exit(1);
}
#endif

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

/* --- numbers of the file in this machine's order; `fields`: the bytes of each --- */

static void native(void *record, const char *fields)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	u8 *at = record;

	for (; *fields; fields++) {
		u32 bytes = *fields - '0', i;

		for (i = 0; i < bytes / 2; i++) {
			u8 other = at[i];

			at[i] = at[bytes - 1 - i];
			at[bytes - 1 - i] = other;
		}
		at += bytes;
	}
#else
	(void)record, (void)fields;
#endif
}

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

/* --- the tables --- */

static struct rw_keyed *keyed_table(u32 number, u32 key_bytes, u32 value_bytes)
{
	struct rw_keyed *t = (struct rw_keyed *)keyed[number];

	__builtin_memset(keyed[number], 0, sizeof(keyed[number]));
	rw_keyed_begin(t, ENTRIES_MAX, key_bytes, value_bytes, 1);
	return t;
}

static void table_put(struct rw_keyed *t, const void *key, const void *value)
{
	void *place = rw_keyed_insert(t, key);

	if (place)
		__builtin_memcpy(place, value, t->value_bytes);
}

static void keyed_tables(void)
{
	rw_memory.clients = keyed_table(0, sizeof(struct rw_client_key), sizeof(struct rw_client));
	rw_memory.ports = keyed_table(1, 4, sizeof(struct rw_port));
	rw_memory.own_macs = keyed_table(2, sizeof(struct rw_client_key), 4);
	rw_memory.local_addrs = keyed_table(3, 16, 4);
	rw_memory.zones = keyed_table(4, sizeof(struct rw_zone_key), 4);
	rw_memory.zones_1 = keyed_table(5, sizeof(struct rw_zone_key), 4);
}

static void reset(void)
{
	__builtin_memset(table, 0, sizeof(table));
	__builtin_memset(mirror, 0, sizeof(mirror));
	__builtin_memset(owner, 0, sizeof(owner));
	__builtin_memset(opener, 0, sizeof(opener));
	__builtin_memset(half_open, 0, sizeof(half_open));
	__builtin_memset(used, 0, sizeof(used));
	__builtin_memset(windows, 0, sizeof(windows));
	__builtin_memset(filters, 0, sizeof(filters));
	__builtin_memset(services, 0, sizeof(services));
	__builtin_memset(zone_lengths, 0, sizeof(zone_lengths));
	__builtin_memset(&automata, 0, sizeof(automata));
	__builtin_memset(&ctl, 0, sizeof(ctl));
	keyed_tables();
}

static void set_shape(struct shape *shape)
{
	u32 i;

	native(shape, "44444444");
	rw_shape.bucket_bits = shape->bucket_bits;
	rw_shape.remainder_bits = shape->remainder_bits;
	rw_shape.wide = shape->remainder_bits != 12;
	rw_shape.tick_bits = rw_shape.wide ? 5 : 3;
	cells = 32u << shape->bucket_bits;
	for (i = 0; i < 4; i++)
		rw_memory.seeds[i] = shape->seeds[i];
	rw_memory.mirrors = shape->mirrors;
	rw_memory.slots = shape->slots;
	rw_memory.filter_words = FILTERS * FILTER_WORDS;
	rw_memory.table = table;
	rw_memory.mirror = mirror;
	rw_memory.owner = owner;
	rw_memory.dirty = dirty;
	rw_memory.opener = opener;
	rw_memory.half_open = half_open;
	rw_memory.ctl = &ctl;
	rw_memory.automata = &automata;
	rw_memory.windows = windows;
	rw_memory.used = used;
	rw_memory.filters = filters;
	rw_memory.filter_bits = (u8 *)filter_bits;
	rw_memory.services = services;
	rw_memory.client_counters = counters;
	rw_memory.denied_counters = denied;
	rw_memory.zone_lengths = zone_lengths;
	keyed_tables();
}

static void set_cell(void *rows, u32 at, u32 cell)
{
	if (rw_shape.wide)
		((u32 *)rows)[at] = cell;
	else
		((u16 *)rows)[at] = (u16)cell;
}

static void set_filter(u8 *body, u32 bytes)
{
	struct rw_command_set_filter *of = (struct rw_command_set_filter *)body;
	struct rw_filter filter = { 0 };

	native(of, "4442222");
	if (of->id >= FILTERS || bytes - sizeof(*of) > FILTER_WORDS * 8)
		return;
	filter.base = of->id * FILTER_WORDS;
	filter.bits = of->bits;
	filter.seed = of->seed;
	filter.probes = of->probes;
	filter.out = of->out;
	filter.in = of->in;
	__builtin_memcpy(&filter_bits[filter.base], body + sizeof(*of), bytes - sizeof(*of));
	filters[of->id] = filter;
}

/* Lengths of prefixes that have gone stay: looks for them find nothing. */
static void set_zones(u8 *body, u32 bytes)
{
	struct rw_zone_entry *of = (struct rw_zone_entry *)(body + 4);
	struct rw_keyed **zones;

	native(body, "4");
	zones = *(u32 *)body ? &rw_memory.zones_1 : &rw_memory.zones;
	*zones = keyed_table(*(u32 *)body ? 5 : 4, sizeof(struct rw_zone_key), 4);
	for (bytes -= 4; bytes >= sizeof(*of); bytes -= sizeof(*of), of++) {
		struct rw_zone_key key;

		native(&of->prefix_bits, "44");
		key.prefix_bits = of->prefix_bits;
		__builtin_memcpy(key.address, of->address, sizeof(key.address));
		rw_zone_key_mask(&key);
		zone_lengths[key.prefix_bits]++;
		table_put(*zones, &key, &of->zone);
	}
}

static void set_services(u8 *body, u32 bytes)
{
	struct rw_service_entry *of = (struct rw_service_entry *)(body + 4);
	u32 generation, port;

	native(body, "4");
	generation = *(u32 *)body & 1;
	for (port = 0; port < 65536; port++)
		services[port].of[generation] = 0;
	for (bytes -= 4; bytes >= sizeof(*of); bytes -= sizeof(*of), of++) {
		native(of, "22");
		services[of->port].of[generation] = of->service;
	}
}

static void set_local(u8 *body, u32 bytes)
{
	u32 one = 1;

	rw_memory.local_addrs = keyed_table(3, 16, 4);
	for (; bytes >= 16; bytes -= 16, body += 16)
		table_put(rw_memory.local_addrs, body, &one);
}

static void set_client(u8 *body)
{
	native(body + 8, "2112222422" "22");
	table_put(rw_memory.clients, body, body + 8);
}

static void set_port(u8 *body)
{
	native(body, "422");
	table_put(rw_memory.ports, body, body + 4);
}

static void set_used(u8 *body)
{
	u32 *of = (u32 *)body;

	native(body, "44");
	__builtin_memcpy(&used[of[0]], &of[1], 4);
}

static void set_cells(u8 *body, u32 bytes)
{
	struct rw_event_cells *of = (struct rw_event_cells *)body;

	for (; bytes >= sizeof(*of); bytes -= sizeof(*of), of++) {
		native(of, "4422");
		set_cell(table, of->coordinate, of->cell);
		owner[of->coordinate] = of->owner;
	}
}

static void mirror_cells(u8 *body, u32 bytes)
{
	u32 number;

	native(body, "4");
	number = *(u32 *)body;
	for (body += 4, bytes -= 4; bytes >= 8; bytes -= 8, body += 8) {
		native(body, "44");
		set_cell(mirror, number * cells + ((u32 *)body)[0], ((u32 *)body)[1]);
	}
}

static void set_half_open(u8 *body)
{
	u32 i;

	__builtin_memcpy(opener, body, cells);
	__builtin_memcpy(half_open, body + cells, rw_memory.slots * sizeof(*half_open));
	for (i = 0; i < rw_memory.slots; i++)
		native(&half_open[i], "44");
}

/* --- packets --- */

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

	native(how, "111144");
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

	native(how, "111144");
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

#ifdef FREESTANDING
void __start(void)
{
	system_call(4001, run_all(), 0, 0);
}
#else
int main(void)
{
	return run_all();
}
#endif
