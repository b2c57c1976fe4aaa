/* SPDX-License-Identifier: MIT */
/*
 * roamwall-qjs: QuickJS, and what src/platform asks of a machine. The bundle sees it as one object, `host`.
 *
 *   main.c      starts in order, runs, stops in reverse
 *   engine.c    the engine: files of the bundle, faults, promises
 *   values.c    arguments in, values and errors out
 *   loop.c      one epoll, and the handles that wait in it
 *   timers.c    a heap of them
 *   address.c udp.c streams.c servers.c   sockets
 *   files.c watch.c             files
 *   process.c signals.c spawn.c resolve.c   the process, and children
 *   text.c      UTF-8
 *   crypto.c    over aead.c, sha2.c, siphash.c, ed25519.c, x25519.c, which know nothing of the engine
 *
 * Every function of `host` checks what it is given: a wrong argument is an exception with `code`, never undefined behaviour.
 */
#ifndef ROAMWALL_QJS_HOST_H
#define ROAMWALL_QJS_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <quickjs.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define container_of(pointer, type, member) ((type *)((char *)(pointer) - offsetof(type, member)))

/* A control socket that strangers flood takes no more than this. */
#define HANDLES_MAX 256
#define TIMERS_MAX (1 << 16)
#define FILE_BYTES_MAX (256u << 20)
/* What waits for a peer that reads slowly: an answer about 16,000 clients, or a day of events. More ends the stream. */
#define STREAM_OUT_BYTES_MAX (16u << 20)
#define PATH_BYTES_MAX 4096

/* engine.c */
extern JSContext *ctx;
extern bool is_done;
extern int exit_code;

struct engine_options {
	const char *bundle;
	/* of all that the engine allocates; 0: no limit */
	size_t memory_bytes;
	int argc;
	char **argv;
};

bool engine_start(const struct engine_options *options);
void engine_stop(void);
/* Runs the file's code; false after a fault, which was told. */
bool engine_run_file(const char *path);
/* The folder of the bundle. */
const char *engine_folder(void);
/* Calls, frees the arguments, lets promises settle. A fault ends the process. */
void engine_call(JSValueConst function, int argc, JSValue *argv);
void engine_settle(void);

/* values.c. What answers false has thrown. */
typedef JSValue host_fn(JSContext *context, JSValueConst self, int argc, JSValueConst *argv);

struct bytes {
	uint8_t *data;
	size_t length;
};

JSValue throw_errno(int error);
JSValue throw_text(const char *code, const char *text);
const char *errno_name(int error);

bool arg_int(JSValueConst value, int64_t least, int64_t most, int64_t *out);
bool arg_number(JSValueConst value, double *out);
bool arg_function(JSValueConst value);
/* To be taken last: the pointer holds until anything of the bundle runs. */
bool arg_bytes(JSValueConst value, struct bytes *out);
/* Without NUL inside; to be freed with JS_FreeCString. */
const char *arg_text(JSValueConst value);
/* Copies. */
JSValue value_bytes(const void *data, size_t length);
/* Of all of a buffer, which it takes. */
JSValue value_view(JSValue buffer);
JSValue value_text(const void *utf8, size_t length);
void host_define(JSValueConst object, const char *name, host_fn *function, int length);


/* loop.c */
struct handle;

struct handle_ops {
	void (*ready)(struct handle *handle, uint32_t events);
	/* The descriptor is closed by then. */
	void (*release)(struct handle *handle);
};

/* First member of what waits for a descriptor. */
struct handle {
	const struct handle_ops *ops;
	int fd;
	uint32_t id, interest;
	bool is_closed;
	struct handle *next_dead;
};

bool loop_start(void);
void loop_run(void);
void loop_stop(void);
double loop_now_ms(void);
/* NULL: no room, or no memory; the descriptor is closed then, and an exception thrown. `bytes` of the embedding struct. */
struct handle *handle_open(int fd, const struct handle_ops *ops, size_t bytes);
void handle_wait(struct handle *handle, uint32_t events);
/* Memory is given back after the events at hand; `id` means nothing from now on. */
void handle_close(struct handle *handle);
/* *out NULL: closed by now, which is no fault of the bundle's; or never given out, or of another kind. */
bool arg_handle(JSValueConst value, const struct handle_ops *ops, struct handle **out);
/* Closes what is named, if it is not closed yet; what a function of the bundle answers. */
JSValue arg_close(JSValueConst value, const struct handle_ops *ops);
unsigned int handles_room(void);

/* timers.c */
bool timer_add(double at_ms, JSValueConst run, uint32_t *id);
void timers_run(double now_ms);
/* -1: none. */
int timers_wait_ms(double now_ms);
void timers_stop(void);


/* address.c: literals only; a name is asked for by resolve(). An IPv6 address may end in %interface. */
struct address {
	struct sockaddr_storage storage;
	socklen_t length;
};

bool address_parse(const char *text, unsigned int port, struct address *out);
bool arg_address(JSValueConst text, JSValueConst port, struct address *out);
bool arg_unix_path(JSValueConst path, struct address *out);
JSValue address_text(const struct address *address);
unsigned int address_port(const struct address *address);
/* Of a bound socket. */
unsigned int socket_port(int fd);

/* streams.c: reading begins with the first host.onBytes(). Answers an id. */
JSValue stream_adopt(int fd);

/* each adds its functions to `host` */
void timers_define(JSValueConst host);
void udp_define(JSValueConst host);
void streams_define(JSValueConst host);
void servers_define(JSValueConst host);
void files_define(JSValueConst host);
void watch_define(JSValueConst host);
void process_define(JSValueConst host, int argc, char **argv);
void signals_define(JSValueConst host);
void spawn_define(JSValueConst host);
void resolve_define(JSValueConst host);
void crypto_define(JSValueConst host);
void text_define(JSValueConst host);
void loop_define(JSValueConst host);

#endif
