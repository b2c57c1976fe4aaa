/* SPDX-License-Identifier: MIT */
/* Numbers modulo 2^255 - 19, for ed25519.c and x25519.c. No branch and no index depends on a number's value. */
#ifndef ROAMWALL_QJS_FIELD_H
#define ROAMWALL_QJS_FIELD_H

#include <stdint.h>

#define LIMBS 16

/* Limbs of 16 bits, least first, with room for sums and differences. `out` may be any of the others. */
typedef int64_t field[LIMBS];

void field_copy(field out, const field a);
/* Swaps where `bit` is 1. */
void field_swap(field a, field b, int bit);
void field_add(field out, const field a, const field b);
void field_subtract(field out, const field a, const field b);
void field_multiply(field out, const field a, const field b);
/* a to the number whose bits up to `top` + 1 are all set, but those two. */
void field_power(field out, const field a, int top, int skip_a, int skip_b);
/* a^(p - 2) */
void field_invert(field out, const field a);
/* 32 bytes, least first; the number that is read may be above the modulus, its top bit is ignored. */
void field_pack(uint8_t *out, const field a);
void field_unpack(field out, const uint8_t *bytes);

#endif
