// SPDX-License-Identifier: MIT
/* Which datapath, and its tables that are reached by key. */
#include "datapath.h"
#include "ebpf.h"

struct maps maps;
const struct datapath *datapath = &datapath_ebpf;

void datapath_choose(void)
{
	datapath->check();
}

int keyed_get(enum keyed table, const void *key, void *value)
{
	return datapath->get(table, key, value);
}

int keyed_put(enum keyed table, const void *key, const void *value)
{
	return datapath->put(table, key, value);
}

int keyed_drop(enum keyed table, const void *key)
{
	return datapath->drop(table, key);
}

int keyed_next(enum keyed table, const void *key, void *next)
{
	return datapath->next(table, key, next);
}

unsigned int counter_copies(void)
{
	return datapath->copies();
}
