// SPDX-License-Identifier: GPL-2.0-only
/* PIN and UNPIN: pin_user_pages() on the caller's memory. */
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "pnt.h"

struct pnt_pin_set {
	u64 pinned;
	struct page *pages[];
};

static long pnt_pin_pages(const struct pnt_pin *req, struct page **pages)
{
	struct mm_struct *mm = current->mm;
	unsigned int gup = 0;
	long ret;

	if (req->flags & PNT_PIN_LONGTERM)
		gup |= FOLL_LONGTERM;
	if (req->flags & PNT_PIN_WRITE)
		gup |= FOLL_WRITE;
	if (req->flags & PNT_PIN_FAST)
		return pin_user_pages_fast(req->addr, req->npages, gup, pages);
	if (mmap_read_lock_killable(mm))
		return -EINTR;
	ret = pin_user_pages(req->addr, req->npages, gup, pages);
	mmap_read_unlock(mm);
	return ret;
}

static int pnt_pin_report(const struct pnt_pin *req, const struct pnt_pin_set *set)
{
	s32 __user *nids = u64_to_user_ptr(req->nids);
	u64 __user *pfns = u64_to_user_ptr(req->pfns);
	u64 i;

	for (i = 0; i < set->pinned; i++) {
		if (nids && put_user(page_to_nid(set->pages[i]), nids + i))
			return -EFAULT;
		if (pfns && put_user((u64)page_to_pfn(set->pages[i]), pfns + i))
			return -EFAULT;
	}
	return 0;
}

static u64 pnt_pin_drop(struct pnt_file *file, struct pnt_pin_set *set)
{
	u64 n = set->pinned;

	unpin_user_pages(set->pages, n);
	pnt_count(file, pins, -(s64)n);
	kvfree(set);
	return n;
}

long pnt_ioctl_pin(struct pnt_file *file, void *arg)
{
	struct pnt_pin *req = arg;
	struct pnt_pin_set *set;
	long ret;
	u32 id;

	if (req->flags & ~(PNT_PIN_LONGTERM | PNT_PIN_WRITE | PNT_PIN_FAST) ||
	    req->reserved || req->id || req->pinned || !PAGE_ALIGNED(req->addr) ||
	    !req->npages || req->npages > PNT_MAX_WALK_PAGES || req->addr >= TASK_SIZE_MAX ||
	    req->npages > (TASK_SIZE_MAX - req->addr) >> PAGE_SHIFT)
		return -EINVAL;
	set = kvzalloc(struct_size(set, pages, req->npages), GFP_KERNEL);
	if (!set)
		return -ENOMEM;
	ret = pnt_pin_pages(req, set->pages);
	if (ret <= 0) {
		kvfree(set);
		return ret ?: -EFAULT;
	}
	set->pinned = ret;
	pnt_count(file, pins, ret);
	ret = pnt_pin_report(req, set);
	if (!ret)
		ret = xa_alloc(&file->pins, &id, set, XA_LIMIT(1, PNT_MAX_IDS), GFP_KERNEL);
	if (ret) {
		pnt_pin_drop(file, set);
		return ret == -EBUSY ? -ENOSPC : ret;
	}
	req->id = id;
	req->pinned = set->pinned;
	return 0;
}

u64 pnt_unpin_all(struct pnt_file *file)
{
	struct pnt_pin_set *set;
	unsigned long id;
	u64 n = 0;

	xa_for_each(&file->pins, id, set)
		if (xa_erase(&file->pins, id) == set)
			n += pnt_pin_drop(file, set);
	return n;
}

long pnt_ioctl_unpin(struct pnt_file *file, void *arg)
{
	struct pnt_unpin *req = arg;
	struct pnt_pin_set *set;

	if (req->unpinned)
		return -EINVAL;
	if (req->id > PNT_MAX_IDS)
		return -ENOENT;
	mutex_lock(&file->lock);
	if (req->id) {
		set = xa_erase(&file->pins, req->id);
		if (set)
			req->unpinned = pnt_pin_drop(file, set);
	} else {
		req->unpinned = pnt_unpin_all(file);
	}
	mutex_unlock(&file->lock);
	return req->id && !req->unpinned ? -ENOENT : 0;
}
