// SPDX-License-Identifier: MIT
/* nft-holds PORT...: whether the rules of these ports stand in nf_tables, as roamwalld asks at each tick. Exit code 1: no. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../../firmware/nfqueue.h"

struct settings settings;

void die(enum exit_code code, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	exit(code + 1);
}

int main(int count, char **names)
{
	for (int i = 1; i < count; i++)
		snprintf(settings.ports[settings.port_count++].name, sizeof(settings.ports[0].name), "%s", names[i]);
	return !nft_holds();
}
