/* SPDX-License-Identifier: MIT */
/* What sealing and signed policies need, in C: in the engine a datagram of 1,200 bytes took half a millisecond. */
#ifndef ROAMWALL_QJS_CRYPTO_H
#define ROAMWALL_QJS_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AEAD_KEY_BYTES 32
#define AEAD_NONCE_BYTES 12
#define AEAD_TAG_BYTES 16
#define SIPHASH_KEY_BYTES 16
#define SIPHASH_BYTES 8
#define SHA256_BYTES 32
#define SHA512_BYTES 64
#define ED25519_SEED_BYTES 32
#define ED25519_KEY_BYTES 32
#define ED25519_SIGNATURE_BYTES 64
#define X25519_BYTES 32

struct span {
	const uint8_t *data;
	size_t length;
};

/* aead.c: RFC 8439, 2.8. `out` may be `text`. */
void aead_seal(const uint8_t *key, const uint8_t *nonce, struct span aad, struct span text, uint8_t *out, uint8_t *tag);
/* False: not authentic, and `out` is untouched. */
bool aead_open(const uint8_t *key, const uint8_t *nonce, struct span aad, struct span sealed, const uint8_t *tag,
	       uint8_t *out);

/* sha2.c: FIPS 180-4, of the parts one after the other. */
void sha256(const struct span *parts, size_t count, uint8_t *out);
void sha512(const struct span *parts, size_t count, uint8_t *out);

/* siphash.c */
uint64_t siphash(const uint8_t *key, struct span bytes);

/* ed25519.c: RFC 8032. */
void ed25519_public_key(const uint8_t *seed, uint8_t *public_key);
void ed25519_sign(const uint8_t *seed, struct span message, uint8_t *signature);
bool ed25519_verify(const uint8_t *public_key, struct span message, const uint8_t *signature);

/* x25519.c: RFC 7748. */
void x25519_public_key(const uint8_t *secret, uint8_t *public_key);
/* False: everybody would share this with that key. */
bool x25519_shared(const uint8_t *secret, const uint8_t *public_key, uint8_t *shared);

#endif
