// SPDX-License-Identifier: MIT
/* ChaCha20-Poly1305, RFC 8439. No branch and no index depends on a secret. */
#include <string.h>

#include "crypto.h"

#define BLOCK_BYTES 64
#define POLY_BLOCK_BYTES 16
#define LIMB_MASK 0x3ffffffu

static uint32_t load32(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void store32(uint8_t *at, uint32_t value)
{
	at[0] = value;
	at[1] = value >> 8;
	at[2] = value >> 16;
	at[3] = value >> 24;
}

static void store64(uint8_t *at, uint64_t value)
{
	store32(at, value);
	store32(at + 4, value >> 32);
}

static inline uint32_t rotate(uint32_t value, int bits)
{
	return value << bits | value >> (32 - bits);
}

/* RFC 8439, 2.1 */
static inline void quarter_round(uint32_t *x, int a, int b, int c, int d)
{
	x[a] += x[b];
	x[d] = rotate(x[d] ^ x[a], 16);
	x[c] += x[d];
	x[b] = rotate(x[b] ^ x[c], 12);
	x[a] += x[b];
	x[d] = rotate(x[d] ^ x[a], 8);
	x[c] += x[d];
	x[b] = rotate(x[b] ^ x[c], 7);
}

/* 2.3: one block of the key stream. `state[12]` is the counter. */
static void chacha_block(const uint32_t *state, uint8_t *out)
{
	uint32_t x[16];

	memcpy(x, state, sizeof(x));
	for (int i = 0; i < 10; i++) {
		quarter_round(x, 0, 4, 8, 12);
		quarter_round(x, 1, 5, 9, 13);
		quarter_round(x, 2, 6, 10, 14);
		quarter_round(x, 3, 7, 11, 15);
		quarter_round(x, 0, 5, 10, 15);
		quarter_round(x, 1, 6, 11, 12);
		quarter_round(x, 2, 7, 8, 13);
		quarter_round(x, 3, 4, 9, 14);
	}
	for (int i = 0; i < 16; i++)
		store32(out + 4 * i, x[i] + state[i]);
}

static void chacha_start(uint32_t *state, const uint8_t *key, const uint8_t *nonce)
{
	memcpy(state, (const uint32_t[]){ 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 }, 16);
	for (int i = 0; i < 8; i++)
		state[4 + i] = load32(key + 4 * i);
	state[12] = 0;
	for (int i = 0; i < 3; i++)
		state[13 + i] = load32(nonce + 4 * i);
}

static void chacha_xor(uint32_t *state, struct span text, uint8_t *out)
{
	uint8_t stream[BLOCK_BYTES];

	for (size_t at = 0; at < text.length; at += BLOCK_BYTES) {
		size_t left = text.length - at < BLOCK_BYTES ? text.length - at : BLOCK_BYTES;

		chacha_block(state, stream);
		state[12]++;
		for (size_t i = 0; i < left; i++)
			out[at + i] = text.data[at + i] ^ stream[i];
	}
}

/* 2.5: numbers below 2^130 in five limbs of 26 bits. */
struct poly {
	uint32_t r[5], h[5], pad[4];
};

static void poly_start(struct poly *poly, const uint8_t *key)
{
	memset(poly, 0, sizeof(*poly));
	poly->r[0] = load32(key) & 0x3ffffff;
	poly->r[1] = load32(key + 3) >> 2 & 0x3ffff03;
	poly->r[2] = load32(key + 6) >> 4 & 0x3ffc0ff;
	poly->r[3] = load32(key + 9) >> 6 & 0x3f03fff;
	poly->r[4] = load32(key + 12) >> 8 & 0x00fffff;
	for (int i = 0; i < 4; i++)
		poly->pad[i] = load32(key + 16 + 4 * i);
}

/* h = (h + block + 2^128) * r modulo 2^130 - 5 */
static void poly_block(struct poly *poly, const uint8_t *block)
{
	uint32_t *h = poly->h, *r = poly->r;
	uint64_t d[5] = { 0 }, carry = 0;

	h[0] += load32(block) & LIMB_MASK;
	h[1] += load32(block + 3) >> 2 & LIMB_MASK;
	h[2] += load32(block + 6) >> 4 & LIMB_MASK;
	h[3] += load32(block + 9) >> 6 & LIMB_MASK;
	h[4] += load32(block + 12) >> 8 | 1u << 24;
	/* What passes 2^130 comes back five times. */
	for (int i = 0; i < 5; i++)
		for (int j = 0; j < 5; j++)
			d[i] += (uint64_t)h[j] * (j <= i ? r[i - j] : 5 * r[i - j + 5]);
	for (int i = 0; i < 5; i++) {
		d[i] += carry;
		h[i] = d[i] & LIMB_MASK;
		carry = d[i] >> 26;
	}
	h[0] += (uint32_t)carry * 5;
	h[1] += h[0] >> 26;
	h[0] &= LIMB_MASK;
}

/* Zeroes to the next whole block: 2.8. */
static void poly_padded(struct poly *poly, struct span data)
{
	uint8_t last[POLY_BLOCK_BYTES] = { 0 };
	size_t whole = data.length & ~(size_t)(POLY_BLOCK_BYTES - 1);

	for (size_t at = 0; at < whole; at += POLY_BLOCK_BYTES)
		poly_block(poly, data.data + at);
	if (whole == data.length)
		return;
	memcpy(last, data.data + whole, data.length - whole);
	poly_block(poly, last);
}

static void poly_end(struct poly *poly, uint8_t *tag)
{
	uint32_t *h = poly->h, g[5], carry = 0, keep;
	uint64_t sum = 0;

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 5; i++) {
			h[i] += carry;
			carry = h[i] >> 26;
			h[i] &= LIMB_MASK;
		}
		carry *= 5;
	}
	h[0] += carry;
	/* h - p, if that is not negative. */
	carry = 5;
	for (int i = 0; i < 5; i++) {
		g[i] = h[i] + carry;
		carry = g[i] >> 26;
		g[i] &= LIMB_MASK;
	}
	keep = carry - 1;
	for (int i = 0; i < 5; i++)
		h[i] = (h[i] & keep) | (g[i] & ~keep);
	for (int i = 0; i < 4; i++) {
		sum += (uint64_t)(uint32_t)(h[i] >> 6 * i | h[i + 1] << (26 - 6 * i)) + poly->pad[i];
		store32(tag + 4 * i, sum);
		sum >>= 32;
	}
}

static void make_tag(uint32_t *state, struct span aad, struct span sealed, uint8_t *tag)
{
	uint8_t block[BLOCK_BYTES], lengths[POLY_BLOCK_BYTES];
	struct poly poly;

	state[12] = 0;
	chacha_block(state, block);
	poly_start(&poly, block);
	poly_padded(&poly, aad);
	poly_padded(&poly, sealed);
	store64(lengths, aad.length);
	store64(lengths + 8, sealed.length);
	poly_block(&poly, lengths);
	poly_end(&poly, tag);
}

void aead_seal(const uint8_t *key, const uint8_t *nonce, struct span aad, struct span text, uint8_t *out, uint8_t *tag)
{
	uint32_t state[16];

	chacha_start(state, key, nonce);
	state[12] = 1;
	chacha_xor(state, text, out);
	make_tag(state, aad, (struct span){ out, text.length }, tag);
}

bool aead_open(const uint8_t *key, const uint8_t *nonce, struct span aad, struct span sealed, const uint8_t *tag,
	       uint8_t *out)
{
	uint8_t right[AEAD_TAG_BYTES], differs = 0;
	uint32_t state[16];

	chacha_start(state, key, nonce);
	make_tag(state, aad, sealed, right);
	for (int i = 0; i < AEAD_TAG_BYTES; i++)
		differs |= right[i] ^ tag[i];
	if (differs)
		return false;
	state[12] = 1;
	chacha_xor(state, sealed, out);
	return true;
}
