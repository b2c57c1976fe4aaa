// SPDX-License-Identifier: MIT
/* What is wrong with a record of the agent, before it touches a map: NULL, or the value and what is accepted. */
#include <stdarg.h>
#include <stdio.h>

#include "agent.h"

#define HOLD_MAX_MS 60000
#define FLUSH_MAX_MS 1000

const char *refusal(const char *format, ...)
{
	static char text[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return text;
}

static const char *automata_step_fault(const struct rw_learn_step *step)
{
	if (step->op > RW_OP_DROP || step->mark > RW_MARK_AGED || (step->ref & 3) > RW_RULE_OPPOSITE)
		return refusal("a step with ref %u, op %u, mark %u", step->ref, step->op, step->mark);
	if (step->op >= RW_OP_MAX && step->op <= RW_OP_MIN && !sweep_code_valid(step->code))
		return refusal("timer code %u: not of this geometry", step->code);
	if (step->op >= RW_OP_SET && settings.geometry.cell_bits == 16)
		return refusal("a step that shortens: not with 16-bit cells");
	return NULL;
}

static const char *automata_type_fault(const struct rw_packet_type *type)
{
	if (type->open >= RW_LEARN_LISTS_MAX || type->pickup >= RW_LEARN_LISTS_MAX)
		return refusal("a learn list beyond %d", RW_LEARN_LISTS_MAX - 1);
	for (int i = 0; i < RW_CANDIDATES_MAX; i++) {
		const struct rw_candidate *candidate = &type->candidate[i];

		if (candidate->learn >= RW_LEARN_LISTS_MAX || candidate->learn_alt >= RW_LEARN_LISTS_MAX)
			return refusal("a learn list beyond %d", RW_LEARN_LISTS_MAX - 1);
	}
	return NULL;
}

const char *automata_fault(const struct rw_automata *automata)
{
	const char *fault = automata_step_fault(&automata->head);

	for (int i = 0; !fault && i < RW_TYPES_MAX; i++)
		fault = automata_type_fault(&automata->type[i]);
	for (int i = 0; !fault && i < RW_LEARN_LISTS_MAX * RW_LEARN_STEPS; i++)
		fault = automata_step_fault(&automata->learn[i / RW_LEARN_STEPS][i % RW_LEARN_STEPS]);
	for (int i = 0; !fault && i < RW_CLASSES * 256; i++)
		if (automata->classify[i / 256][i % 256] >= RW_TYPES_MAX)
			fault = refusal("a packet type beyond %d", RW_TYPES_MAX - 1);
	return fault;
}

#define CLIENT_FLAGS (RW_CLIENT_MONITOR | RW_CLIENT_TRACE | RW_CLIENT_GENERATION)

const char *client_fault(const struct rw_client *client)
{
	if (client->slot > settings.clients)
		return refusal("slot %u: accepted are 0 to %u (--clients)", client->slot, settings.clients);
	if (client->presence > RW_PRESENCE_HERE || client->flags & ~CLIENT_FLAGS)
		return refusal("presence %u, flags %u: unknown", client->presence, client->flags);
	if (client->from >> settings.mirrors)
		return refusal("from 0x%x: there are %u mirrors", client->from, settings.mirrors);
	for (int i = 0; i < RW_CLIENT_FILTERS; i++)
		if (client->filter[i] >= RW_FILTERS_MAX && client->filter[i] != 0xffff)
			return refusal("filter %u: accepted are 0 to %d and 65535", client->filter[i],
				       RW_FILTERS_MAX - 1);
	return NULL;
}

const char *filter_fault(const struct rw_command_set_filter *filter, size_t data_bytes)
{
	if (filter->id >= RW_FILTERS_MAX)
		return refusal("filter %u: accepted are 0 to %d", filter->id, RW_FILTERS_MAX - 1);
	if (!filter->bits || filter->bits % 64 || filter->bits > 1u << 27)
		return refusal("%u bits: accepted are multiples of 64 up to 134217728", filter->bits);
	if (data_bytes != filter->bits / 8)
		return refusal("%zu bytes of bits: %u bits are %u bytes", data_bytes, filter->bits, filter->bits / 8);
	if (!filter->probes || filter->probes > RW_FILTER_PROBES_MAX)
		return refusal("%u probes: accepted are 1 to %d", filter->probes, RW_FILTER_PROBES_MAX);
	if ((filter->out | filter->in) >> RW_TEMPLATES)
		return refusal("templates 0x%x, 0x%x: there are %d", filter->out, filter->in, RW_TEMPLATES);
	return NULL;
}

const char *mirror_fault(uint32_t mirror)
{
	if (mirror < settings.mirrors)
		return NULL;
	return refusal("mirror %u: accepted are 0 to %u", mirror, settings.mirrors - 1);
}

const char *slot_fault(uint32_t slot)
{
	if (slot <= settings.clients || slot == RW_SLOT_SHARED)
		return NULL;
	return refusal("slot %u: accepted are 0 to %u (--clients), and %d", slot, settings.clients, RW_SLOT_SHARED);
}

const char *options_fault(const struct rw_command_set_options *options)
{
	if (options->mode > RW_MODE_MONITOR)
		return refusal("mode %u: accepted are 0 (enforce) and 1 (monitor)", options->mode);
	if (options->hold_ms > HOLD_MAX_MS || options->flush_ms > FLUSH_MAX_MS)
		return refusal("hold %u ms, flush %u ms: accepted are 0 to %d and 0 to %d", options->hold_ms,
			       options->flush_ms, HOLD_MAX_MS, FLUSH_MAX_MS);
	if (options->write_through > 1)
		return refusal("write through %u: accepted are 0 (write back) and 1", options->write_through);
	return NULL;
}

const char *expectation_fault(const struct rw_adopted *expectation)
{
	const struct geometry *g = &settings.geometry;

	if (!(expectation->x >> (g->bucket_bits + g->remainder_bits)) && sweep_code_valid(expectation->code))
		return NULL;
	return refusal("x 0x%llx, code %u: not of this geometry (the others are taken)",
		       (unsigned long long)expectation->x, expectation->code);
}
