// SPDX-License-Identifier: MIT
/* Records to the agent: they wait in a buffer until it reads. Too many unread ones are counted, and lost. */
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "nfqueue.h"

/* Above the first mark commands and cells wait for the agent to read; above the second events are dropped. */
#define OUT_WAIT_BYTES (1 << 20)
#define OUT_MAX_BYTES (4 << 20)
#define BUFFER_LEAST_BYTES (1 << 16)
#define CELLS_BATCH 512

struct buffer out;
static uint64_t lost;
static struct rw_event_cells cells[CELLS_BATCH];
static uint32_t cells_waiting;

/* --- buffers --- */

size_t buffer_bytes(const struct buffer *buffer)
{
	return buffer->end - buffer->start;
}

bool buffer_reserve(struct buffer *buffer, size_t bytes)
{
	size_t held = buffer_bytes(buffer), size = buffer->size ? buffer->size : BUFFER_LEAST_BYTES;
	uint8_t *data;

	if (buffer->size - buffer->end >= bytes)
		return true;
	if (buffer->start) {
		memmove(buffer->data, buffer->data + buffer->start, held);
		buffer->start = 0;
		buffer->end = held;
	}
	while (size < held + bytes)
		size *= 2;
	if (size == buffer->size)
		return true;
	data = realloc(buffer->data, size);
	if (!data)
		return false;
	buffer->data = data;
	buffer->size = size;
	return true;
}

void buffer_take(struct buffer *buffer, size_t bytes)
{
	buffer->start += bytes;
	if (buffer->start < buffer->end)
		return;
	buffer->start = buffer->end = 0;
	/* one large filter must not keep its megabytes for ever */
	if (buffer->size <= OUT_WAIT_BYTES)
		return;
	free(buffer->data);
	buffer->data = NULL;
	buffer->size = 0;
}

/* --- records --- */

bool record_send(uint16_t kind, const void *body, size_t body_bytes, const void *tail, size_t tail_bytes)
{
	struct rw_stream_header header = {
		.kind = kind,
		.bytes = (uint32_t)(sizeof(header) + body_bytes + tail_bytes),
	};

	if (!agent_connected())
		return false;
	if (buffer_bytes(&out) + header.bytes > OUT_MAX_BYTES || !buffer_reserve(&out, header.bytes)) {
		lost++;
		return false;
	}
	memcpy(out.data + out.end, &header, sizeof(header));
	memcpy(out.data + out.end + sizeof(header), body, body_bytes);
	if (tail_bytes)
		memcpy(out.data + out.end + sizeof(header) + body_bytes, tail, tail_bytes);
	out.end += header.bytes;
	return true;
}

bool records_room(void)
{
	return buffer_bytes(&out) < OUT_WAIT_BYTES;
}

void records_refuse(uint32_t command, const char *text)
{
	struct rw_event_refused body = { .command = command };

	record_send(RW_EVENT_REFUSED, &body, sizeof(body), text, strlen(text));
}

void cells_send(void)
{
	if (cells_waiting)
		record_send(RW_EVENT_CELLS, cells, cells_waiting * sizeof(cells[0]), NULL, 0);
	cells_waiting = 0;
}

static void cells_add(struct rw_event_cells cell)
{
	cells[cells_waiting++] = cell;
	if (cells_waiting == CELLS_BATCH)
		cells_send();
}

void cells_report(uint32_t coordinate, uint32_t cell, uint16_t owner)
{
	cells_add((struct rw_event_cells){ .coordinate = coordinate, .cell = cell, .owner = owner });
}

void cells_report_dumped(uint32_t coordinate, uint32_t cell, uint16_t owner)
{
	cells_add((struct rw_event_cells){ .coordinate = coordinate,
					   .cell = cell,
					   .owner = owner & RW_OWNER_SLOT_MASK,
					   .dumped = 1 + (owner >> RW_OWNER_MARK_SHIFT) });
}

void records_tell_lost(void)
{
	struct rw_event_overflow body = { .lost = lost };

	if (!lost || !records_room())
		return;
	lost = 0;
	record_send(RW_EVENT_OVERFLOW, &body, sizeof(body), NULL, 0);
}

void agent_send_ticks(uint32_t fast, uint32_t slow)
{
	struct rw_event_ticks body = { .fast = fast, .slow = slow };

	record_send(RW_EVENT_TICKS, &body, sizeof(body), NULL, 0);
}

void agent_send_port(const struct rw_event_port *port)
{
	record_send(RW_EVENT_PORT, port, sizeof(*port), NULL, 0);
}

/* Behind a denial lie the frame's first bytes. */
static void sample_send(const struct rw_ring_event *event, size_t bytes)
{
	const uint8_t *frame = (const uint8_t *)(event + 1) + RW_FRAME_AT;
	size_t captured = bytes >= sizeof(*event) + RW_FRAME_AT + event->captured ? event->captured : 0;

	record_send(RW_EVENT_SAMPLE, event, sizeof(*event), frame, captured);
}

/* From the routine; `bytes` with what lies behind it. */
void event_take(const struct rw_ring_event *event, size_t bytes)
{
	struct rw_event_arrived arrived = {
		.slot = event->slot,
		.ifindex = event->ifindex,
		.zone = ports_zone(event->ifindex),
	};

	if (event->kind == RW_RING_WAKE)
		sweep_woken();
	else if (event->kind != RW_RING_ARRIVED)
		sample_send(event, bytes);
	if (event->kind != RW_RING_ARRIVED)
		return;
	memcpy(arrived.mac, event->mac, sizeof(arrived.mac));
	record_send(RW_EVENT_ARRIVED, &arrived, sizeof(arrived), NULL, 0);
}

void agent_send_hello(void)
{
	const struct geometry *g = &settings.geometry;
	struct rw_event_hello body = {
		.magic = RW_MAGIC,
		.abi = RW_ABI_VERSION,
		.table_id = maps.meta->table_id,
		.bucket_bits = g->bucket_bits,
		.remainder_bits = g->remainder_bits,
		.cell_bits = g->cell_bits,
		.mirrors = settings.mirrors,
		.fast = maps.meta->fast,
		.slow = maps.meta->slow,
		.clients_max = settings.clients,
		.picked_up = maps.picked_up,
	};

	record_send(RW_EVENT_HELLO, &body, sizeof(body), NULL, 0);
}

void agent_send_about(void)
{
	struct rw_event_about body = { .datapath = datapath == &datapath_nfqueue };

	record_send(RW_EVENT_ABOUT, &body, sizeof(body), datapath_text(), strlen(datapath_text()));
}

/* The agent that they were for is gone. */
void records_forget(void)
{
	out.start = out.end = 0;
	cells_waiting = 0;
	lost = 0;
}
