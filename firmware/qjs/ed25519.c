// SPDX-License-Identifier: MIT
/*
 * Ed25519, RFC 8032, in the manner of TweetNaCl (public domain; Bernstein, van Gastel, Janssen, Lange, Schwabe, Smetsers):
 * small, of portable integers alone, and without branch or index that depends on a secret.
 */
#include <string.h>

#include "crypto.h"
#include "field.h"

/* X/Z, Y/Z, T = XY/Z */
struct point {
	field x, y, z, t;
};

static const field zero, one = { 1 };
static const field curve_d = { 0x78a3, 0x1359, 0x4dca, 0x75eb, 0xd8ab, 0x4141, 0x0a4d, 0x0070,
			       0xe898, 0x7779, 0x4079, 0x8cc7, 0xfe73, 0x2b6f, 0x6cee, 0x5203 };
static const field curve_2d = { 0xf159, 0x26b2, 0x9b94, 0xebd6, 0xb156, 0x8283, 0x149a, 0x00e0,
				0xd130, 0xeef3, 0x80f2, 0x198e, 0xfce7, 0x56df, 0xd9dc, 0x2406 };
static const field base_x = { 0xd51a, 0x8f25, 0x2d60, 0xc956, 0xa7b2, 0x9525, 0xc760, 0x692c,
			      0xdc5c, 0xfdd6, 0xe231, 0xc0a4, 0x53fe, 0xcd6e, 0x36d3, 0x2169 };
static const field base_y = { 0x6658, 0x6666, 0x6666, 0x6666, 0x6666, 0x6666, 0x6666, 0x6666,
			      0x6666, 0x6666, 0x6666, 0x6666, 0x6666, 0x6666, 0x6666, 0x6666 };
/* 2^((p - 1) / 4) */
static const field root_of_minus_one = { 0xa0b0, 0x4a0e, 0x1b27, 0xc4ee, 0xe478, 0xad2f, 0x1806, 0x2f43,
					 0xd7a7, 0x3dfb, 0x0099, 0x2b4d, 0xdf0b, 0x4fc1, 0x2480, 0x2b83 };
/* 2^252 + 27742317777372353535851937790883648493, least byte first */
static const uint8_t order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
				   0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10 };

static bool equal_bytes(const uint8_t *a, const uint8_t *b)
{
	uint8_t differs = 0;

	for (int i = 0; i < 32; i++)
		differs |= a[i] ^ b[i];
	return !differs;
}

static bool is_equal(const field a, const field b)
{
	uint8_t left[32], right[32];

	field_pack(left, a);
	field_pack(right, b);
	return equal_bytes(left, right);
}

static int parity(const field a)
{
	uint8_t bytes[32];

	field_pack(bytes, a);
	return bytes[0] & 1;
}

/* RFC 8032, 5.1.4: complete, so that doubling is no special case. */
static void add_point(struct point *p, const struct point *q)
{
	field a, b, c, d, e, f, g, h, t;

	field_subtract(a, p->y, p->x);
	field_subtract(t, q->y, q->x);
	field_multiply(a, a, t);
	field_add(b, p->x, p->y);
	field_add(t, q->x, q->y);
	field_multiply(b, b, t);
	field_multiply(c, p->t, q->t);
	field_multiply(c, c, curve_2d);
	field_multiply(d, p->z, q->z);
	field_add(d, d, d);
	field_subtract(e, b, a);
	field_subtract(f, d, c);
	field_add(g, d, c);
	field_add(h, b, a);
	field_multiply(p->x, e, f);
	field_multiply(p->y, h, g);
	field_multiply(p->z, g, f);
	field_multiply(p->t, e, h);
}

static void swap_points(struct point *p, struct point *q, int bit)
{
	field_swap(p->x, q->x, bit);
	field_swap(p->y, q->y, bit);
	field_swap(p->z, q->z, bit);
	field_swap(p->t, q->t, bit);
}

/* `q` is lost. */
static void multiply_point(struct point *out, struct point *q, const uint8_t *scalar)
{
	field_copy(out->x, zero);
	field_copy(out->y, one);
	field_copy(out->z, one);
	field_copy(out->t, zero);
	for (int i = 255; i >= 0; i--) {
		int bit = (scalar[i / 8] >> (i & 7)) & 1;

		swap_points(out, q, bit);
		add_point(q, out);
		add_point(out, out);
		swap_points(out, q, bit);
	}
}

static void multiply_base(struct point *out, const uint8_t *scalar)
{
	struct point base;

	field_copy(base.x, base_x);
	field_copy(base.y, base_y);
	field_copy(base.z, one);
	field_multiply(base.t, base_x, base_y);
	multiply_point(out, &base, scalar);
}

static void pack_point(uint8_t *out, const struct point *p)
{
	field inverse, x, y;

	field_invert(inverse, p->z);
	field_multiply(x, p->x, inverse);
	field_multiply(y, p->y, inverse);
	field_pack(out, y);
	out[31] ^= parity(x) << 7;
}

/* 5.1.3, and the sign turned; false: no point of the curve. */
static bool unpack_negative(struct point *out, const uint8_t *bytes)
{
	field numerator, denominator, square, fourth, root, t;

	field_copy(out->z, one);
	field_unpack(out->y, bytes);
	field_multiply(numerator, out->y, out->y);
	field_multiply(denominator, numerator, curve_d);
	field_subtract(numerator, numerator, out->z);
	field_add(denominator, out->z, denominator);
	field_multiply(square, denominator, denominator);
	field_multiply(fourth, square, square);
	field_multiply(t, fourth, square);
	field_multiply(t, t, numerator);
	field_multiply(t, t, denominator);
	/* a^((p - 5) / 8) */
	field_power(t, t, 250, 1, 1);
	field_multiply(t, t, numerator);
	field_multiply(t, t, denominator);
	field_multiply(t, t, denominator);
	field_multiply(out->x, t, denominator);
	field_multiply(root, out->x, out->x);
	field_multiply(root, root, denominator);
	if (!is_equal(root, numerator))
		field_multiply(out->x, out->x, root_of_minus_one);
	field_multiply(root, out->x, out->x);
	field_multiply(root, root, denominator);
	if (!is_equal(root, numerator))
		return false;
	if (parity(out->x) == bytes[31] >> 7)
		field_subtract(out->x, zero, out->x);
	field_multiply(out->t, out->x, out->y);
	return true;
}

/* Modulo the order of the base point; `x`: 64 digits of 8 bits, least first. */
static void reduce(uint8_t *out, int64_t *x)
{
	int64_t over;
	int j;

	for (int i = 63; i >= 32; i--) {
		over = 0;
		for (j = i - 32; j < i - 12; j++) {
			x[j] += over - 16 * x[i] * order[j - (i - 32)];
			over = (x[j] + 128) >> 8;
			x[j] -= over * 256;
		}
		x[j] += over;
		x[i] = 0;
	}
	over = 0;
	for (j = 0; j < 32; j++) {
		x[j] += over - (x[31] >> 4) * order[j];
		over = x[j] >> 8;
		x[j] &= 255;
	}
	for (j = 0; j < 32; j++)
		x[j] -= over * order[j];
	for (int i = 0; i < 32; i++) {
		x[i + 1] += x[i] >> 8;
		out[i] = x[i];
	}
}

static void reduce_hash(uint8_t *out, const uint8_t *hash)
{
	int64_t digits[64];

	for (int i = 0; i < 64; i++)
		digits[i] = hash[i];
	reduce(out, digits);
}

/* 5.1.5: the scalar, and the secret half for nonces. */
static void expand_seed(const uint8_t *seed, uint8_t *expanded)
{
	sha512(&(struct span){ seed, ED25519_SEED_BYTES }, 1, expanded);
	expanded[0] &= 248;
	expanded[31] &= 127;
	expanded[31] |= 64;
}

void ed25519_public_key(const uint8_t *seed, uint8_t *public_key)
{
	uint8_t expanded[SHA512_BYTES];
	struct point p;

	expand_seed(seed, expanded);
	multiply_base(&p, expanded);
	pack_point(public_key, &p);
}

void ed25519_sign(const uint8_t *seed, struct span message, uint8_t *signature)
{
	uint8_t expanded[SHA512_BYTES], public_key[ED25519_KEY_BYTES], hash[SHA512_BYTES], nonce[32], challenge[32];
	struct span parts[3] = { { expanded + 32, 32 }, message };
	int64_t digits[64] = { 0 };
	struct point p;

	expand_seed(seed, expanded);
	ed25519_public_key(seed, public_key);
	sha512(parts, 2, hash);
	reduce_hash(nonce, hash);
	multiply_base(&p, nonce);
	pack_point(signature, &p);
	parts[0] = (struct span){ signature, 32 };
	parts[1] = (struct span){ public_key, sizeof(public_key) };
	parts[2] = message;
	sha512(parts, 3, hash);
	reduce_hash(challenge, hash);
	for (int i = 0; i < 32; i++)
		digits[i] = nonce[i];
	for (int i = 0; i < 32; i++)
		for (int j = 0; j < 32; j++)
			digits[i + j] += (int64_t)challenge[i] * expanded[j];
	reduce(signature + 32, digits);
}

/* 5.1.7: else a second signature of the same message could be made of the first. */
static bool is_below_order(const uint8_t *scalar)
{
	for (int i = 31; i >= 0; i--)
		if (scalar[i] != order[i])
			return scalar[i] < order[i];
	return false;
}

bool ed25519_verify(const uint8_t *public_key, struct span message, const uint8_t *signature)
{
	const struct span parts[3] = { { signature, 32 }, { public_key, ED25519_KEY_BYTES }, message };
	uint8_t hash[SHA512_BYTES], challenge[32], again[32];
	struct point p, q;

	if (!is_below_order(signature + 32) || !unpack_negative(&q, public_key))
		return false;
	sha512(parts, 3, hash);
	reduce_hash(challenge, hash);
	multiply_point(&p, &q, challenge);
	multiply_base(&q, signature + 32);
	add_point(&p, &q);
	pack_point(again, &p);
	return equal_bytes(signature, again);
}
