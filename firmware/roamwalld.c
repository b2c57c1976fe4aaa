// SPDX-License-Identifier: MIT
/* Start in order, run, stop in reverse. */
#include "datapath.h"
#include "nfqueue.h"

int main(int argc, char **argv)
{
	uint64_t started_ns = clock_ns();

	options_parse(argc, argv);
	if (settings.print_rules) {
		rules_print();
		return EXIT_OK;
	}
	if (settings.remove) {
		datapath_remove();
		return EXIT_OK;
	}
	datapath_choose();
	key_read();
	loop_start();
	datapath->lock();
	datapath->load();
	sweep_start();
	ports_start(started_ns);
	datapath->commit();
	datapath_leave_other();
	agent_start();
	datapath->listen();
	say("ready: %u of %u ports filtered, table %s", ports_attached(), settings.port_count,
	    maps.picked_up ? "picked up" : "new");
	loop_run(datapath->run);
	agent_stop();
	datapath->stop();
	return EXIT_OK;
}
