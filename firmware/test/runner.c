// SPDX-License-Identifier: MIT
/*
 * Runs frames through the kernel's program for tests. Reads commands on stdin in the framing of the stream (abi.h),
 * those of roamwalld that fill maps and those of records.h; answers each RUN on stdout with verdict, changed cells and ring
 * events. The clock is what SET_CTL says.
 *
 *   runner OBJECT BUCKET_BITS REMAINDER_BITS ATOMICS MIRRORS SLOTS SEED0 SEED1 SEED2 SEED3
 *
 * Remainders of 12 bits lie in cells of 16 bits, all others in cells of 32.
 */
#include <linux/bpf.h>

#include "runner_maps.h"

/* of an answer */
#define RESULT 100

struct result {
	int32_t verdict;
	uint32_t cb; /* reason, type, monitored, slot: see rw_end() */
	uint32_t cells; /* struct rw_event_cells[] follow */
	uint32_t events; /* then struct rw_ring_event[] */
	uint32_t dirty; /* a bit for each of the first 32 dirty bytes; they are cleared */
	struct rw_half_open half_open; /* of the slot */
};

#define OUT_ROOM (1 << 20)

static struct ring_buffer *ring;
static uint8_t out[OUT_ROOM], events[OUT_ROOM];
static uint32_t events_count;

static int on_ring(void *context, void *data, size_t bytes)
{
	(void)context;
	const size_t event = sizeof(struct rw_ring_event);

	/* the frame behind it is what was given to judge */
	if (bytes >= event && (events_count + 1) * event <= sizeof(events))
		memcpy(events + events_count++ * event, data, event);
	return 0;
}

static void answer(uint16_t kind, size_t bytes)
{
	struct rw_stream_header header = { .kind = kind, .bytes = sizeof(header) + bytes };

	fwrite(&header, sizeof(header), 1, stdout);
	fwrite(out, bytes, 1, stdout);
}

/* Cells and owners that differ from what was last reported. */
static size_t report_changes(uint8_t *at)
{
	size_t table_bytes = (size_t)cells * (shape.wide ? 4 : 2), count = 0;
	struct rw_event_cells entry = {};

	if (!memcmp(table, shadow_table, table_bytes) && !memcmp(owners, shadow_owners, (size_t)cells * 2))
		return 0;
	for (uint32_t i = 0; i < cells; i++) {
		uint16_t owner = ((uint16_t *)owners)[i];

		if (cell_at(table, i) == cell_at(shadow_table, i) && owner == ((uint16_t *)shadow_owners)[i])
			continue;
		entry.coordinate = i;
		entry.cell = cell_at(table, i);
		entry.owner = owner;
		memcpy(at + count++ * sizeof(entry), &entry, sizeof(entry));
	}
	memcpy(shadow_table, table, table_bytes);
	memcpy(shadow_owners, owners, (size_t)cells * 2);
	return count;
}

static void run(uint16_t kind, const uint8_t *body, size_t bytes)
{
	static uint8_t frame_out[65536];
	static int programs[2];
	struct __sk_buff in = {}, back = {};
	struct result result = {};
	struct run how;

	memcpy(&how, body, sizeof(how));
	in.cb[0] = how.tagged;
	in.cb[1] = how.ifindex;
	in.gso_size = how.gso ? 1000 : 0;
	in.ingress_ifindex = how.from_ap ? 0 : 77;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = body + sizeof(how), .data_size_in = bytes - sizeof(how),
		    .data_out = frame_out, .data_size_out = sizeof(frame_out), .ctx_in = &in,
		    .ctx_size_in = sizeof(in), .ctx_out = &back, .ctx_size_out = sizeof(back),
		    .repeat = kind == BENCH ? (int)how.repeat : 1);
	if (!programs[0]) {
		programs[0] = bpf_program__fd(bpf_object__find_program_by_name(object, "rw_from_client"));
		programs[1] = bpf_program__fd(bpf_object__find_program_by_name(object, "rw_to_client"));
	}
	if (bpf_prog_test_run_opts(programs[how.direction & 1], &opts))
		die("test run of %zu bytes: %s", bytes - sizeof(how), strerror(errno));
	if (kind == BENCH) {
		memcpy(out, &opts.duration, 4);
		answer(BENCH, 4);
		return;
	}
	events_count = 0;
	ring_buffer__consume(ring);
	result.verdict = (int32_t)opts.retval;
	result.cb = back.cb[2];
	result.cells = report_changes(out + sizeof(result));
	result.events = events_count;
	result.dirty = take_dirty();
	if (result.cb >> 16 < slots)
		result.half_open = half_open[result.cb >> 16];
	memcpy(out, &result, sizeof(result));
	bytes = sizeof(result) + result.cells * sizeof(struct rw_event_cells);
	memcpy(out + bytes, events, events_count * sizeof(struct rw_ring_event));
	answer(RESULT, bytes + events_count * sizeof(struct rw_ring_event));
}

static void read_counters(void)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t *sums = (uint64_t *)out, *each = calloc(cpus, 24);
	uint32_t index;

	memset(out, 0, (RW_COUNTERS + slots * 3) * 8);
	for (index = 0; index < RW_COUNTERS; index++) {
		bpf_map_lookup_elem(map_fd("denied_counters"), &index, each);
		for (int cpu = 0; cpu < cpus; cpu++)
			sums[index] += each[cpu];
	}
	for (index = 0; index < slots; index++) {
		bpf_map_lookup_elem(map_fd("client_counters"), &index, each);
		for (int i = 0; i < cpus * 3; i++)
			sums[RW_COUNTERS + index * 3 + i % 3] += each[i];
	}
	free(each);
	answer(READ_COUNTERS, (RW_COUNTERS + slots * 3) * 8);
}

static void obey(uint16_t kind, const uint8_t *body, size_t bytes)
{
	uint32_t zero = 0;

	switch (kind) {
	case RUN:
	case BENCH:
		return run(kind, body, bytes);
	case SET_CTL:
		memcpy(ctl, body, sizeof(*ctl));
		return;
	case RW_COMMAND_LOAD_AUTOMATA:
		return map_set("automata", &zero, body);
	case RW_COMMAND_SET_CLIENT:
		return map_set("clients", body, body + 8);
	case RW_COMMAND_DELETE_CLIENT:
		bpf_map_delete_elem(map_fd("clients"), body);
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
		return map_set("ports", body, body + 4);
	case OWN_MACS:
		return set_keys("own_macs", body, bytes, 8);
	case LOCAL_ADDRESSES:
		return set_keys("local_addrs", body, bytes, 16);
	case SET_USED:
		return map_set("used", body, body + 4);
	case SET_CELLS:
		return set_cells(body, bytes);
	case SET_HALF_OPEN:
		memcpy(opener, body, cells);
		memcpy(half_open, body + cells, slots * sizeof(*half_open));
		return;
	case READ_COUNTERS:
		return read_counters();
	case RESET:
		return reset();
	default:
		die("unknown command %u", kind);
	}
}

int main(int argc, char **argv)
{
	static uint8_t body[1 << 20] __attribute__((aligned(8)));
	struct rw_stream_header header;

	if (argc != 11)
		die("OBJECT BUCKET_BITS REMAINDER_BITS ATOMICS MIRRORS SLOTS SEED0 SEED1 SEED2 SEED3");
	load(argv);
	ring = ring_buffer__new(map_fd("events"), on_ring, NULL, NULL);
	if (!ring)
		die("out of memory");
	setvbuf(stdout, NULL, _IOFBF, 1 << 20);
	while (fread(&header, sizeof(header), 1, stdin) == 1) {
		size_t bytes = header.bytes - sizeof(header);

		if (header.bytes < sizeof(header) || bytes > sizeof(body) || fread(body, 1, bytes, stdin) != bytes)
			die("command %u: %u bytes cannot be", header.kind, header.bytes);
		obey(header.kind, body, bytes);
		if (header.kind == READ_COUNTERS || header.kind == BENCH)
			fflush(stdout);
	}
	fflush(stdout);
	return 0;
}
