// SPDX-License-Identifier: MIT
/* In the manner of TweetNaCl, as ed25519.c. */
#include <string.h>

#include "field.h"

void field_copy(field out, const field a)
{
	memcpy(out, a, sizeof(field));
}

static void field_carry(field a)
{
	for (int i = 0; i < LIMBS; i++) {
		int64_t over;

		a[i] += 1 << 16;
		over = a[i] >> 16;
		a[(i + 1) % LIMBS] += i < LIMBS - 1 ? over - 1 : 38 * (over - 1);
		a[i] -= over * (1 << 16);
	}
}

void field_swap(field a, field b, int bit)
{
	int64_t mask = ~((int64_t)bit - 1);

	for (int i = 0; i < LIMBS; i++) {
		int64_t both = mask & (a[i] ^ b[i]);

		a[i] ^= both;
		b[i] ^= both;
	}
}

void field_add(field out, const field a, const field b)
{
	for (int i = 0; i < LIMBS; i++)
		out[i] = a[i] + b[i];
}

void field_subtract(field out, const field a, const field b)
{
	for (int i = 0; i < LIMBS; i++)
		out[i] = a[i] - b[i];
}

void field_multiply(field out, const field a, const field b)
{
	int64_t product[2 * LIMBS - 1] = { 0 };

	for (int i = 0; i < LIMBS; i++)
		for (int j = 0; j < LIMBS; j++)
			product[i + j] += a[i] * b[j];
	for (int i = 0; i < LIMBS - 1; i++)
		product[i] += 38 * product[i + LIMBS];
	memcpy(out, product, sizeof(field));
	field_carry(out);
	field_carry(out);
}

void field_power(field out, const field a, int top, int skip_a, int skip_b)
{
	field result;

	field_copy(result, a);
	for (int bit = top; bit >= 0; bit--) {
		field_multiply(result, result, result);
		if (bit != skip_a && bit != skip_b)
			field_multiply(result, result, a);
	}
	field_copy(out, result);
}

void field_invert(field out, const field a)
{
	field_power(out, a, 253, 2, 4);
}

void field_pack(uint8_t *out, const field a)
{
	field whole, less;

	field_copy(whole, a);
	for (int i = 0; i < 3; i++)
		field_carry(whole);
	for (int round = 0; round < 2; round++) {
		int below;

		less[0] = whole[0] - 0xffed;
		for (int i = 1; i < LIMBS; i++) {
			less[i] = whole[i] - (i < LIMBS - 1 ? 0xffff : 0x7fff) - ((less[i - 1] >> 16) & 1);
			less[i - 1] &= 0xffff;
		}
		below = (less[LIMBS - 1] >> 16) & 1;
		less[LIMBS - 1] &= 0xffff;
		field_swap(whole, less, 1 - below);
	}
	for (int i = 0; i < LIMBS; i++) {
		out[2 * i] = whole[i];
		out[2 * i + 1] = whole[i] >> 8;
	}
}

void field_unpack(field out, const uint8_t *bytes)
{
	for (int i = 0; i < LIMBS; i++)
		out[i] = bytes[2 * i] + ((int64_t)bytes[2 * i + 1] << 8);
	out[LIMBS - 1] &= 0x7fff;
}
