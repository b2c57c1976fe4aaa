// SPDX-License-Identifier: MIT
/* Addresses as text, and as the kernel's. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "host.h"

#define TEXT_BYTES_MAX (INET6_ADDRSTRLEN + IF_NAMESIZE + 1)
#define PORT_MAX 65535

static bool parse_six(const char *text, unsigned int port, struct address *out)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&out->storage;
	const char *scope = strchr(text, '%');
	char bare[INET6_ADDRSTRLEN];

	snprintf(bare, sizeof(bare), "%.*s", scope ? (int)(scope - text) : (int)strlen(text), text);
	if (inet_pton(AF_INET6, bare, &six->sin6_addr) != 1)
		return false;
	six->sin6_family = AF_INET6;
	six->sin6_port = htons(port);
	if (scope)
		six->sin6_scope_id = if_nametoindex(scope + 1);
	out->length = sizeof(*six);
	return !scope || six->sin6_scope_id;
}

bool address_parse(const char *text, unsigned int port, struct address *out)
{
	struct sockaddr_in *four = (struct sockaddr_in *)&out->storage;

	memset(out, 0, sizeof(*out));
	if (strlen(text) >= TEXT_BYTES_MAX)
		return false;
	if (strchr(text, ':'))
		return parse_six(text, port, out);
	four->sin_family = AF_INET;
	four->sin_port = htons(port);
	out->length = sizeof(*four);
	return inet_pton(AF_INET, text, &four->sin_addr) == 1;
}

bool arg_address(JSValueConst value, JSValueConst port_value, struct address *out)
{
	const char *text;
	int64_t port;
	bool is_good;

	if (!arg_int(port_value, 0, PORT_MAX, &port))
		return false;
	text = arg_text(value);
	if (!text)
		return false;
	is_good = address_parse(text, port, out);
	JS_FreeCString(ctx, text);
	if (!is_good)
		throw_text("EINVAL", "no address, or one of an interface that is not there");
	return is_good;
}

bool arg_unix_path(JSValueConst value, struct address *out)
{
	struct sockaddr_un *unix_at = (struct sockaddr_un *)&out->storage;
	const char *path = arg_text(value);
	size_t length;

	if (!path)
		return false;
	memset(out, 0, sizeof(*out));
	unix_at->sun_family = AF_UNIX;
	out->length = sizeof(*unix_at);
	length = strlen(path);
	if (length < sizeof(unix_at->sun_path))
		memcpy(unix_at->sun_path, path, length);
	JS_FreeCString(ctx, path);
	if (length && length < sizeof(unix_at->sun_path))
		return true;
	throw_errno(length ? ENAMETOOLONG : EINVAL);
	return false;
}

/* The interface is named where the address alone says nothing: as Node does. */
JSValue address_text(const struct address *address)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&address->storage;
	char text[TEXT_BYTES_MAX], name[IF_NAMESIZE];

	if (address->storage.ss_family == AF_INET) {
		const struct sockaddr_in *four = (const struct sockaddr_in *)&address->storage;

		return JS_NewString(ctx, inet_ntop(AF_INET, &four->sin_addr, text, sizeof(text)));
	}
	inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof(text));
	if (IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr) && if_indextoname(six->sin6_scope_id, name)) {
		strcat(text, "%");
		strcat(text, name);
	}
	return JS_NewString(ctx, text);
}

unsigned int address_port(const struct address *address)
{
	if (address->storage.ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)&address->storage)->sin_port);
	return ntohs(((const struct sockaddr_in6 *)&address->storage)->sin6_port);
}

unsigned int socket_port(int fd)
{
	struct address local = { .length = sizeof(local.storage) };

	if (getsockname(fd, (struct sockaddr *)&local.storage, &local.length))
		return 0;
	return address_port(&local);
}
