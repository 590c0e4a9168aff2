// SPDX-License-Identifier: GPL-2.0-only
/*
 * What inside/calls.py does through cffi, as loops in C: the same calls with the same arguments on the same
 * pages of the same process, by the same clock. A shared object, loaded into that process.
 *
 * Each returns nanoseconds, or a negative errno.
 */
#include <errno.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec * 1000000000L + at.tv_nsec;
}

/* A policy that is set already is no work: two masks take turns. */
long loop_mbind(unsigned long addr, unsigned long length, int mode, const unsigned long *one,
		const unsigned long *other, unsigned long maxnode, long calls)
{
	const long began = now();

	for (long i = 0; i < calls; i++)
		if (syscall(SYS_mbind, addr, length, mode, i & 1 ? other : one, maxnode, 0))
			return -errno;
	return now() - began;
}

/* Which node is each page on. */
long loop_query(unsigned long count, void **pages, int *status, long calls)
{
	const long began = now();

	for (long i = 0; i < calls; i++)
		if (syscall(SYS_move_pages, 0, count, pages, NULL, status, 0))
			return -errno;
	return now() - began;
}

/* There and back. A page that did not move is an error: less work would look like speed. */
long loop_move(unsigned long count, void **pages, const int *one, const int *other, int *status, int flags,
	       long calls)
{
	const long began = now();

	for (long i = 0; i < calls; i++) {
		const int *nodes = i & 1 ? other : one;
		const long left = syscall(SYS_move_pages, 0, count, pages, nodes, status, flags);

		if (left)
			return left < 0 ? -errno : -EBUSY;
	}
	return now() - began;
}
