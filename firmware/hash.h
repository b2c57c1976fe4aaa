/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Numbers out of words: XXH32, the fingerprint integer x, and its place in each subtable. */
#ifndef ROAMWALL_HASH_H
#define ROAMWALL_HASH_H

#include "abi.h"

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s64 s64;

#define rw_inline static inline __attribute__((always_inline))
/* The compiler may not reason about x: scans stay free of branches, and verification stays linear. */
#define rw_hide(x) asm volatile("" : "+r"(x))
/* What lies in memory is read again: the verifier forgets how control came here. */
#define rw_forget() asm volatile("" ::: "memory")
/* Counters of rolled loops have 64 bits, and are hidden: kernels before 5.16 forget a narrower one on the stack. */
#ifdef __clang__
#define rw_rolled _Pragma("clang loop unroll(disable)")
#define rw_unrolled _Pragma("clang loop unroll(full)")
#else
#define rw_rolled
#define rw_unrolled
#endif

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define rw_be16(x) ((u16)(x))
#define rw_be32(x) ((u32)(x))
#else
#define rw_be16(x) __builtin_bswap16(x)
#define rw_be32(x) __builtin_bswap32(x)
#endif

/* The shape of a table; fixed when it is made. `wide`: cells of 32 bits, else of 16. */
struct rw_shape {
	u32 bucket_bits;
	u32 remainder_bits;
	u32 tick_bits;
	u32 wide;
};

#define XXH_1 0x9E3779B1u
#define XXH_2 0x85EBCA77u
#define XXH_3 0xC2B2AE3Du
#define XXH_4 0x27D4EB2Fu
#define XXH_5 0x165667B1u

rw_inline u32 rw_rotl(u32 x, u32 by)
{
	return x << by | x >> (32 - by);
}

rw_inline u32 rw_xxh_lane(u32 lane, u32 word)
{
	return rw_rotl(lane + word * XXH_2, 13) * XXH_1;
}

/* Number of the lowest bit of x, x != 0. */
rw_inline u32 rw_lowest(u32 x)
{
	u64 one = x & -x;

#define RW_ANY(mask) ((u32)(((one & (mask)) + 0xffffffff) >> 32))
	return RW_ANY(0xaaaaaaaa) | RW_ANY(0xcccccccc) << 1 | RW_ANY(0xf0f0f0f0) << 2 | RW_ANY(0xff00ff00) << 3 |
	       RW_ANY(0xffff0000) << 4;
#undef RW_ANY
}

/* XXH32 of n words (n is a constant wherever this is called), first to last or last to first. */
rw_inline u32 rw_xxh32(const u32 *words, u32 n, u32 seed, int reversed)
{
	u32 i = 0, h = seed + XXH_5;

#define RW_WORD(i) words[reversed ? n - 1 - (i) : (i)]
	if (n >= 4) {
		u32 a = seed + XXH_1 + XXH_2, b = seed + XXH_2, c = seed, d = seed - XXH_1;

		rw_unrolled for (; i + 4 <= n; i += 4) {
			a = rw_xxh_lane(a, RW_WORD(i));
			b = rw_xxh_lane(b, RW_WORD(i + 1));
			c = rw_xxh_lane(c, RW_WORD(i + 2));
			d = rw_xxh_lane(d, RW_WORD(i + 3));
		}
		h = rw_rotl(a, 1) + rw_rotl(b, 7) + rw_rotl(c, 12) + rw_rotl(d, 18);
	}
	h += n * 4;
	rw_unrolled for (; i < n; i++)
		h = rw_rotl(h + RW_WORD(i) * XXH_3, 17) * XXH_4;
#undef RW_WORD
	h ^= h >> 15;
	h *= XXH_2;
	h ^= h >> 13;
	h *= XXH_3;
	return h ^ h >> 16;
}

/* The fingerprint of an expectation: flow (two hash lanes) and state, mixed into z + r bits. */
rw_inline u64 rw_fingerprint(u64 flow, u32 state_side, const volatile struct rw_shape *shape)
{
	u64 mixed = (flow ^ state_side * 0x9E3779B97F4A7C15ull) * 0xD6E8FEB86659FD93ull;

	return mixed >> (64 - shape->bucket_bits - shape->remainder_bits);
}

/* volatile: the compiler would move it to a section of its own, which a loader does not know */
static const volatile u64 rw_multiplier[RW_SUBTABLES] = {
	0x9E3779B97F4A7C55ull, 0xC2B2AE3D27D4EB4Full, 0x165667B19E3779F9ull, 0x27D4EB2F165667C5ull,
};

/* A permutation of the fingerprints: a subtable's own view of x. High bits: bucket; low bits: remainder. */
rw_inline u64 rw_place(u64 x, u32 subtable, const volatile struct rw_shape *shape)
{
	u64 y = rw_multiplier[subtable & 3] * x;
	u32 above = 64 - shape->bucket_bits - shape->remainder_bits;

	return y << above >> above;
}

/* Index of the row (bucket) among all rows of a table. */
rw_inline u32 rw_row_index(u64 place, u32 subtable, const volatile struct rw_shape *shape)
{
	return subtable << shape->bucket_bits | (u32)(place >> shape->remainder_bits);
}

rw_inline u32 rw_remainder(u64 place, const volatile struct rw_shape *shape)
{
	return (u32)place & ((1u << shape->remainder_bits) - 1);
}

#endif
