// SPDX-License-Identifier: GPL-2.0-only
/* ALLOC and FREE: arguments, bookkeeping and the report of what came. */
#include <linux/bitmap.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "pnt.h"

#define PNT_BATCH	128

/* One or the other. */
#define PNT_MOBILITY	(__GFP_MOVABLE | __GFP_RECLAIMABLE)

static int pnt_check_gfp(const struct pnt_alloc *req, const struct pnt_entry_ops *entry)
{
	gfp_t gfp = (__force gfp_t)req->gfp;
	u64 pages = (entry->flags & PNT_E_ORDER) ? req->count << req->order : req->count;

	if (req->gfp & ~(u64)(__force u32)__GFP_BITS_MASK || gfp & __GFP_NOFAIL)
		return -EINVAL;
	if ((GFP_ZONE_BAD >> (__force u32)(gfp & GFP_ZONEMASK)) & 1 ||
	    (gfp & PNT_MOBILITY) == PNT_MOBILITY)
		return -EINVAL;
	if (entry->flags & PNT_E_OBJECT &&
	    gfp & (GFP_ZONEMASK | __GFP_RECLAIMABLE | __GFP_COMP))
		return -EINVAL;
	/* only some ranges can be one folio, and for the rest the kernel warns */
	if (entry->flags & PNT_E_WHOLE && gfp & __GFP_COMP)
		return -EINVAL;
	if (req->context == PNT_CTX_SOFTIRQ || req->context == PNT_CTX_HARDIRQ)
		if (!(entry->flags & PNT_E_ATOMIC) || gfp & __GFP_DIRECT_RECLAIM)
			return -EINVAL;
	/* What dips into the reserves leaves some to the rest of the machine. */
	if ((req->context == PNT_CTX_MEMALLOC || gfp & __GFP_MEMALLOC) &&
	    pages > PNT_MAX_RESERVE_PAGES)
		return -EINVAL;
	return 0;
}

static int pnt_check_amount(const struct pnt_alloc *req, const struct pnt_entry_ops *entry)
{
	u64 bytes = (u64)PNT_MAX_ALLOC_PAGES << PAGE_SHIFT;

	if (!req->count || req->count > PNT_MAX_ALLOC_COUNT)
		return -EINVAL;
	if (entry->flags & PNT_E_ORDER) {
		if (req->order > MAX_PAGE_ORDER ||
		    req->count << req->order > PNT_MAX_ALLOC_PAGES)
			return -EINVAL;
	} else if (req->order) {
		return -EINVAL;
	}
	if (entry->flags & PNT_E_SIZE) {
		if (!req->size || req->size > entry->max_size || req->size > bytes / req->count)
			return -EINVAL;
	} else if (req->size) {
		return -EINVAL;
	}
	if (req->entry == PNT_PERCPU &&
	    req->size > bytes / (req->count * num_possible_cpus()))
		return -EINVAL;
	if (req->entry == PNT_KSTACK && req->count > PNT_MAX_THREADS)
		return -EINVAL;
	return req->start_pfn && req->entry != PNT_CONTIG_RANGE ? -EINVAL : 0;
}

static int pnt_check_nodes(const struct pnt_alloc *req, const struct pnt_entry_ops *entry)
{
	int i;

	if (req->flags & ~PNT_ALLOC_USE_NODEMASK)
		return -EINVAL;
	if (req->flags && !(entry->flags & PNT_E_MASK))
		return -EINVAL;
	for (i = 0; i < PNT_NODEMASK_WORDS; i++) {
		if (!req->nodemask[i])
			continue;
		if (!req->flags || i * 64 + fls64(req->nodemask[i]) > MAX_NUMNODES)
			return -EINVAL;
	}
	if (req->nid == NUMA_NO_NODE)
		return 0;
	if (!pnt_nid_possible(req->nid))
		return -EINVAL;
	if (!NODE_DATA(req->nid) || (entry->flags & PNT_E_OBJECT && !node_online(req->nid)))
		return -ENODEV;
	return 0;
}

static int pnt_alloc_check(const struct pnt_alloc *req)
{
	const struct pnt_entry_ops *entry;
	int ret;

	if (req->entry >= PNT_ENTRY_COUNT || req->context >= PNT_CTX_COUNT ||
	    req->reserved || req->pad || req->id || req->allocated || req->units ||
	    req->pages || req->error || (req->units_len && !req->nids && !req->pfns))
		return -EINVAL;
	entry = pnt_entry_ops(req->entry);
	if (!entry->fill)
		return -EOPNOTSUPP;
	ret = pnt_check_amount(req, entry);
	if (!ret)
		ret = pnt_check_gfp(req, entry);
	return ret ?: pnt_check_nodes(req, entry);
}

static struct pnt_alloc_set *pnt_set_new(const struct pnt_alloc *req)
{
	const struct pnt_entry_ops *entry = pnt_entry_ops(req->entry);
	struct pnt_alloc_set *set = kzalloc(sizeof(*set), GFP_KERNEL);
	int i;

	if (!set)
		return NULL;
	set->entry = req->entry;
	set->order = req->order;
	set->nid = req->nid;
	set->gfp = (__force gfp_t)req->gfp | __GFP_NOWARN;
	set->size = req->size;
	set->start_pfn = req->start_pfn;
	set->nr = req->count;
	set->want = entry->flags & PNT_E_WHOLE ? 1 : req->count;
	if (req->flags & PNT_ALLOC_USE_NODEMASK) {
		for (i = 0; i < MAX_NUMNODES; i++)
			if (req->nodemask[i / 64] & BIT_ULL(i % 64))
				node_set(i, set->nodes);
		set->mask = &set->nodes;
	}
	set->objs = kvcalloc(set->want, sizeof(*set->objs), GFP_KERNEL);
	if (!set->objs) {
		kfree(set);
		return NULL;
	}
	return set;
}

static void pnt_set_free(struct pnt_alloc_set *set, u32 how)
{
	const struct pnt_entry_ops *entry = pnt_entry_ops(set->entry);

	pnt_free_objs(set, how);
	if (entry->finish)
		entry->finish(set);
	kvfree(set->objs);
	kfree(set);
}

/* The report goes out in batches. */
struct pnt_report {
	struct pnt_alloc *req;
	u64 sent;
	u32 n;
	bool fault;
	s32 nids[PNT_BATCH];
	u64 pfns[PNT_BATCH];
};

static void pnt_report_flush(struct pnt_report *report)
{
	s32 __user *nids = u64_to_user_ptr(report->req->nids);
	u64 __user *pfns = u64_to_user_ptr(report->req->pfns);
	u64 room = report->req->units_len;
	u64 n = report->sent < room ? min_t(u64, report->n, room - report->sent) : 0;

	if (n && nids && copy_to_user(nids + report->sent, report->nids, n * sizeof(*nids)))
		report->fault = true;
	if (n && pfns && copy_to_user(pfns + report->sent, report->pfns, n * sizeof(*pfns)))
		report->fault = true;
	report->sent += report->n;
	report->n = 0;
}

static void pnt_report_unit(void *data, struct page *page, u64 pages)
{
	struct pnt_report *report = data;
	int nid = page ? page_to_nid(page) : NUMA_NO_NODE;

	if (nid >= 0 && nid < PNT_HISTOGRAM)
		report->req->on_node[nid] += pages;
	else
		report->req->on_other += pages;
	report->req->pages += pages;
	report->nids[report->n] = nid;
	report->pfns[report->n] = page ? page_to_pfn(page) : 0;
	if (++report->n == PNT_BATCH)
		pnt_report_flush(report);
}

static int pnt_report(struct pnt_alloc *req, struct pnt_alloc_set *set)
{
	const struct pnt_entry_ops *entry = pnt_entry_ops(set->entry);
	struct pnt_report *report = kzalloc(sizeof(*report), GFP_KERNEL);
	bool fault;
	u64 i;

	if (!report)
		return -ENOMEM;
	report->req = req;
	memset(req->on_node, 0, sizeof(req->on_node));
	req->on_other = 0;
	for (i = 0; i < set->count; i++) {
		entry->units(set, set->objs[i], pnt_report_unit, report);
		cond_resched();
	}
	pnt_report_flush(report);
	req->units = report->sent;
	fault = report->fault;
	kfree(report);
	return fault ? -EFAULT : 0;
}

/* Gives the allocation an id, and the fd. */
static int pnt_set_keep(struct pnt_file *file, struct pnt_alloc *req, struct pnt_alloc_set *set)
{
	u32 id;
	int ret;

	set->pages = req->pages;
	ret = xa_alloc(&file->allocs, &id, set, XA_LIMIT(1, PNT_MAX_IDS), GFP_KERNEL);
	if (ret)
		return ret == -EBUSY ? -ENOSPC : ret;
	req->id = id;
	pnt_count(file, allocations, 1);
	pnt_count(file, alloc_pages, set->pages);
	return 0;
}

long pnt_ioctl_alloc(struct pnt_file *file, void *arg)
{
	struct pnt_alloc *req = arg;
	const struct pnt_entry_ops *entry;
	struct pnt_alloc_set *set;
	int ret;

	ret = pnt_alloc_check(req);
	if (ret)
		return ret;
	entry = pnt_entry_ops(req->entry);
	set = pnt_set_new(req);
	if (!set)
		return -ENOMEM;
	if (entry->prepare)
		ret = entry->prepare(set);
	if (!ret) {
		pnt_fill_in_context(set, entry, req->context);
		ret = pnt_report(req, set);
	}
	req->allocated = set->count;
	req->error = -set->error;
	if (!ret && set->count)
		ret = pnt_set_keep(file, req, set);
	if (ret || !set->count)
		pnt_set_free(set, PNT_FREE_AUTO);
	return ret;
}

static u64 pnt_set_drop(struct pnt_file *file, struct pnt_alloc_set *set, u32 how)
{
	u64 n = set->count;

	pnt_count(file, allocations, -1);
	pnt_count(file, alloc_pages, -(s64)set->pages);
	pnt_set_free(set, how);
	return n;
}

u64 pnt_alloc_free_all(struct pnt_file *file)
{
	struct pnt_alloc_set *set;
	unsigned long id;
	u64 n = 0;

	xa_for_each(&file->allocs, id, set)
		if (xa_erase(&file->allocs, id) == set)
			n += pnt_set_drop(file, set, PNT_FREE_AUTO);
	return n;
}

long pnt_ioctl_free(struct pnt_file *file, void *arg)
{
	struct pnt_free *req = arg;
	struct pnt_alloc_set *set;
	int ret;

	if (req->how > PNT_FREE_RAW || req->reserved || req->freed ||
	    (!req->id && req->how != PNT_FREE_AUTO))
		return -EINVAL;
	if (req->id > PNT_MAX_IDS)
		return -ENOENT;

	ret = 0;
	mutex_lock(&file->lock);
	if (!req->id) {
		req->freed = pnt_alloc_free_all(file);
		goto unlock;
	}
	set = xa_load(&file->allocs, req->id);
	ret = set ? pnt_free_check(set, req->how) : -ENOENT;
	if (ret)
		goto unlock;
	xa_erase(&file->allocs, req->id);
	req->freed = pnt_set_drop(file, set, req->how);
unlock:
	mutex_unlock(&file->lock);
	return ret;
}
