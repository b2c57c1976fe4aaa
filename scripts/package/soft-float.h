/* SPDX-License-Identifier: MIT */
/* What glibc's soft-fp expects of its own library around it. */
#include <endian.h>

#define strong_alias(name, other) extern __typeof(name) other __attribute__((alias(#name)))
