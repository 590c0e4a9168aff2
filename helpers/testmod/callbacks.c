// SPDX-License-Identifier: GPL-2.0-only
/*
 * The callbacks of struct node_private_ops. What they do is programmable; when
 * nothing is programmed they do what a well-behaved driver does. Each call goes
 * to the counters and the event ring of its node.
 */
#include <linux/highmem.h>
#include <linux/ktime.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/sched.h>
#include <linux/swap.h>

#include "pnt.h"

/* Calls for a node that is not private: a kernel bug. */
atomic64_t pnt_stray = ATOMIC64_INIT(0);

/* free_folio and the rest may run anywhere, so may this. */
static struct pnt_node *pnt_node_of_call(int nid)
{
	struct pnt_node *node = pnt_node(nid);

	if (!node || !READ_ONCE(NODE_DATA(nid)->private)) {
		atomic64_inc(&pnt_stray);
		return NULL;
	}
	return node;
}

static void pnt_event_init(struct pnt_event *event, u32 callback, int nid, struct folio *folio)
{
	*event = (struct pnt_event){
		.time = ktime_get_ns(),
		.callback = callback,
		.nid = nid,
		.mode = -1,
		.reason = -1,
		.count = folio ? 1 : 0,
		.pid = current->pid,
	};
	if (folio) {
		event->pfn = folio_pfn(folio);
		event->order = folio_order(folio);
	}
}

static void pnt_record_folio(struct pnt_node *node, struct pnt_event *event, struct folio *folio)
{
	pnt_record(node, event, 1, folio_nr_pages(folio), false);
}

static bool pnt_free_folio(struct folio *folio)
{
	struct pnt_node *node = pnt_node_of_call(folio_nid(folio));
	struct pnt_step step;
	struct pnt_event event;
	bool keep = false;

	/* The put by which a kept folio is let go at last is not a second one. */
	if (!node || READ_ONCE(node->releasing) == folio)
		return false;
	if (pnt_step(node, PNT_CB_FREE_FOLIO, &step))
		keep = step.mode == PNT_MODE_KEEP && pnt_keep(node, folio);
	pnt_event_init(&event, PNT_CB_FREE_FOLIO, folio_nid(folio), folio);
	event.result = keep;
	pnt_record_folio(node, &event, folio);
	return keep;
}

static void pnt_folio_split(struct folio *old, struct folio *new)
{
	struct pnt_node *node = pnt_node_of_call(folio_nid(old));
	struct pnt_event event;

	if (!node)
		return;
	pnt_event_init(&event, PNT_CB_FOLIO_SPLIT, folio_nid(old), old);
	event.pfn2 = new ? folio_pfn(new) : 0;
	pnt_record(node, &event, !!new, new ? folio_nr_pages(new) : 0, false);
}

struct pnt_target {
	int nid;
	bool demotion;
};

static struct folio *pnt_migration_target(struct folio *src, unsigned long private)
{
	struct pnt_target *target = (struct pnt_target *)private;
	gfp_t gfp = GFP_HIGHUSER_MOVABLE;

	if (folio_test_hugetlb(src))
		return NULL;
	if (folio_test_large(src))
		gfp = GFP_TRANSHUGE_LIGHT;
	/* Reclaim may use the reserves, but not to fill this node to the last page. */
	if (target->demotion)
		gfp = (gfp & ~__GFP_RECLAIM) | __GFP_NOMEMALLOC | __GFP_KSWAPD_RECLAIM;
	gfp |= __GFP_PRIVATE | __GFP_THISNODE | __GFP_NOWARN;
	return __folio_alloc_noprof(gfp, folio_order(src), target->nid, NULL);
}

/* migrate_pages() for the first max folios of the list, the rest stays on it. */
static int pnt_migrate(struct list_head *folios, u64 max, int nid, enum migrate_mode mode,
		       enum migrate_reason reason, unsigned int *nr_succeeded)
{
	struct pnt_target target = { .nid = nid, .demotion = reason == MR_DEMOTION };
	struct folio *folio;
	struct list_head *pos;
	LIST_HEAD(part);
	u64 n = 0, rest = 0;
	int ret = 0;

	list_for_each(pos, folios) {
		if (n == max)
			break;
		n++;
	}
	list_cut_before(&part, folios, pos);
	if (!list_empty(&part))
		ret = migrate_pages(&part, pnt_migration_target, NULL,
				    (unsigned long)&target, mode, reason, nr_succeeded);
	list_splice(&part, folios);
	list_for_each_entry(folio, folios, lru)
		rest++;
	return ret < 0 ? ret : rest;
}

/* Each folio gets an event, and then the call as a whole. */
static u64 pnt_record_list(struct pnt_node *node, struct list_head *folios, int nid,
			   u64 *pages)
{
	struct pnt_event event;
	struct folio *folio;
	u64 n = 0;

	*pages = 0;
	list_for_each_entry(folio, folios, lru) {
		pnt_event_init(&event, PNT_CB_MIGRATE_FOLIO, nid, folio);
		pnt_record(node, &event, 0, 0, false);
		*pages += folio_nr_pages(folio);
		n++;
	}
	return n;
}

static int pnt_migrate_to(struct list_head *folios, int nid, enum migrate_mode mode,
			  enum migrate_reason reason, unsigned int *nr_succeeded)
{
	struct pnt_node *node = pnt_node_of_call(nid);
	unsigned int succeeded = 0;
	struct pnt_event event;
	struct pnt_step step;
	u64 pages, max = U64_MAX;
	int ret;

	if (!node)
		return -ENODEV;
	pnt_event_init(&event, PNT_CB_MIGRATE_TO, nid,
		       list_first_entry_or_null(folios, struct folio, lru));
	event.count = pnt_record_list(node, folios, nid, &pages);
	event.mode = mode;
	event.reason = reason;

	ret = 0;
	if (pnt_step(node, PNT_CB_MIGRATE_TO, &step)) {
		if (step.mode == PNT_MODE_DELAY)
			schedule_timeout_killable(msecs_to_jiffies(step.value));
		else if (step.mode == PNT_MODE_PARTIAL)
			max = step.value;
		else if (step.mode == PNT_MODE_ERRNO)
			ret = -(int)step.value;
	}
	if (!ret)
		ret = pnt_migrate(folios, max, nid, mode, reason, &succeeded);
	if (nr_succeeded)
		*nr_succeeded += succeeded;
	event.result = ret;
	pnt_record(node, &event, event.count, pages, ret);
	return ret;
}

static bool pnt_same_contents(struct folio *src, struct folio *dst)
{
	long i, n = folio_nr_pages(src);
	bool same = n == folio_nr_pages(dst);
	void *from, *to;

	for (i = 0; same && i < n; i++) {
		from = kmap_local_folio(src, i * PAGE_SIZE);
		to = kmap_local_folio(dst, i * PAGE_SIZE);
		same = !memcmp(from, to, PAGE_SIZE);
		kunmap_local(to);
		kunmap_local(from);
	}
	return same;
}

static void pnt_folio_migrate(struct folio *src, struct folio *dst)
{
	struct pnt_node *node = pnt_node_of_call(folio_nid(src));
	struct pnt_event event;

	if (!node)
		return;
	pnt_event_init(&event, PNT_CB_FOLIO_MIGRATE, folio_nid(src), src);
	event.pfn2 = folio_pfn(dst);
	event.mode = (folio_test_locked(src) ? PNT_MIGRATED_SRC_LOCKED : 0) |
		     (folio_test_locked(dst) ? PNT_MIGRATED_DST_LOCKED : 0) |
		     (folio_mapped(dst) ? PNT_MIGRATED_DST_MAPPED : 0) |
		     (pnt_same_contents(src, dst) ? PNT_MIGRATED_COPIED : 0);
	pnt_record_folio(node, &event, src);
}

static struct folio *pnt_promotion_target(struct folio *src, unsigned long nid)
{
	gfp_t gfp = folio_test_large(src) ? GFP_TRANSHUGE : GFP_HIGHUSER_MOVABLE;

	return __folio_alloc_noprof(gfp | __GFP_NOWARN, folio_order(src), nid, NULL);
}

/* Moves a folio to ordinary memory; whether it worked, the next fault tells. */
static void pnt_promote(struct folio *folio)
{
	LIST_HEAD(list);
	int nr = folio_nr_pages(folio);

	if (!(pnt_features() & PNT_FEAT_PROMOTE)) {
		folio_put(folio);
		return;
	}
	if (!folio_test_lru(folio) && pnt_sym.lru_add_drain_all)
		pnt_sym.lru_add_drain_all();
	if (!pnt_sym.folio_isolate_lru(folio)) {
		folio_put(folio);
		return;
	}
	mod_node_page_state(folio_pgdat(folio), NR_ISOLATED_ANON + folio_is_file_lru(folio), nr);
	list_add(&folio->lru, &list);
	folio_put(folio);	/* isolation has a reference of its own */
	if (migrate_pages(&list, pnt_promotion_target, NULL, numa_mem_id(), MIGRATE_SYNC,
			  MR_NUMA_MISPLACED, NULL))
		pnt_sym.putback_movable_pages(&list);
}

static u32 pnt_level(enum pgtable_level level)
{
	return level == PGTABLE_LEVEL_PTE ? PNT_LEVEL_PTE :
	       level == PGTABLE_LEVEL_PMD ? PNT_LEVEL_PMD : PNT_LEVEL_PUD;
}

static vm_fault_t pnt_handle_fault(struct folio *folio, struct vm_fault *vmf,
				   enum pgtable_level level)
{
	struct pnt_node *node = pnt_node_of_call(folio_nid(folio));
	struct pnt_step step = { .mode = PNT_MODE_REAL };
	bool write = vmf->flags & FAULT_FLAG_WRITE;
	struct pnt_event event;
	vm_fault_t ret = 0;

	/* The reference keeps the folio once the page table is let go. */
	folio_get(folio);
	if (level == PGTABLE_LEVEL_PTE)
		pte_unmap_unlock(vmf->pte, vmf->ptl);
	else
		spin_unlock(vmf->ptl);

	if (node) {
		pnt_step(node, PNT_CB_HANDLE_FAULT, &step);
		if (step.mode == PNT_MODE_ERRNO)
			ret = VM_FAULT_SIGBUS;
		pnt_event_init(&event, PNT_CB_HANDLE_FAULT, folio_nid(folio), folio);
		event.addr = vmf->address;
		event.reason = vmf->flags;
		event.level = pnt_level(level);
		event.result = ret;
		pnt_record(node, &event, 1, folio_nr_pages(folio), ret);
	}
	if (step.mode == PNT_MODE_DELAY)
		schedule_timeout_killable(msecs_to_jiffies(step.value));

	if (write && (step.mode == PNT_MODE_REAL || step.mode == PNT_MODE_DELAY))
		pnt_promote(folio);
	else
		folio_put(folio);
	return ret;
}

static void pnt_reclaim_policy(int nid, struct node_reclaim_policy *policy)
{
	struct pnt_node *node = pnt_node_of_call(nid);
	struct pnt_event event;
	struct pnt_step step;

	if (!node)
		return;
	pnt_event_init(&event, PNT_CB_RECLAIM_POLICY, nid, NULL);
	if (pnt_step(node, PNT_CB_RECLAIM_POLICY, &step)) {
		policy->may_swap |= !!(step.value & PNT_POLICY_SWAP);
		policy->may_writepage |= !!(step.value & PNT_POLICY_WRITEPAGE);
		policy->managed_watermarks |= !!(step.value & PNT_POLICY_WATERMARKS);
		policy->active |= !!(step.value & PNT_POLICY_ACTIVE);
		if (step.value & PNT_POLICY_NO_SWAP)
			policy->may_swap = false;
		if (step.value & PNT_POLICY_NO_WRITEPAGE)
			policy->may_writepage = false;
		if (step.value & PNT_POLICY_NO_WATERMARKS)
			policy->managed_watermarks = false;
	}
	pnt_record(node, &event, 0, 0, false);
}

static void pnt_memory_failure(struct folio *folio, unsigned long pfn, int mf_flags)
{
	struct pnt_node *node = pnt_node_of_call(folio_nid(folio));
	struct pnt_event event;

	if (!node)
		return;
	pnt_event_init(&event, PNT_CB_MEMORY_FAILURE, folio_nid(folio), folio);
	event.pfn2 = pfn;
	event.mode = mf_flags;
	pnt_record_folio(node, &event, folio);
}

void pnt_ops_fill(struct node_private_ops *ops, u64 flags, u32 callbacks)
{
	if (callbacks & BIT(PNT_CB_FREE_FOLIO))
		ops->free_folio = pnt_free_folio;
	if (callbacks & BIT(PNT_CB_FOLIO_SPLIT))
		ops->folio_split = pnt_folio_split;
	if (callbacks & BIT(PNT_CB_MIGRATE_TO))
		ops->migrate_to = pnt_migrate_to;
	if (callbacks & BIT(PNT_CB_FOLIO_MIGRATE))
		ops->folio_migrate = pnt_folio_migrate;
	if (callbacks & BIT(PNT_CB_HANDLE_FAULT))
		ops->handle_fault = pnt_handle_fault;
	if (callbacks & BIT(PNT_CB_RECLAIM_POLICY))
		ops->reclaim_policy = pnt_reclaim_policy;
	if (callbacks & BIT(PNT_CB_MEMORY_FAILURE))
		ops->memory_failure = pnt_memory_failure;
	ops->flags = flags;
}
