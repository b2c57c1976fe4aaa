/* SPDX-License-Identifier: MIT */
/*
 * What tests say to the routine, in the framing of the stream beside roamwalld's own commands: to the program in the
 * kernel (runner.c) and to the routine in user space on any CPU (vectors.c). Where only one of them knows a record, or
 * its body differs, the line says so.
 */
#ifndef ROAMWALL_TEST_RECORDS_H
#define ROAMWALL_TEST_RECORDS_H

#include "../abi.h"

enum {
	RUN = 100, /* struct run, frame; vectors: struct answer before the frame */
	SET_CTL = 101, /* struct rw_ctl */
	SET_PORT = 102, /* u32 ifindex, struct rw_port */
	OWN_MACS = 103, /* struct rw_client_key[] */
	LOCAL_ADDRESSES = 104, /* 16 bytes[] */
	SET_USED = 105, /* u32 slot, u32 cells */
	SET_CELLS = 106, /* struct rw_event_cells[]: into the own table */
	READ_COUNTERS = 107, /* runner; answer: u64[32], then struct rw_client_counters[slots] */
	BENCH = 108, /* struct run, frame; the runner answers: u32 ns a packet */
	RESET = 109, /* all tables as after loading */
	SET_HALF_OPEN = 110, /* u8 opener[cells], struct rw_half_open[slots] */
	SHAPE = 200, /* vectors: struct shape; before all others */
	CHECK = 201, /* vectors: struct check */
};

/* Before a frame. The runner repeats it as it is; with `vary` the vectors' repetitions have a source port each. */
struct run {
	__u8 direction, tagged, from_ap, gso, vary, pad[3];
	__u32 ifindex, repeat;
};

/* Filters that a test may have, and the words of each. */
#define FILTERS 64
#define FILTER_WORDS 512

/* What the maps hold of a filter; each has a place of its own, so that none is looked for. */
static inline struct rw_filter filter_of(const struct rw_command_set_filter *of)
{
	return (struct rw_filter){
		.base = of->id * FILTER_WORDS,
		.bits = of->bits,
		.seed = of->seed,
		.probes = of->probes,
		.out = of->out,
		.in = of->in,
	};
}

#endif
