// SPDX-License-Identifier: GPL-2.0-only
/* ALLOC through the entry points that give pages or folios. */
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/swap.h>

#include "pnt.h"

u64 pnt_fill_each(struct pnt_alloc_set *set, u64 n, void *(*one)(struct pnt_alloc_set *set))
{
	u64 i;

	for (i = 0; i < n; i++) {
		set->objs[set->count + i] = one(set);
		if (!set->objs[set->count + i]) {
			set->refused = true;
			break;
		}
	}
	return i;
}

/* These entries want a node id, "none" is for alloc_pages_node() only. */
static int pnt_preferred(struct pnt_alloc_set *set)
{
	return set->nid == NUMA_NO_NODE ? numa_mem_id() : set->nid;
}

static void *pnt_one_node(struct pnt_alloc_set *set)
{
	/* For an offline node the inline function prints a stack, no more. */
	if (set->nid != NUMA_NO_NODE && !node_online(set->nid))
		return __alloc_pages(set->gfp, set->order, set->nid, NULL);
	return alloc_pages_node(set->nid, set->gfp, set->order);
}

static void *pnt_one_nodemask(struct pnt_alloc_set *set)
{
	return __alloc_pages(set->gfp, set->order, pnt_preferred(set), set->mask);
}

static void *pnt_one_folio(struct pnt_alloc_set *set)
{
	struct folio *folio = __folio_alloc(set->gfp, set->order, pnt_preferred(set), set->mask);

	return folio ? &folio->page : NULL;
}

static void *pnt_one_task_folio(struct pnt_alloc_set *set)
{
	struct folio *folio = folio_alloc(set->gfp, set->order);

	return folio ? &folio->page : NULL;
}

static u64 pnt_fill_node(struct pnt_alloc_set *set, u64 n)
{
	return pnt_fill_each(set, n, pnt_one_node);
}

static u64 pnt_fill_nodemask(struct pnt_alloc_set *set, u64 n)
{
	return pnt_fill_each(set, n, pnt_one_nodemask);
}

static u64 pnt_fill_folio(struct pnt_alloc_set *set, u64 n)
{
	return pnt_fill_each(set, n, pnt_one_folio);
}

static u64 pnt_fill_task_folio(struct pnt_alloc_set *set, u64 n)
{
	return pnt_fill_each(set, n, pnt_one_task_folio);
}

/* Bulk may give less than asked for and still have more: 0 ends it. */
static u64 pnt_fill_bulk(struct pnt_alloc_set *set, u64 n)
{
	struct page **pages = (struct page **)(set->objs + set->count);

#ifdef HAVE_BULK_LIST
	return alloc_pages_bulk_noprof(set->gfp, pnt_preferred(set), set->mask, n, NULL, pages);
#else
	return alloc_pages_bulk_noprof(set->gfp, pnt_preferred(set), set->mask, n, pages);
#endif
}

static u64 pnt_fill_contig_pages(struct pnt_alloc_set *set, u64 n)
{
	set->objs[0] = pnt_sym.contig_pages(set->nr, set->gfp, pnt_preferred(set),
					    set->mask);
	return !!set->objs[0];
}

static int pnt_prepare_contig_pages(struct pnt_alloc_set *set)
{
	return pnt_sym.contig_pages ? 0 : -EOPNOTSUPP;
}

/* The kernel trusts its caller that the range is memory of one zone. */
static int pnt_prepare_contig_range(struct pnt_alloc_set *set)
{
	struct page *first = NULL, *page;
	u64 pfn, end = set->start_pfn + set->nr;

	if (end < set->start_pfn || end > PHYS_PFN(PHYS_ADDR_MAX))
		return -EINVAL;
	for (pfn = set->start_pfn; pfn < end; pfn = ALIGN(pfn + 1, pageblock_nr_pages)) {
		page = pfn_to_online_page(pfn);
		if (!page)
			return -EINVAL;
		first = first ?: page;
		if (page_zone(page) != page_zone(first) || is_zone_device_page(page))
			return -EINVAL;
		cond_resched();
	}
	page = pfn_to_online_page(end - 1);
	return page && page_zone(page) == page_zone(first) ? 0 : -EINVAL;
}

static u64 pnt_fill_contig_range(struct pnt_alloc_set *set, u64 n)
{
	u64 start = set->start_pfn, end = start + set->nr;

#ifdef HAVE_ACR_FLAGS
	set->error = alloc_contig_range_noprof(start, end, ACR_FLAGS_NONE, set->gfp);
#else
	set->error = alloc_contig_range_noprof(start, end, MIGRATE_MOVABLE, set->gfp);
#endif
	if (set->error)
		return 0;
	set->objs[0] = pfn_to_page(start);
	return 1;
}

static void pnt_free_contig(struct pnt_alloc_set *set, void *obj)
{
	free_contig_range(page_to_pfn((struct page *)obj), set->nr);
}

static void pnt_units_contig(struct pnt_alloc_set *set, void *obj, pnt_unit_fn fn, void *data)
{
	unsigned long pfn = page_to_pfn((struct page *)obj);
	u64 i;

	for (i = 0; i < set->nr; i++)
		fn(data, pfn_to_page(pfn + i), 1);
}

static void pnt_free_block(struct pnt_alloc_set *set, void *obj)
{
	__free_pages(obj, set->order);
}

static void pnt_units_block(struct pnt_alloc_set *set, void *obj, pnt_unit_fn fn, void *data)
{
	fn(data, obj, 1ULL << set->order);
}

#define PNT_BLOCKS(fn, extra) {						\
	.flags	= PNT_E_PAGES | PNT_E_ATOMIC | (extra),			\
	.fill	= fn,							\
	.free	= pnt_free_block,					\
	.units	= pnt_units_block,					\
}

static const struct pnt_entry_ops pnt_page_entries[PNT_ENTRY_COUNT] = {
	[PNT_ALLOC_PAGES_NODE]	   = PNT_BLOCKS(pnt_fill_node, PNT_E_ORDER),
	[PNT_ALLOC_PAGES_NODEMASK] = PNT_BLOCKS(pnt_fill_nodemask, PNT_E_ORDER | PNT_E_MASK),
	[PNT_FOLIO_ALLOC_NODE]	   = PNT_BLOCKS(pnt_fill_folio, PNT_E_ORDER | PNT_E_MASK),
	[PNT_FOLIO_ALLOC_TASK]	   = PNT_BLOCKS(pnt_fill_task_folio, PNT_E_ORDER),
	[PNT_BULK]		   = PNT_BLOCKS(pnt_fill_bulk, PNT_E_MASK),
	[PNT_CONTIG_PAGES] = {
		.flags	 = PNT_E_WHOLE | PNT_E_MASK,
		.prepare = pnt_prepare_contig_pages,
		.fill	 = pnt_fill_contig_pages,
		.free	 = pnt_free_contig,
		.units	 = pnt_units_contig,
	},
	[PNT_CONTIG_RANGE] = {
		.flags	 = PNT_E_WHOLE,
		.prepare = pnt_prepare_contig_range,
		.fill	 = pnt_fill_contig_range,
		.free	 = pnt_free_contig,
		.units	 = pnt_units_contig,
	},
};

const struct pnt_entry_ops *pnt_entry_ops(u32 entry)
{
	if (pnt_page_entries[entry].fill)
		return &pnt_page_entries[entry];
	return &pnt_kernel_entries[entry];
}

/* A folio can be put; a block of pages without a head page cannot. */
static bool pnt_is_folio(struct pnt_alloc_set *set)
{
	return !set->order || set->gfp & __GFP_COMP ||
	       set->entry == PNT_FOLIO_ALLOC_NODE || set->entry == PNT_FOLIO_ALLOC_TASK;
}

int pnt_free_check(struct pnt_alloc_set *set, u32 how)
{
	if (how == PNT_FREE_AUTO)
		return 0;
	if (!(pnt_entry_ops(set->entry)->flags & PNT_E_PAGES))
		return -EINVAL;
	return how == PNT_FREE_RAW || pnt_is_folio(set) ? 0 : -EINVAL;
}

void pnt_free_objs(struct pnt_alloc_set *set, u32 how)
{
	const struct pnt_entry_ops *entry = pnt_entry_ops(set->entry);
	u64 i, n;

	if (how == PNT_FREE_AUTO)
		how = entry->flags & PNT_E_PAGES && pnt_is_folio(set) ? PNT_FREE_PUT :
									PNT_FREE_RAW;
	for (i = 0; i < set->count; i += n) {
		n = 1;
		if (how == PNT_FREE_PUT) {
			folio_put(page_folio((struct page *)set->objs[i]));
		} else if (how == PNT_FREE_BATCH) {
			n = min_t(u64, set->count - i, 256);
			release_pages((struct page **)set->objs + i, n);
		} else {
			entry->free(set, set->objs[i]);
		}
		cond_resched();
	}
}
