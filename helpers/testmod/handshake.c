// SPDX-License-Identifier: GPL-2.0-only
/* HANDSHAKE and TOTALS: what the module is, and what it holds. */
#include <linux/memory.h>

#include "pnt.h"

#define PNT_SIZE(name, type) \
	[PNT_NR_##name] = sizeof(struct type)

static const u32 pnt_struct_size[PNT_NR_COUNT] = {
	PNT_SIZE(HANDSHAKE, pnt_handshake),
	PNT_SIZE(PLUG, pnt_plug),
	PNT_SIZE(UNPLUG, pnt_unplug),
	PNT_SIZE(REGISTER, pnt_ops),
	PNT_SIZE(UNREGISTER, pnt_ops),
	PNT_SIZE(SET_OPS, pnt_ops),
	PNT_SIZE(CLEAR_OPS, pnt_ops),
	PNT_SIZE(ALLOC, pnt_alloc),
	PNT_SIZE(FREE, pnt_free),
	PNT_SIZE(ZONELIST, pnt_zonelist),
	PNT_SIZE(NODE_STATE, pnt_node_state),
	PNT_SIZE(PAGES, pnt_pages),
	PNT_SIZE(EVENTS, pnt_events),
	PNT_SIZE(COUNTERS, pnt_counters),
	PNT_SIZE(PROGRAM, pnt_program),
	PNT_SIZE(KEPT, pnt_kept),
	PNT_SIZE(PIN, pnt_pin),
	PNT_SIZE(UNPIN, pnt_unpin),
	PNT_SIZE(NOTIFIER, pnt_notifier),
	PNT_SIZE(DEVICE, pnt_device),
	PNT_SIZE(TOTALS, pnt_totals),
	PNT_SIZE(BLOCK, pnt_block),
	PNT_SIZE(HOTPLUG, pnt_hotplug),
	PNT_SIZE(CRAM, pnt_cram),
	PNT_SIZE(KSWAPD, pnt_kswapd),
	PNT_SIZE(SCAN, pnt_scan),
	PNT_SIZE(ARMED, pnt_armed),
	PNT_SIZE(EXPORTED, pnt_exported),
	PNT_SIZE(HOLD, pnt_hold),
	PNT_SIZE(UNHOLD, pnt_unhold),
};

static const gfp_t pnt_gfp[PNT_GFP_COUNT] = {
	[PNT_GFP_PRIVATE]		= __GFP_PRIVATE,
	[PNT_GFP_THISNODE]		= __GFP_THISNODE,
	[PNT_GFP_MOVABLE]		= __GFP_MOVABLE,
	[PNT_GFP_HIGHUSER_MOVABLE]	= GFP_HIGHUSER_MOVABLE,
	[PNT_GFP_KERNEL]		= GFP_KERNEL,
	[PNT_GFP_ATOMIC]		= GFP_ATOMIC,
	[PNT_GFP_NOWAIT]		= GFP_NOWAIT,
	[PNT_GFP_ZERO]			= __GFP_ZERO,
	[PNT_GFP_NOWARN]		= __GFP_NOWARN,
	[PNT_GFP_NORETRY]		= __GFP_NORETRY,
	[PNT_GFP_HARDWALL]		= __GFP_HARDWALL,
	[PNT_GFP_MEMALLOC]		= __GFP_MEMALLOC,
	[PNT_GFP_NOMEMALLOC]		= __GFP_NOMEMALLOC,
	[PNT_GFP_COMP]			= __GFP_COMP,
	[PNT_GFP_ACCOUNT]		= __GFP_ACCOUNT,
	[PNT_GFP_HIGH]			= __GFP_HIGH,
	[PNT_GFP_RETRY_MAYFAIL]		= __GFP_RETRY_MAYFAIL,
	[PNT_GFP_DIRECT_RECLAIM]	= __GFP_DIRECT_RECLAIM,
	[PNT_GFP_KSWAPD_RECLAIM]	= __GFP_KSWAPD_RECLAIM,
	[PNT_GFP_RECLAIMABLE]		= __GFP_RECLAIMABLE,
};

long pnt_ioctl_handshake(struct pnt_file *file, void *arg)
{
	struct pnt_handshake *hello = arg;
	u32 abi = hello->abi;
	int i;

	if (hello->reserved)
		return -EINVAL;
	memset(hello, 0, sizeof(*hello));
	hello->abi = PNT_ABI;
	hello->dialect = PNT_DIALECT_V4;
	hello->page_size = PAGE_SIZE;
	hello->nr_node_ids = nr_node_ids;
	hello->max_order = MAX_PAGE_ORDER;
	hello->event_size = sizeof(struct pnt_event);
	hello->page_report_size = sizeof(struct pnt_page);
	hello->zoneref_size = sizeof(struct pnt_zoneref);
	hello->hotplug_event_size = sizeof(struct pnt_hotplug_event);
	for (i = 0; i < PNT_NR_COUNT; i++)
		hello->struct_size[i] = pnt_struct_size[i];
	for (i = 0; i < PNT_GFP_COUNT; i++)
		hello->gfp[i] = (__force u32)pnt_gfp[i];
	hello->gfp_mask = (__force u32)__GFP_BITS_MASK;
	hello->features = pnt_features();
	hello->memory_block_size = memory_block_size_bytes();
	return abi == PNT_ABI ? 0 : -EPROTO;
}

static void pnt_held_counts(struct pnt_held *held, struct pnt_count *count)
{
	held->allocations = atomic64_read(&count->allocations);
	held->alloc_pages = atomic64_read(&count->alloc_pages);
	held->pins = atomic64_read(&count->pins);
	held->holds = atomic64_read(&count->holds);
	held->notifiers = atomic64_read(&count->notifiers);
	held->device_pages = atomic64_read(&count->device_pages);
}

long pnt_ioctl_totals(struct pnt_file *file, void *arg)
{
	struct pnt_totals *totals = arg;
	struct pnt_file *other;
	struct pnt_node *node;
	int nid;

	if (totals->reserved)
		return -EINVAL;
	memset(totals, 0, sizeof(*totals));
	pnt_held_counts(&totals->mine, &file->count);
	pnt_held_counts(&totals->all, &pnt_all);
	totals->stray = atomic64_read(&pnt_stray);

	mutex_lock(&pnt_lock);
	totals->mine.ranges = list_count_nodes(&file->ranges);
	totals->orphans = list_count_nodes(&pnt_orphans);
	totals->all.ranges = totals->orphans;
	list_for_each_entry(other, &pnt_files, link) {
		totals->files++;
		totals->all.ranges += list_count_nodes(&other->ranges);
	}
	for (nid = 0; nid < MAX_NUMNODES; nid++) {
		node = pnt_node(nid);
		if (!node)
			continue;
		totals->all.kept += READ_ONCE(node->nr_kept);
		if (!node->obj)
			continue;
		totals->all.registered++;
		if (node->obj->owner == file) {
			totals->mine.registered++;
			totals->mine.kept += READ_ONCE(node->nr_kept);
		}
	}
	mutex_unlock(&pnt_lock);
	return 0;
}
