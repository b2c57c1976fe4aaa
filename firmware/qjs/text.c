// SPDX-License-Identifier: MIT
/* UTF-8 as the Encoding standard has it: what is wrong becomes U+FFFD. */
#include <stdlib.h>
#include <string.h>

#include "host.h"

#define REPLACEMENT "\xef\xbf\xbd"
#define REPLACEMENT_BYTES 3
#define SURROGATE_LEAD 0xed

/* Bytes of the sequence at `at`, if it is whole and right; else 0, and `*wrong` bytes are one fault. */
static size_t sequence(const uint8_t *at, size_t left, size_t *wrong)
{
	uint8_t lead = at[0], least = 0x80, most = 0xbf;
	size_t length;

	*wrong = 1;
	if (lead < 0x80)
		return 1;
	length = lead >= 0xc2 && lead <= 0xdf ? 2 : (lead & 0xf0) == 0xe0 ? 3 : lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
	/* Longer than needed, a half of a pair, beyond U+10FFFF. */
	if (lead == 0xe0)
		least = 0xa0;
	if (lead == SURROGATE_LEAD)
		most = 0x9f;
	if (lead == 0xf0)
		least = 0x90;
	if (lead == 0xf4)
		most = 0x8f;
	for (; *wrong < length; least = 0x80, most = 0xbf, ++*wrong)
		if (*wrong >= left || at[*wrong] < least || at[*wrong] > most)
			return 0;
	return length;
}

JSValue value_text(const void *utf8, size_t length)
{
	const uint8_t *from = utf8;
	size_t at = 0, out = 0, wrong;
	JSValue result;
	uint8_t *good;

	while (at < length && sequence(from + at, length - at, &wrong))
		at += wrong;
	if (at >= length)
		return JS_NewStringLen(ctx, utf8, length);
	good = malloc(length * REPLACEMENT_BYTES);
	if (!good)
		return JS_ThrowOutOfMemory(ctx);
	for (at = 0; at < length; at += wrong) {
		size_t whole = sequence(from + at, length - at, &wrong);

		memcpy(good + out, whole ? from + at : (const uint8_t *)REPLACEMENT, whole ? whole : REPLACEMENT_BYTES);
		out += whole ? whole : REPLACEMENT_BYTES;
	}
	result = JS_NewStringLen(ctx, (char *)good, out);
	free(good);
	return result;
}

/* host.decode(bytes) */
static JSValue js_decode(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	struct bytes bytes;

	(void)context, (void)self, (void)argc;
	if (!arg_bytes(argv[0], &bytes))
		return JS_EXCEPTION;
	return value_text(bytes.data, bytes.length);
}

/* host.encode(text): halves of pairs, which the engine lets through, are no UTF-8. */
static JSValue js_encode(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	const char *text;
	JSValue result;
	struct bytes bytes;
	size_t length;

	(void)self, (void)argc;
	text = JS_IsString(argv[0]) ? JS_ToCStringLen(context, &length, argv[0]) : NULL;
	if (!text)
		return JS_IsString(argv[0]) ? JS_EXCEPTION : throw_text("EINVAL", "no text");
	result = value_bytes(text, length);
	JS_FreeCString(context, text);
	if (JS_IsException(result) || !arg_bytes(result, &bytes))
		return result;
	for (size_t at = 0; at + 2 < bytes.length; at++)
		if (bytes.data[at] == SURROGATE_LEAD && bytes.data[at + 1] >= 0xa0)
			memcpy(bytes.data + at, REPLACEMENT, REPLACEMENT_BYTES);
	return result;
}

void text_define(JSValueConst host)
{
	host_define(host, "decode", js_decode, 1);
	host_define(host, "encode", js_encode, 1);
}
