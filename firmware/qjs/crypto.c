// SPDX-License-Identifier: MIT
/* Cryptography for the bundle. Numbers and lengths are checked here; aead.c, sha2.c, siphash.c, ed25519.c and x25519.c trust theirs. */
#include <string.h>

#include "crypto.h"
#include "host.h"

static bool arg_sized(JSValueConst value, size_t length, struct bytes *out)
{
	if (!arg_bytes(value, out))
		return false;
	if (out->length == length)
		return true;
	throw_text("EINVAL", "bytes of a wrong length");
	return false;
}

static struct span span_of(const struct bytes *bytes)
{
	return (struct span){ bytes->data, bytes->length };
}

/* host.sha256(bytes) */
static JSValue js_sha256(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	uint8_t hash[SHA256_BYTES];
	struct bytes bytes;
	struct span span;

	(void)context, (void)self, (void)argc;
	if (!arg_bytes(argv[0], &bytes))
		return JS_EXCEPTION;
	span = span_of(&bytes);
	sha256(&span, 1, hash);
	return value_bytes(hash, sizeof(hash));
}

/* host.sipHash(key, bytes, length, out): of the first `length` bytes, the highest byte first. */
static JSValue js_siphash(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	struct bytes key, bytes, out;
	uint64_t hash;
	int64_t length;

	(void)context, (void)self, (void)argc;
	if (!arg_int(argv[2], 0, FILE_BYTES_MAX, &length) || !arg_sized(argv[0], SIPHASH_KEY_BYTES, &key) ||
	    !arg_bytes(argv[1], &bytes) || !arg_sized(argv[3], SIPHASH_BYTES, &out))
		return JS_EXCEPTION;
	if ((size_t)length > bytes.length)
		return throw_text("EINVAL", "fewer bytes than were named");
	hash = siphash(key.data, (struct span){ bytes.data, length });
	for (int i = 0; i < SIPHASH_BYTES; i++)
		out.data[i] = hash >> (56 - 8 * i);
	return JS_UNDEFINED;
}

/* host.seal(key, nonce, aad, text, sealed): into `sealed`, 16 bytes longer than `text`. */
static JSValue js_seal(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	struct bytes key, nonce, aad, text, sealed;

	(void)context, (void)self, (void)argc;
	if (!arg_sized(argv[0], AEAD_KEY_BYTES, &key) || !arg_sized(argv[1], AEAD_NONCE_BYTES, &nonce) ||
	    !arg_bytes(argv[2], &aad) || !arg_bytes(argv[3], &text) ||
	    !arg_sized(argv[4], text.length + AEAD_TAG_BYTES, &sealed))
		return JS_EXCEPTION;
	/* A part of one buffer may be given as another: the stream is applied byte by byte, in order. */
	aead_seal(key.data, nonce.data, span_of(&aad), span_of(&text), sealed.data, sealed.data + text.length);
	return JS_UNDEFINED;
}

/* host.open(key, nonce, aad, sealed): undefined where it is not authentic. */
static JSValue js_open(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	struct bytes key, nonce, aad, sealed, text;
	JSValue result;

	(void)self, (void)argc;
	if (!arg_sized(argv[0], AEAD_KEY_BYTES, &key) || !arg_sized(argv[1], AEAD_NONCE_BYTES, &nonce) ||
	    !arg_bytes(argv[2], &aad) || !arg_bytes(argv[3], &sealed))
		return JS_EXCEPTION;
	if (sealed.length < AEAD_TAG_BYTES)
		return JS_UNDEFINED;
	text.length = sealed.length - AEAD_TAG_BYTES;
	result = value_bytes(sealed.data, text.length);
	if (JS_IsException(result) || !arg_bytes(result, &text))
		return result;
	if (aead_open(key.data, nonce.data, span_of(&aad), span_of(&text), sealed.data + text.length, text.data))
		return result;
	JS_FreeValue(context, result);
	return JS_UNDEFINED;
}

/* host.publicKey(seed) */
static JSValue js_public_key(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	uint8_t key[ED25519_KEY_BYTES];
	struct bytes seed;

	(void)context, (void)self, (void)argc;
	if (!arg_sized(argv[0], ED25519_SEED_BYTES, &seed))
		return JS_EXCEPTION;
	ed25519_public_key(seed.data, key);
	return value_bytes(key, sizeof(key));
}

/* host.sign(seed, message) */
static JSValue js_sign(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	uint8_t signature[ED25519_SIGNATURE_BYTES];
	struct bytes seed, message;

	(void)context, (void)self, (void)argc;
	if (!arg_sized(argv[0], ED25519_SEED_BYTES, &seed) || !arg_bytes(argv[1], &message))
		return JS_EXCEPTION;
	ed25519_sign(seed.data, span_of(&message), signature);
	return value_bytes(signature, sizeof(signature));
}

/* host.verify(key, message, signature) */
static JSValue js_verify(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	struct bytes key, message, signature;

	(void)self, (void)argc;
	if (!arg_bytes(argv[0], &key) || !arg_bytes(argv[1], &message) || !arg_bytes(argv[2], &signature))
		return JS_EXCEPTION;
	return JS_NewBool(context, key.length == ED25519_KEY_BYTES && signature.length == ED25519_SIGNATURE_BYTES &&
					   ed25519_verify(key.data, span_of(&message), signature.data));
}

/* host.dhPublicKey(secret): X25519 */
static JSValue js_dh_public_key(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	uint8_t key[X25519_BYTES];
	struct bytes secret;

	(void)context, (void)self, (void)argc;
	if (!arg_sized(argv[0], X25519_BYTES, &secret))
		return JS_EXCEPTION;
	x25519_public_key(secret.data, key);
	return value_bytes(key, sizeof(key));
}

/* host.dhShared(secret, key): undefined where everybody would share it. */
static JSValue js_dh_shared(JSContext *context, JSValueConst self, int argc, JSValueConst *argv)
{
	uint8_t shared[X25519_BYTES];
	struct bytes secret, key;

	(void)context, (void)self, (void)argc;
	if (!arg_sized(argv[0], X25519_BYTES, &secret) || !arg_sized(argv[1], X25519_BYTES, &key))
		return JS_EXCEPTION;
	return x25519_shared(secret.data, key.data, shared) ? value_bytes(shared, sizeof(shared)) : JS_UNDEFINED;
}

void crypto_define(JSValueConst host)
{
	host_define(host, "sha256", js_sha256, 1);
	host_define(host, "sipHash", js_siphash, 4);
	host_define(host, "seal", js_seal, 5);
	host_define(host, "open", js_open, 4);
	host_define(host, "publicKey", js_public_key, 1);
	host_define(host, "sign", js_sign, 2);
	host_define(host, "verify", js_verify, 3);
	host_define(host, "dhPublicKey", js_dh_public_key, 1);
	host_define(host, "dhShared", js_dh_shared, 2);
}
