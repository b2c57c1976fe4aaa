/* SPDX-License-Identifier: MIT */
/*
 * stdin and stdout, with a C library or, with -DFREESTANDING, without one: on MIPS of 32 bits by system calls, with what
 * the compiler itself calls. For vectors.c, whose `run_all` is the whole program.
 */
#ifndef ROAMWALL_BARE_H
#define ROAMWALL_BARE_H

static int run_all(void);

#ifdef FREESTANDING
static long system_call(long number, long a, long b, long c)
{
	register long v0 asm("v0") = number, a0 asm("a0") = a, a1 asm("a1") = b, a2 asm("a2") = c, a3 asm("a3");

	asm volatile("syscall"
		     : "+r"(v0), "=r"(a3)
		     : "r"(a0), "r"(a1), "r"(a2)
		     : "memory", "at", "v1", "t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8", "t9", "hi", "lo");
	return a3 ? -1 : v0;
}

static long read_some(void *to, u32 bytes)
{
	return system_call(4003, 0, (long)to, bytes);
}

static void write_all(const char *text, u32 bytes)
{
	system_call(4004, 1, (long)text, bytes);
}

void *memcpy(void *to, const void *from, __SIZE_TYPE__ bytes)
{
	u8 *out = to;
	const u8 *in = from;

	while (bytes--)
		*out++ = *in++;
	return to;
}

void *memset(void *to, int value, __SIZE_TYPE__ bytes)
{
	u8 *out = to;

	while (bytes--)
		*out++ = (u8)value;
	return to;
}

int memcmp(const void *one, const void *other, __SIZE_TYPE__ bytes)
{
	const u8 *a = one, *b = other;

	for (; bytes; bytes--, a++, b++)
		if (*a != *b)
			return *a - *b;
	return 0;
}

/* What the compiler calls for shifts of 64 bits by a number that it does not know. */
union halves {
	u64 whole;
	struct {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		u32 high, low;
#else
		u32 low, high;
#endif
	} of;
};

u64 __lshrdi3(u64 value, int by)
{
	union halves v = { value };

	if (by >= 32)
		v.of.low = v.of.high >> (by - 32), v.of.high = 0;
	else if (by)
		v.of.low = v.of.low >> by | v.of.high << (32 - by), v.of.high >>= by;
	return v.whole;
}

u64 __ashldi3(u64 value, int by)
{
	union halves v = { value };

	if (by >= 32)
		v.of.high = v.of.low << (by - 32), v.of.low = 0;
	else if (by)
		v.of.high = v.of.high << by | v.of.low >> (32 - by), v.of.low <<= by;
	return v.whole;
}

void __start(void)
{
	system_call(4001, run_all(), 0, 0);
}
#else
#include <unistd.h>

static long read_some(void *to, u32 bytes)
{
	return read(0, to, bytes);
}

static void write_all(const char *text, u32 bytes)
{
	if (write(1, text, bytes) != (ssize_t)bytes)
		_exit(1);
}

int main(void)
{
	return run_all();
}
#endif

#endif
