// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where an allocation runs: in the task, in a soft or hard interrupt, or in the
 * task as if it were reclaiming.
 */
#include <linux/irq_work.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/workqueue.h>

#include "pnt.h"

/* Base pages at once: what an interrupt may bother others with, and a task. */
#define PNT_IRQ_CHUNK	32
#define PNT_TASK_CHUNK	512

/* This part of the ordinary memory stays free: 1 / 16. */
#define PNT_BRAKE_SHIFT	4

struct pnt_chunk {
	struct irq_work irq;
	struct work_struct soft;
	struct pnt_alloc_set *set;
	const struct pnt_entry_ops *entry;
	u64 n;
};

/* One chunk, in whatever context. */
static void pnt_fill_chunk(struct pnt_chunk *chunk)
{
	struct pnt_alloc_set *set = chunk->set;
	u64 n = chunk->entry->fill(set, chunk->n);

	set->count += n;
	if (!n)
		set->refused = true;
}

static void pnt_irq_fn(struct irq_work *irq)
{
	struct pnt_chunk *chunk = container_of(irq, struct pnt_chunk, irq);

	WARN_ON_ONCE(!in_hardirq());
	pnt_fill_chunk(chunk);
}

static void pnt_soft_fn(struct work_struct *soft)
{
	struct pnt_chunk *chunk = container_of(soft, struct pnt_chunk, soft);

	WARN_ON_ONCE(!in_serving_softirq());
	pnt_fill_chunk(chunk);
}

static void pnt_run_chunk(struct pnt_chunk *chunk, u32 context)
{
	switch (context) {
	case PNT_CTX_HARDIRQ:
		irq_work_queue(&chunk->irq);
		irq_work_sync(&chunk->irq);
		break;
	case PNT_CTX_SOFTIRQ:
		queue_work(system_bh_wq, &chunk->soft);
		flush_work(&chunk->soft);
		break;
	default:
		pnt_fill_chunk(chunk);
	}
}

static u64 pnt_chunk_size(struct pnt_alloc_set *set, bool irq)
{
	u64 pages = max(1ULL << set->order, set->size >> PAGE_SHIFT);
	u64 n = max((irq ? PNT_IRQ_CHUNK : PNT_TASK_CHUNK) / max(pages, 1ULL), 1ULL);

	return min(set->want - set->count, n);
}

static void pnt_first_nid(void *data, struct page *page, u64 pages)
{
	int *nid = data;

	if (page && *nid == NUMA_NO_NODE)
		*nid = page_to_nid(page);
}

/*
 * A test module is no way to kill a machine: an allocation that eats ordinary
 * memory stops before the OOM killer has to. Private nodes may be filled.
 */
static bool pnt_brake(struct pnt_alloc_set *set, const struct pnt_entry_ops *entry)
{
	u64 free = 0, managed = 0;
	int nid = NUMA_NO_NODE;
	struct zone *zone;

	if (!set->count)
		return false;
	entry->units(set, set->objs[set->count - 1], pnt_first_nid, &nid);
	if (nid != NUMA_NO_NODE && !node_state(nid, N_MEMORY))
		return false;
	for_each_node_state(nid, N_MEMORY) {
		for (zone = NODE_DATA(nid)->node_zones;
		     zone < NODE_DATA(nid)->node_zones + MAX_NR_ZONES; zone++) {
			free += zone_page_state(zone, NR_FREE_PAGES);
			managed += zone_managed_pages(zone);
		}
	}
	return free < managed >> PNT_BRAKE_SHIFT;
}

void pnt_fill_in_context(struct pnt_alloc_set *set,
			 const struct pnt_entry_ops *entry, u32 context)
{
	bool irq = context == PNT_CTX_SOFTIRQ || context == PNT_CTX_HARDIRQ;
	struct pnt_chunk chunk = { .set = set, .entry = entry };
	unsigned int noreclaim = 0;

	chunk.irq = IRQ_WORK_INIT_HARD(pnt_irq_fn);
	INIT_WORK_ONSTACK(&chunk.soft, pnt_soft_fn);
	if (context == PNT_CTX_MEMALLOC)
		noreclaim = memalloc_noreclaim_save();
	while (set->count < set->want && !set->refused && !fatal_signal_pending(current)) {
		if (pnt_brake(set, entry)) {
			set->error = -ENOMEM;
			break;
		}
		chunk.n = pnt_chunk_size(set, irq);
		pnt_run_chunk(&chunk, context);
		cond_resched();
	}
	if (context == PNT_CTX_MEMALLOC)
		memalloc_noreclaim_restore(noreclaim);
	destroy_work_on_stack(&chunk.soft);
}
