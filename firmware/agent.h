/* SPDX-License-Identifier: MIT */
/*
 * Between the files of the stream to the agent:
 *
 *   agent.c      the connection: bytes in and out
 *   records.c    what goes to the agent
 *   commands.c   what comes from it: a row each
 *   policy.c, questions.c   the commands that load, and those that ask
 *   faults.c     what is refused, with what would be accepted
 */
#ifndef ROAMWALLD_AGENT_H
#define ROAMWALLD_AGENT_H

#include "roamwalld.h"

struct buffer {
	uint8_t *data;
	size_t start, end, size;
};

/* records.c */
extern struct buffer out;
size_t buffer_bytes(const struct buffer *buffer);
bool buffer_reserve(struct buffer *buffer, size_t bytes);
void buffer_take(struct buffer *buffer, size_t bytes);
bool record_send(uint16_t kind, const void *body, size_t body_bytes, const void *tail, size_t tail_bytes);
bool records_room(void);
void records_refuse(uint32_t command, const char *text);
void records_tell_lost(void);
void records_forget(void);
void cells_report(uint32_t coordinate, uint32_t cell, uint16_t owner);
void cells_report_dumped(uint32_t coordinate, uint32_t cell, uint16_t owner);
void cells_send(void);
void agent_send_hello(void);
void agent_send_about(void);

/* commands.c */
void command_run(uint16_t kind, const uint8_t *body, size_t bytes);

/* Commands return NULL, or why they were not carried out. Their bodies have the size that the table says. */
typedef const char *command_fn(const uint8_t *body, size_t bytes);

/* policy.c */
command_fn command_load_automata, command_set_client, command_delete_client, command_set_filter,
	command_delete_filter, command_change_filter, command_set_zones, command_set_services;

/* questions.c */
command_fn command_dump, command_flush_held, command_dump_clients, command_counters, command_sync;
/* While an answer is owed no command runs. */
bool answers_owed(void);
void answers_run(void);
void answers_forget(void);

/* faults.c. The text is overwritten by the next. */
const char *refusal(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *automata_fault(const struct rw_automata *automata);
const char *client_fault(const struct rw_client *client);
const char *filter_fault(const struct rw_command_set_filter *filter, size_t data_bytes);
const char *mirror_fault(uint32_t mirror);
const char *slot_fault(uint32_t slot);
const char *expectation_fault(const struct rw_adopted *expectation);
const char *options_fault(const struct rw_command_set_options *options);

#endif
