// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which physical ranges PLUG hands to the kernel.
 *
 * Memory hotplug believes its caller: a range that is no memory becomes struct
 * pages over nothing, and the first write to it kills the machine. So the
 * module lets through
 *  - what the kernel is sure to refuse, because that is what the tests are
 *    after: empty or unaligned ranges, and ranges that overlap RAM that is
 *    there already;
 *  - memory that the firmware or a driver announced and nobody has claimed: each
 *    byte lies in a soft reserved range, or in a CXL window behind which memory
 *    answers (a window is address space only until a region is committed).
 * All else is ERANGE.
 */
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/memory.h>
#include <linux/sched.h>
#include <linux/sizes.h>

#ifdef CONFIG_X86
#include <asm/cacheflush.h>
#endif

#include "pnt.h"

/* Finer than any window or reservation of memory that can be plugged. */
#define PNT_STEP	SZ_2M

/* region_intersects() takes a hole for part of the region: look step by step. */
static bool pnt_covered(u64 start, u64 size, unsigned long desc)
{
	u64 at;

	for (at = start; at < start + size; at += PNT_STEP) {
		if (region_intersects(at, 1, IORESOURCE_MEM, desc) != REGION_INTERSECTS ||
		    region_intersects(at, PNT_STEP, IORESOURCE_MEM, desc) != REGION_INTERSECTS ||
		    region_intersects(at + PNT_STEP - 1, 1, IORESOURCE_MEM, desc) !=
		    REGION_INTERSECTS)
			return false;
		cond_resched();
	}
	return true;
}

/* Does a word keep two values in turn? It gets its old value back. */
static bool pnt_answers(u64 at)
{
	static const unsigned long patterns[] = { 0x5a17c0de5a17c0deUL, ~0x5a17c0de5a17c0deUL };
	unsigned long *word, old;
	bool ok = true;
	int i;

	word = memremap(at, sizeof(*word), MEMREMAP_WB);
	if (!word)
		return false;
	old = READ_ONCE(*word);
	for (i = 0; i < ARRAY_SIZE(patterns); i++) {
		WRITE_ONCE(*word, patterns[i]);
		mb();	/* the write is out before the cache line is */
#ifdef CONFIG_X86
		clflush_cache_range(word, sizeof(*word));
#endif
		ok = ok && READ_ONCE(*word) == patterns[i];
	}
	WRITE_ONCE(*word, old);
	memunmap(word);
	return ok;
}

static bool pnt_memory_behind(u64 start, u64 size)
{
	u64 block = memory_block_size_bytes();
	u64 at;

	for (at = start; at < start + size; at += block) {
		if (!pnt_answers(at) ||
		    !pnt_answers(at + block - sizeof(unsigned long)))
			return false;
		cond_resched();
	}
	return true;
}

int pnt_range_check(u64 start, u64 size)
{
	u64 block = memory_block_size_bytes();

	if (start + size < start)
		return -EINVAL;
	if (!size || (start | size) & (block - 1))
		return 0;	/* the kernel's to refuse */
	if (size / block > PNT_MAX_PLUG_BLOCKS)
		return -EINVAL;
	if (region_intersects(start, size, IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY,
			      IORES_DESC_NONE) != REGION_DISJOINT)
		return 0;	/* the same */
	if (pnt_covered(start, size, IORES_DESC_SOFT_RESERVED))
		return 0;
	if (pnt_covered(start, size, IORES_DESC_CXL) && pnt_memory_behind(start, size))
		return 0;
	return -ERANGE;
}
