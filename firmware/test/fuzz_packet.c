// SPDX-License-Identifier: MIT
/* Any bytes as a frame: the parser stays within them, and does not live on what lies behind. */
#include "host.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct rw_packet p, again;
	u32 direction, length;
	int reason;

	if (size < 3 || size > 600)
		return 0;
	direction = data[0] & 1;
	/* A capture may be shorter than the frame was, never longer. */
	length = size - 1;
	host.port.flags = data[0] >> 1 & 1;
	reason = host_read(&p, data + 1, length, direction, 0);
	if (host_read(&again, data + 1, length, direction, 0xff) != reason)
		abort();
	if (reason)
		return 0;
	if (p.ethertype != again.ethertype || p.family != again.family || p.group != again.group)
		abort();
	if (!p.family)
		return 0;
	if (p.class >= RW_CLASSES || p.headers > RW_EXTENSIONS_MAX + 1 || p.limit > length + RW_FRAME_AT)
		abort();
	if (memcmp(p.client, again.client, 32) || p.client_port != again.client_port || p.peer_port != again.peer_port ||
	    p.class != again.class || p.sub != again.sub || p.proto != again.proto || p.fragment != again.fragment)
		abort();
	return 0;
}
