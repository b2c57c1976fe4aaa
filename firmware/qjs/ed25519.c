// SPDX-License-Identifier: MIT
/*
 * Ed25519, RFC 8032, in the manner of TweetNaCl (public domain; Bernstein, van Gastel, Janssen, Lange, Schwabe, Smetsers):
 * small, of portable integers alone, and without branch or index that depends on a secret.
 */
#include <string.h>

#include "crypto.h"

#define LIMBS 16

/* Numbers modulo 2^255 - 19: limbs of 16 bits, least first, with room for sums and differences. */
typedef int64_t field[LIMBS];
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

static void copy(field out, const field a)
{
	memcpy(out, a, sizeof(field));
}

static void carry(field a)
{
	for (int i = 0; i < LIMBS; i++) {
		int64_t over;

		a[i] += 1 << 16;
		over = a[i] >> 16;
		a[(i + 1) % LIMBS] += i < LIMBS - 1 ? over - 1 : 38 * (over - 1);
		a[i] -= over * (1 << 16);
	}
}

/* Swaps where `bit` is 1. */
static void select_swap(field a, field b, int bit)
{
	int64_t mask = ~((int64_t)bit - 1);

	for (int i = 0; i < LIMBS; i++) {
		int64_t both = mask & (a[i] ^ b[i]);

		a[i] ^= both;
		b[i] ^= both;
	}
}

static void add(field out, const field a, const field b)
{
	for (int i = 0; i < LIMBS; i++)
		out[i] = a[i] + b[i];
}

static void subtract(field out, const field a, const field b)
{
	for (int i = 0; i < LIMBS; i++)
		out[i] = a[i] - b[i];
}

static void multiply(field out, const field a, const field b)
{
	int64_t product[2 * LIMBS - 1] = { 0 };

	for (int i = 0; i < LIMBS; i++)
		for (int j = 0; j < LIMBS; j++)
			product[i + j] += a[i] * b[j];
	for (int i = 0; i < LIMBS - 1; i++)
		product[i] += 38 * product[i + LIMBS];
	memcpy(out, product, sizeof(field));
	carry(out);
	carry(out);
}

/* a to the number whose bits up to `top` + 1 are all set, but those two. */
static void power(field out, const field a, int top, int skip_a, int skip_b)
{
	field result;

	copy(result, a);
	for (int bit = top; bit >= 0; bit--) {
		multiply(result, result, result);
		if (bit != skip_a && bit != skip_b)
			multiply(result, result, a);
	}
	copy(out, result);
}

/* a^(p - 2) */
static void invert(field out, const field a)
{
	power(out, a, 253, 2, 4);
}

static void pack_field(uint8_t *out, const field a)
{
	field whole, less;

	copy(whole, a);
	for (int i = 0; i < 3; i++)
		carry(whole);
	for (int round = 0; round < 2; round++) {
		int below;

		less[0] = whole[0] - 0xffed;
		for (int i = 1; i < LIMBS; i++) {
			less[i] = whole[i] - (i < LIMBS - 1 ? 0xffff : 0x7fff) - ((less[i - 1] >> 16) & 1);
			less[i - 1] &= 0xffff;
		}
		below = (less[LIMBS - 1] >> 16) & 1;
		less[LIMBS - 1] &= 0xffff;
		select_swap(whole, less, 1 - below);
	}
	for (int i = 0; i < LIMBS; i++) {
		out[2 * i] = whole[i];
		out[2 * i + 1] = whole[i] >> 8;
	}
}

static void unpack_field(field out, const uint8_t *bytes)
{
	for (int i = 0; i < LIMBS; i++)
		out[i] = bytes[2 * i] + ((int64_t)bytes[2 * i + 1] << 8);
	out[LIMBS - 1] &= 0x7fff;
}

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

	pack_field(left, a);
	pack_field(right, b);
	return equal_bytes(left, right);
}

static int parity(const field a)
{
	uint8_t bytes[32];

	pack_field(bytes, a);
	return bytes[0] & 1;
}

/* RFC 8032, 5.1.4: complete, so that doubling is no special case. */
static void add_point(struct point *p, const struct point *q)
{
	field a, b, c, d, e, f, g, h, t;

	subtract(a, p->y, p->x);
	subtract(t, q->y, q->x);
	multiply(a, a, t);
	add(b, p->x, p->y);
	add(t, q->x, q->y);
	multiply(b, b, t);
	multiply(c, p->t, q->t);
	multiply(c, c, curve_2d);
	multiply(d, p->z, q->z);
	add(d, d, d);
	subtract(e, b, a);
	subtract(f, d, c);
	add(g, d, c);
	add(h, b, a);
	multiply(p->x, e, f);
	multiply(p->y, h, g);
	multiply(p->z, g, f);
	multiply(p->t, e, h);
}

static void swap_points(struct point *p, struct point *q, int bit)
{
	select_swap(p->x, q->x, bit);
	select_swap(p->y, q->y, bit);
	select_swap(p->z, q->z, bit);
	select_swap(p->t, q->t, bit);
}

/* `q` is lost. */
static void multiply_point(struct point *out, struct point *q, const uint8_t *scalar)
{
	copy(out->x, zero);
	copy(out->y, one);
	copy(out->z, one);
	copy(out->t, zero);
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

	copy(base.x, base_x);
	copy(base.y, base_y);
	copy(base.z, one);
	multiply(base.t, base_x, base_y);
	multiply_point(out, &base, scalar);
}

static void pack_point(uint8_t *out, const struct point *p)
{
	field inverse, x, y;

	invert(inverse, p->z);
	multiply(x, p->x, inverse);
	multiply(y, p->y, inverse);
	pack_field(out, y);
	out[31] ^= parity(x) << 7;
}

/* 5.1.3, and the sign turned; false: no point of the curve. */
static bool unpack_negative(struct point *out, const uint8_t *bytes)
{
	field numerator, denominator, square, fourth, root, t;

	copy(out->z, one);
	unpack_field(out->y, bytes);
	multiply(numerator, out->y, out->y);
	multiply(denominator, numerator, curve_d);
	subtract(numerator, numerator, out->z);
	add(denominator, out->z, denominator);
	multiply(square, denominator, denominator);
	multiply(fourth, square, square);
	multiply(t, fourth, square);
	multiply(t, t, numerator);
	multiply(t, t, denominator);
	/* a^((p - 5) / 8) */
	power(t, t, 250, 1, 1);
	multiply(t, t, numerator);
	multiply(t, t, denominator);
	multiply(t, t, denominator);
	multiply(out->x, t, denominator);
	multiply(root, out->x, out->x);
	multiply(root, root, denominator);
	if (!is_equal(root, numerator))
		multiply(out->x, out->x, root_of_minus_one);
	multiply(root, out->x, out->x);
	multiply(root, root, denominator);
	if (!is_equal(root, numerator))
		return false;
	if (parity(out->x) == bytes[31] >> 7)
		subtract(out->x, zero, out->x);
	multiply(out->t, out->x, out->y);
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
