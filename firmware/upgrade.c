// SPDX-License-Identifier: MIT
/*
 * The way from a former program to this process's, where not all of its maps can be used again: new ones know no policy,
 * and would deny everything. So the former program judges packets, by its own maps, until the agent has loaded its
 * policy into the new ones; then each port changes over with one update of its link.
 */
#include "ebpf.h"

/* After that an agent is not near: better no traffic than a policy that nobody answers for. Tests build one that waits 0 ms. */
#ifndef UPGRADE_WAIT_MS
#define UPGRADE_WAIT_MS 10000
#endif
#define WAIT_NS (UPGRADE_WAIT_MS * NS_PER_MS)

static uint64_t since_ns;

static bool former_filters(void)
{
	for (unsigned int i = 0; i < settings.port_count; i++) {
		struct port port = {
			.setting = &settings.ports[i],
			.ifindex = if_nametoindex(settings.ports[i].name),
		};

		if (port.ifindex && ebpf_former(&port) != ATTACH_NONE)
			return true;
	}
	return false;
}

bool upgrade_waits(void)
{
	return since_ns != 0;
}

bool upgrade_begin(void)
{
	if (pins_whole())
		return false;
	if (!former_filters()) {
		if (*pins_left()->why)
			say("the pinned table under %s does not fit (%s): replaced; %s", settings.pin, pins_left()->why,
			    left_text(pins_left()));
		return false;
	}
	say("the pinned table under %s does not fit (%s): the program before this one filters until the agent has loaded its "
	    "policy, %llu s at most",
	    settings.pin, pins_left()->why, WAIT_NS / NS_PER_S);
	since_ns = clock_ns();
	maps.clock_held = true;
	return true;
}

/* Pins first: whoever dies in between finds, the next time, maps that have the policy. */
static void upgrade_end(const char *why)
{
	uint64_t waited_ms = (clock_ns() - since_ns) / NS_PER_MS;

	since_ns = 0;
	pins_give();
	ports_switch();
	pins_commit();
	maps.clock_held = false;
	marks_again();
	say("replaced, after %llu ms, %s; %s", (unsigned long long)waited_ms, why, left_text(pins_left()));
}

void upgrade_ready(void)
{
	if (upgrade_waits())
		upgrade_end("since the agent has loaded its policy");
}

uint64_t upgrade_run(uint64_t now)
{
	if (upgrade_waits() && now >= since_ns + WAIT_NS)
		upgrade_end("WITHOUT A POLICY: no agent has loaded one, and nothing new passes until one has");
	return upgrade_waits() ? since_ns + WAIT_NS : NEVER;
}
