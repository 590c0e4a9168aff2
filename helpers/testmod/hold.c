// SPDX-License-Identifier: GPL-2.0-only
/*
 * HOLD and UNHOLD: folios of the caller that are locked, or under writeback,
 * until somebody lets go of them.
 *
 * Anonymous ones only. Nobody who unmaps or frees them waits for lock or
 * writeback, so that a task can exit whoever holds them; the truncation of a
 * file would wait, for ever if it is on its way to close the descriptor. The
 * reference that comes with a hold keeps the folio from being freed meanwhile,
 * and direct compaction from isolating it, which would wait as well.
 */
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/preempt.h>
#include <linux/slab.h>

#include "pnt.h"

struct pnt_hold_set {
	u32 flags;
	u64 nr;
	struct folio *folios[];
};

static int pnt_hold_folio(struct folio *folio, u32 flags)
{
	int ret = 0;

	if (!folio_trylock(folio))
		return -EBUSY;
	if (!folio_test_anon(folio) || folio_test_ksm(folio) || folio_test_hugetlb(folio))
		ret = -EINVAL;
	else if (folio_test_writeback(folio))
		ret = -EBUSY;
	else if (flags & PNT_HOLD_WRITEBACK)
		folio_start_writeback(folio);
	if (ret || flags & PNT_HOLD_WRITEBACK)
		folio_unlock(folio);
	return ret;
}

/*
 * Whoever waited for the folio gives up on one with a reference too many, so
 * he is not to run before ours is gone (nor before that of
 * folio_end_writeback() is). On this CPU he does not; another one can be slow
 * between the two, a virtual one for as long as its host likes, so who has to
 * find the folio without our reference is bound to the CPU of the caller.
 */
static void pnt_unhold_folio(struct folio *folio, u32 flags)
{
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		preempt_disable();
	if (flags & PNT_HOLD_WRITEBACK)
		folio_end_writeback(folio);
	else
		folio_unlock(folio);
	folio_put(folio);
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		preempt_enable();
}

static u64 pnt_unhold_set(struct pnt_file *file, struct pnt_hold_set *set)
{
	u64 nr = set->nr;
	u64 i;

	for (i = 0; i < nr; i++)
		pnt_unhold_folio(set->folios[i], set->flags);
	pnt_count(file, holds, -(s64)nr);
	kfree(set);
	return nr;
}

static bool pnt_hold_has(const struct pnt_hold_set *set, const struct folio *folio)
{
	u64 i;

	for (i = 0; i < set->nr; i++)
		if (set->folios[i] == folio)
			return true;
	return false;
}

/* Each folio of the pages once; the reference of every page is used up. */
static int pnt_hold_pages(struct pnt_file *file, struct pnt_hold_set *set,
			  struct page **pages, u64 nr)
{
	struct folio *folio;
	int ret = 0;
	u64 i;

	for (i = 0; i < nr; i++) {
		folio = page_folio(pages[i]);
		if (!ret && !pnt_hold_has(set, folio)) {
			ret = pnt_hold_folio(folio, set->flags);
			if (!ret) {
				set->folios[set->nr++] = folio;
				continue;
			}
		}
		folio_put(folio);
	}
	pnt_count(file, holds, set->nr);
	return ret;
}

static int pnt_hold_range(struct pnt_file *file, const struct pnt_hold *req,
			  struct pnt_hold_set *set)
{
	struct page **pages;
	int got, ret;

	pages = kcalloc(req->npages, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return -ENOMEM;
	got = get_user_pages_fast(req->addr, req->npages, 0, pages);
	ret = got < 0 ? got : pnt_hold_pages(file, set, pages, got);
	if (!ret && got < req->npages)
		ret = -EFAULT;
	kfree(pages);
	return ret;
}

long pnt_ioctl_hold(struct pnt_file *file, void *arg)
{
	struct pnt_hold *req = arg;
	struct pnt_hold_set *set;
	long ret;
	u64 nr;
	u32 id;

	if ((req->flags != PNT_HOLD_LOCK && req->flags != PNT_HOLD_WRITEBACK) ||
	    req->reserved || req->id || req->folios || !PAGE_ALIGNED(req->addr) ||
	    !req->npages || req->npages > PNT_MAX_HOLD_PAGES ||
	    req->addr >= TASK_SIZE_MAX ||
	    req->npages > (TASK_SIZE_MAX - req->addr) >> PAGE_SHIFT)
		return -EINVAL;
	set = kzalloc(struct_size(set, folios, req->npages), GFP_KERNEL);
	if (!set)
		return -ENOMEM;
	set->flags = req->flags;
	ret = pnt_hold_range(file, req, set);
	if (ret)
		goto unhold;
	nr = set->nr;		/* with an id anybody may let go of it */
	ret = xa_alloc(&file->holds, &id, set, XA_LIMIT(1, PNT_MAX_IDS), GFP_KERNEL);
	if (ret) {
		ret = ret == -EBUSY ? -ENOSPC : ret;
		goto unhold;
	}
	req->id = id;
	req->folios = nr;
	return 0;

unhold:
	pnt_unhold_set(file, set);
	return ret;
}

u64 pnt_unhold_all(struct pnt_file *file)
{
	struct pnt_hold_set *set;
	unsigned long id;
	u64 nr = 0;

	xa_for_each(&file->holds, id, set)
		if (xa_erase(&file->holds, id) == set)
			nr += pnt_unhold_set(file, set);
	return nr;
}

long pnt_ioctl_unhold(struct pnt_file *file, void *arg)
{
	struct pnt_unhold *req = arg;
	struct pnt_hold_set *set;

	if (req->folios)
		return -EINVAL;
	if (req->id > PNT_MAX_IDS)
		return -ENOENT;
	mutex_lock(&file->lock);
	if (req->id) {
		set = xa_erase(&file->holds, req->id);
		if (set)
			req->folios = pnt_unhold_set(file, set);
	} else {
		req->folios = pnt_unhold_all(file);
	}
	mutex_unlock(&file->lock);
	return req->id && !req->folios ? -ENOENT : 0;
}
