// SPDX-License-Identifier: GPL-2.0-only
/* SCAN: what is in the pages of an allocation, as their new owner finds it. */
#include <linux/highmem.h>

#include "pnt.h"

static void pnt_scan_page(struct pnt_scan *req, struct page *page)
{
	bool nonzero = false, match = false;
	u64 *words = kmap_local_page(page);
	int i;

	for (i = 0; i < PAGE_SIZE / sizeof(*words); i++) {
		nonzero = nonzero || words[i];
		match = match || (words[i] & req->mask) == req->word;
	}
	kunmap_local(words);
	req->pages++;
	req->nonzero += nonzero;
	req->matching += match;
}

static void pnt_scan_unit(void *data, struct page *page, u64 pages)
{
	u64 i;

	for (i = 0; page && i < pages; i++)
		pnt_scan_page(data, page + i);
	cond_resched();
}

long pnt_ioctl_scan(struct pnt_file *file, void *arg)
{
	struct pnt_scan *req = arg;
	struct pnt_alloc_set *set;
	u64 i;
	int ret = 0;

	if (req->pages || req->nonzero || req->matching || req->word & ~req->mask)
		return -EINVAL;
	if (!req->id || req->id > PNT_MAX_IDS)
		return -ENOENT;
	mutex_lock(&file->lock);
	set = xa_load(&file->allocs, req->id);
	if (!set)
		ret = -ENOENT;
	else if (!(pnt_entry_ops(set->entry)->flags & PNT_E_PAGES))
		ret = -EINVAL;
	for (i = 0; !ret && i < set->count; i++)
		pnt_entry_ops(set->entry)->units(set, set->objs[i], pnt_scan_unit, req);
	mutex_unlock(&file->lock);
	return ret;
}
