// SPDX-License-Identifier: MIT
/* X25519, RFC 7748, in the manner of TweetNaCl, as ed25519.c. */
#include <string.h>

#include "crypto.h"
#include "field.h"

/* (486662 - 2) / 4 */
static const field step = { 0xdb41, 1 };
static const uint8_t base[X25519_BYTES] = { 9 };

/* 5: one rung of the ladder, of the points x2/z2 and x3/z3 whose difference is x1. */
static void climb(field x2, field z2, field x3, field z3, const field x1)
{
	field sum, difference, t;

	field_add(sum, x2, z2);
	field_subtract(x2, x2, z2);
	field_add(z2, x3, z3);
	field_subtract(x3, x3, z3);
	field_multiply(z3, z2, x2);
	field_multiply(x3, x3, sum);
	field_multiply(sum, sum, sum);
	field_multiply(difference, x2, x2);
	field_add(t, x3, z3);
	field_subtract(z3, x3, z3);
	field_multiply(x3, t, t);
	field_multiply(z3, z3, z3);
	field_multiply(z3, z3, x1);
	field_subtract(t, sum, difference);
	field_multiply(x2, sum, difference);
	field_multiply(z2, t, step);
	field_add(z2, z2, sum);
	field_multiply(z2, z2, t);
}

static void multiply_point(uint8_t *out, const uint8_t *secret, const uint8_t *point)
{
	field x1, x2 = { 1 }, z2 = { 0 }, x3, z3 = { 1 };
	uint8_t scalar[X25519_BYTES];

	memcpy(scalar, secret, sizeof(scalar));
	scalar[0] &= 248;
	scalar[31] = (scalar[31] & 127) | 64;
	field_unpack(x1, point);
	field_copy(x3, x1);
	for (int i = 254; i >= 0; i--) {
		int bit = (scalar[i >> 3] >> (i & 7)) & 1;

		field_swap(x2, x3, bit);
		field_swap(z2, z3, bit);
		climb(x2, z2, x3, z3, x1);
		field_swap(x2, x3, bit);
		field_swap(z2, z3, bit);
	}
	field_invert(z2, z2);
	field_multiply(x2, x2, z2);
	field_pack(out, x2);
}

void x25519_public_key(const uint8_t *secret, uint8_t *public_key)
{
	multiply_point(public_key, secret, base);
}

bool x25519_shared(const uint8_t *secret, const uint8_t *public_key, uint8_t *shared)
{
	uint8_t any = 0;

	multiply_point(shared, secret, public_key);
	for (int i = 0; i < X25519_BYTES; i++)
		any |= shared[i];
	return any;
}
