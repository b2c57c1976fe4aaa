// SPDX-License-Identifier: MIT
/* SHA-256 and SHA-512, FIPS 180-4: one shape, two widths. */
#include <string.h>

#include "crypto.h"

#define BLOCK_256 64
#define BLOCK_512 128
#define ROUNDS_256 64
#define ROUNDS_512 80

/* 4.2.3: of the cube roots of the first primes the first 64 bits; SHA-256 takes the first 32 of the first 64 (4.2.2). */
static const uint64_t rounds[ROUNDS_512] = {
	0x428a2f98d728ae22ull, 0x7137449123ef65cdull, 0xb5c0fbcfec4d3b2full, 0xe9b5dba58189dbbcull,
	0x3956c25bf348b538ull, 0x59f111f1b605d019ull, 0x923f82a4af194f9bull, 0xab1c5ed5da6d8118ull,
	0xd807aa98a3030242ull, 0x12835b0145706fbeull, 0x243185be4ee4b28cull, 0x550c7dc3d5ffb4e2ull,
	0x72be5d74f27b896full, 0x80deb1fe3b1696b1ull, 0x9bdc06a725c71235ull, 0xc19bf174cf692694ull,
	0xe49b69c19ef14ad2ull, 0xefbe4786384f25e3ull, 0x0fc19dc68b8cd5b5ull, 0x240ca1cc77ac9c65ull,
	0x2de92c6f592b0275ull, 0x4a7484aa6ea6e483ull, 0x5cb0a9dcbd41fbd4ull, 0x76f988da831153b5ull,
	0x983e5152ee66dfabull, 0xa831c66d2db43210ull, 0xb00327c898fb213full, 0xbf597fc7beef0ee4ull,
	0xc6e00bf33da88fc2ull, 0xd5a79147930aa725ull, 0x06ca6351e003826full, 0x142929670a0e6e70ull,
	0x27b70a8546d22ffcull, 0x2e1b21385c26c926ull, 0x4d2c6dfc5ac42aedull, 0x53380d139d95b3dfull,
	0x650a73548baf63deull, 0x766a0abb3c77b2a8ull, 0x81c2c92e47edaee6ull, 0x92722c851482353bull,
	0xa2bfe8a14cf10364ull, 0xa81a664bbc423001ull, 0xc24b8b70d0f89791ull, 0xc76c51a30654be30ull,
	0xd192e819d6ef5218ull, 0xd69906245565a910ull, 0xf40e35855771202aull, 0x106aa07032bbd1b8ull,
	0x19a4c116b8d2d0c8ull, 0x1e376c085141ab53ull, 0x2748774cdf8eeb99ull, 0x34b0bcb5e19b48a8ull,
	0x391c0cb3c5c95a63ull, 0x4ed8aa4ae3418acbull, 0x5b9cca4f7763e373ull, 0x682e6ff3d6b2b8a3ull,
	0x748f82ee5defb2fcull, 0x78a5636f43172f60ull, 0x84c87814a1f0ab72ull, 0x8cc702081a6439ecull,
	0x90befffa23631e28ull, 0xa4506cebde82bde9ull, 0xbef9a3f7b2c67915ull, 0xc67178f2e372532bull,
	0xca273eceea26619cull, 0xd186b8c721c0c207ull, 0xeada7dd6cde0eb1eull, 0xf57d4f7fee6ed178ull,
	0x06f067aa72176fbaull, 0x0a637dc5a2c898a6ull, 0x113f9804bef90daeull, 0x1b710b35131c471bull,
	0x28db77f523047d84ull, 0x32caab7b40c72493ull, 0x3c9ebe0a15c9bebcull, 0x431d67c49c100d4cull,
	0x4cc5d4becb3e42b6ull, 0x597f299cfc657e2aull, 0x5fcb6fab3ad6faecull, 0x6c44198c4a475817ull,
};

/* 5.3.5: of the square roots; SHA-256 takes the first 32 bits (5.3.3). */
static const uint64_t start[8] = {
	0x6a09e667f3bcc908ull, 0xbb67ae8584caa73bull, 0x3c6ef372fe94f82bull, 0xa54ff53a5f1d36f1ull,
	0x510e527fade682d1ull, 0x9b05688c2b3e6c1full, 0x1f83d9abfb41bd6bull, 0x5be0cd19137e2179ull,
};

/* What stands at `k` after `i` rounds: each moves all by one place, so their number is a multiple of eight. */
#define TURNED(v, k, i) (v)[((k) - (i)) & 7]

static inline uint32_t right32(uint32_t x, int bits)
{
	return x >> bits | x << (32 - bits);
}

static inline uint64_t right64(uint64_t x, int bits)
{
	return x >> bits | x << (64 - bits);
}

static void block_256(uint32_t *h, const uint8_t *at)
{
	uint32_t w[ROUNDS_256], v[8];

	for (int i = 0; i < 16; i++, at += 4)
		w[i] = (uint32_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
	for (int i = 16; i < ROUNDS_256; i++)
		w[i] = w[i - 16] + w[i - 7] + (right32(w[i - 15], 7) ^ right32(w[i - 15], 18) ^ w[i - 15] >> 3) +
		       (right32(w[i - 2], 17) ^ right32(w[i - 2], 19) ^ w[i - 2] >> 10);
	memcpy(v, h, sizeof(v));
	for (unsigned int i = 0; i < ROUNDS_256; i++) {
		uint32_t a = TURNED(v, 0, i), b = TURNED(v, 1, i), c = TURNED(v, 2, i), e = TURNED(v, 4, i);
		uint32_t t1 = TURNED(v, 7, i) + (right32(e, 6) ^ right32(e, 11) ^ right32(e, 25)) +
			      ((e & TURNED(v, 5, i)) ^ (~e & TURNED(v, 6, i))) + (uint32_t)(rounds[i] >> 32) + w[i];
		uint32_t t2 = (right32(a, 2) ^ right32(a, 13) ^ right32(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));

		TURNED(v, 3, i) += t1;
		TURNED(v, 7, i) = t1 + t2;
	}
	for (int i = 0; i < 8; i++)
		h[i] += v[i];
}

static void block_512(uint64_t *h, const uint8_t *at)
{
	uint64_t w[ROUNDS_512], v[8];

	for (int i = 0; i < 16; i++) {
		w[i] = 0;
		for (int byte = 0; byte < 8; byte++)
			w[i] = w[i] << 8 | *at++;
	}
	for (int i = 16; i < ROUNDS_512; i++)
		w[i] = w[i - 16] + w[i - 7] + (right64(w[i - 15], 1) ^ right64(w[i - 15], 8) ^ w[i - 15] >> 7) +
		       (right64(w[i - 2], 19) ^ right64(w[i - 2], 61) ^ w[i - 2] >> 6);
	memcpy(v, h, sizeof(v));
	for (unsigned int i = 0; i < ROUNDS_512; i++) {
		uint64_t a = TURNED(v, 0, i), b = TURNED(v, 1, i), c = TURNED(v, 2, i), e = TURNED(v, 4, i);
		uint64_t t1 = TURNED(v, 7, i) + (right64(e, 14) ^ right64(e, 18) ^ right64(e, 41)) +
			      ((e & TURNED(v, 5, i)) ^ (~e & TURNED(v, 6, i))) + rounds[i] + w[i];
		uint64_t t2 = (right64(a, 28) ^ right64(a, 34) ^ right64(a, 39)) + ((a & b) ^ (a & c) ^ (b & c));

		TURNED(v, 3, i) += t1;
		TURNED(v, 7, i) = t1 + t2;
	}
	for (int i = 0; i < 8; i++)
		h[i] += v[i];
}

/* Whole blocks are hashed as they fill; answers how many bytes of `block` are left over. */
static size_t absorb(const struct span *parts, size_t count, uint8_t *block, size_t size, void *h,
		     void (*hash)(void *h, const uint8_t *block))
{
	size_t held = 0;

	for (; count; count--, parts++)
		for (size_t at = 0; at < parts->length;) {
			size_t take = size - held < parts->length - at ? size - held : parts->length - at;

			memcpy(block + held, parts->data + at, take);
			at += take;
			held += take;
			if (held == size) {
				hash(h, block);
				held = 0;
			}
		}
	return held;
}

/* 5.1: a bit, zeroes, the length in bits. `room`: for the length. */
static void finish(const struct span *parts, size_t count, uint8_t *block, size_t size, size_t held, size_t room,
		   void *h, void (*hash)(void *h, const uint8_t *block))
{
	uint64_t bits = 0;

	for (; count; count--, parts++)
		bits += (uint64_t)parts->length * 8;
	block[held++] = 0x80;
	memset(block + held, 0, size - held);
	if (held > size - room) {
		hash(h, block);
		memset(block, 0, size);
	}
	for (int i = 0; i < 8; i++)
		block[size - 1 - i] = bits >> 8 * i;
	hash(h, block);
}

static void hash_256(void *h, const uint8_t *block)
{
	block_256(h, block);
}

static void hash_512(void *h, const uint8_t *block)
{
	block_512(h, block);
}

void sha256(const struct span *parts, size_t count, uint8_t *out)
{
	uint8_t block[BLOCK_256];
	uint32_t h[8];
	size_t held;

	for (int i = 0; i < 8; i++)
		h[i] = start[i] >> 32;
	held = absorb(parts, count, block, sizeof(block), h, hash_256);
	finish(parts, count, block, sizeof(block), held, 8, h, hash_256);
	for (int i = 0; i < SHA256_BYTES; i++)
		out[i] = h[i / 4] >> (24 - 8 * (i % 4));
}

void sha512(const struct span *parts, size_t count, uint8_t *out)
{
	uint8_t block[BLOCK_512];
	uint64_t h[8];
	size_t held;

	memcpy(h, start, sizeof(h));
	held = absorb(parts, count, block, sizeof(block), h, hash_512);
	finish(parts, count, block, sizeof(block), held, 16, h, hash_512);
	for (int i = 0; i < SHA512_BYTES; i++)
		out[i] = h[i / 8] >> (56 - 8 * (i % 8));
}
