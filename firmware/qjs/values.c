// SPDX-License-Identifier: MIT
/* Arguments in, values and errors out. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host.h"

/* musl has no strerrorname_np(). */
#define NAMED(error) { error, #error }

static const struct {
	int error;
	const char *name;
} names[] = {
	NAMED(EACCES),	  NAMED(EADDRINUSE),   NAMED(EADDRNOTAVAIL), NAMED(EAFNOSUPPORT), NAMED(EAGAIN),
	NAMED(EBADF),	  NAMED(ECONNREFUSED), NAMED(ECONNRESET),    NAMED(EDESTADDRREQ), NAMED(EEXIST),
	NAMED(EFBIG),	  NAMED(EHOSTUNREACH), NAMED(EINVAL),	     NAMED(EIO),	  NAMED(EISDIR),
	NAMED(ELOOP),	  NAMED(EMFILE),       NAMED(EMSGSIZE),	     NAMED(ENAMETOOLONG), NAMED(ENETDOWN),
	NAMED(ENETUNREACH), NAMED(ENFILE),     NAMED(ENOBUFS),	     NAMED(ENODEV),	  NAMED(ENOENT),
	NAMED(ENOMEM),	  NAMED(ENOSPC),       NAMED(ENOTCONN),	     NAMED(ENOTDIR),	  NAMED(ENXIO),
	NAMED(EPERM),	  NAMED(EPIPE),	       NAMED(EROFS),	     NAMED(ETIMEDOUT),
};

const char *errno_name(int error)
{
	static char other[16];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].error == error)
			return names[i].name;
	snprintf(other, sizeof(other), "E%d", error);
	return other;
}

JSValue throw_text(const char *code, const char *text)
{
	JSValue error = JS_NewError(ctx);

	if (JS_IsException(error))
		return error;
	JS_DefinePropertyValueStr(ctx, error, "message", JS_NewString(ctx, text), JS_PROP_C_W_E);
	JS_DefinePropertyValueStr(ctx, error, "code", JS_NewString(ctx, code), JS_PROP_C_W_E);
	return JS_Throw(ctx, error);
}

JSValue throw_errno(int error)
{
	return throw_text(errno_name(error), strerror(error));
}

static bool refuse(const char *text)
{
	throw_text("EINVAL", text);
	return false;
}

/* No conversion of what is no number: `valueOf` would run code in the middle of a call. */
bool arg_number(JSValueConst value, double *out)
{
	if (!JS_IsNumber(value))
		return refuse("no number");
	return JS_ToFloat64(ctx, out, value) == 0;
}

bool arg_int(JSValueConst value, int64_t least, int64_t most, int64_t *out)
{
	double number;

	if (!arg_number(value, &number))
		return false;
	if (!(number >= (double)least && number <= (double)most) || number != floor(number))
		return refuse("a number out of range");
	*out = (int64_t)number;
	return true;
}

bool arg_function(JSValueConst value)
{
	return JS_IsFunction(ctx, value) || refuse("no function");
}

bool arg_bytes(JSValueConst value, struct bytes *out)
{
	size_t offset, length, each, whole;
	uint8_t *data;
	JSValue buffer;

	if (!JS_IsObject(value))
		return refuse("no bytes");
	buffer = JS_GetTypedArrayBuffer(ctx, value, &offset, &length, &each);
	if (JS_IsException(buffer))
		return false;
	data = JS_GetArrayBuffer(ctx, &whole, buffer);
	/* The view keeps its buffer. */
	JS_FreeValue(ctx, buffer);
	if (!data && JS_HasException(ctx))
		return false;
	if (each != 1)
		return refuse("no view of bytes");
	/* A view of a buffer that has shrunk. */
	if (!data || offset > whole || length > whole - offset) {
		if (length)
			return refuse("bytes that are gone");
		data = (uint8_t *)"";
		offset = 0;
	}
	out->data = data + offset;
	out->length = length;
	return true;
}

const char *arg_text(JSValueConst value)
{
	const char *text;
	size_t length;

	if (!JS_IsString(value)) {
		refuse("no text");
		return NULL;
	}
	text = JS_ToCStringLen(ctx, &length, value);
	if (!text || !memchr(text, 0, length))
		return text;
	JS_FreeCString(ctx, text);
	refuse("a text with a NUL");
	return NULL;
}

JSValue value_view(JSValue buffer)
{
	/* The engine reads offset and length whether they are given or not. */
	JSValueConst whole[3] = { buffer, JS_UNDEFINED, JS_UNDEFINED };
	JSValue view;

	if (JS_IsException(buffer))
		return buffer;
	view = JS_NewTypedArray(ctx, ARRAY_SIZE(whole), whole, JS_TYPED_ARRAY_UINT8);
	JS_FreeValue(ctx, buffer);
	return view;
}

JSValue value_bytes(const void *data, size_t length)
{
	return value_view(JS_NewArrayBufferCopy(ctx, data, length));
}

void host_define(JSValueConst object, const char *name, host_fn *function, int length)
{
	JS_DefinePropertyValueStr(ctx, object, name, JS_NewCFunction(ctx, function, name, length), JS_PROP_C_W_E);
}
