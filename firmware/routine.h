/* SPDX-License-Identifier: MIT */
/* The routine over plain memory, packet by packet. Needs no library. */
#ifndef ROAMWALLD_ROUTINE_H
#define ROAMWALLD_ROUTINE_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"

enum { ROUTINE_FRAME_BYTES = RW_PARSE_BYTES };

/* A frame whose first bytes lie in routine_frame(). */
struct routine_packet {
	uint32_t length;
	uint32_t ifindex;
	bool to_client, tagged, gso;
	/* `to_client`, and it came from nowhere: routed and bridged packets have a netdev that they came by */
	bool no_origin;
};

uint8_t *routine_frame(void);
/* What the AP itself sends. */
bool routine_is_own(const struct routine_packet *packet);
/* True: it may pass. */
bool routine_judge(const struct routine_packet *packet);
/* A denial that is nobody's judgement. */
void routine_count(uint32_t reason);

#endif
