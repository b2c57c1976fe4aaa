// SPDX-License-Identifier: MIT
/*
 * What a compiler calls for floating-point numbers on a CPU without them. Debian's compilers for MIPS bring it for CPUs with them
 * only. musl's printf and strtod name it, for conversions that roamwalld never asks for: whoever did would end the program here,
 * instead of getting a wrong number.
 */
#define ABSENT(name) void name(void) { __builtin_trap(); }

ABSENT(__adddf3)
ABSENT(__subdf3)
ABSENT(__muldf3)
ABSENT(__divdf3)
ABSENT(__negdf2)
ABSENT(__eqdf2)
ABSENT(__nedf2)
ABSENT(__ltdf2)
ABSENT(__ledf2)
ABSENT(__gtdf2)
ABSENT(__gedf2)
ABSENT(__unorddf2)
ABSENT(__fixdfsi)
ABSENT(__fixunsdfsi)
ABSENT(__fixdfdi)
ABSENT(__fixunsdfdi)
ABSENT(__floatsidf)
ABSENT(__floatunsidf)
ABSENT(__floatdidf)
ABSENT(__floatundidf)
ABSENT(__extendsfdf2)
ABSENT(__truncdfsf2)
ABSENT(__addsf3)
ABSENT(__subsf3)
ABSENT(__mulsf3)
ABSENT(__eqsf2)
ABSENT(__nesf2)
ABSENT(__floatsisf)
ABSENT(__floatunsisf)
