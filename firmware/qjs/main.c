// SPDX-License-Identifier: MIT
/*
 * roamwall-qjs: the agent and the command line without Node.
 *
 *   roamwall-qjs [--bundle FILE] [--memory MIB] [ARGUMENT...]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"

#ifndef BUNDLE_DEFAULT
#define BUNDLE_DEFAULT "/usr/lib/roamwall/roamwall-qjs.js"
#endif

#define EXIT_USAGE 2
#define MEMORY_MIB_LEAST 4
#define MEMORY_MIB_MOST 4095

static int refuse(const char *option, const char *accepted)
{
	fprintf(stderr, "roamwall-qjs: %s; accepted: %s\n", option, accepted);
	return EXIT_USAGE;
}

/* What follows the host's own options belongs to the bundle. 0, or the exit code. */
static int read_options(int argc, char **argv, struct engine_options *options)
{
	int at = 1;

	for (; at < argc; at += 2) {
		bool is_bundle = !strcmp(argv[at], "--bundle"), is_memory = !strcmp(argv[at], "--memory");
		char *end;
		long mib;

		if (!is_bundle && !is_memory)
			break;
		if (at + 1 == argc)
			return refuse(argv[at], "--bundle FILE, --memory MIB");
		if (is_bundle) {
			options->bundle = argv[at + 1];
			continue;
		}
		mib = strtol(argv[at + 1], &end, 10);
		if (*end || mib < MEMORY_MIB_LEAST || mib > MEMORY_MIB_MOST)
			return refuse("--memory", "4 to 4095 (MiB)");
		options->memory_bytes = (size_t)mib << 20;
	}
	options->argc = argc - at;
	options->argv = argv + at;
	return 0;
}

int main(int argc, char **argv)
{
	struct engine_options options = { .bundle = BUNDLE_DEFAULT };
	int wrong = read_options(argc, argv, &options);

	if (wrong)
		return wrong;
	if (!loop_start() || !engine_start(&options))
		return EXIT_FAILURE;
	if (engine_run_file(options.bundle))
		loop_run();
	loop_stop();
	timers_stop();
	engine_stop();
	return exit_code;
}
