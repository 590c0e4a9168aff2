// SPDX-License-Identifier: GPL-2.0-only
/* ZONELIST and NODE_STATE: how the kernel sees a node. */
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/uaccess.h>

#include "pnt.h"

long pnt_ioctl_zonelist(struct pnt_file *file, void *arg)
{
	struct pnt_zonelist *req = arg;
	struct pnt_zoneref __user *user = u64_to_user_ptr(req->entries);
	struct pnt_zoneref entry;
	struct zonelist *list;
	struct zone *zone;
	int i;

	if (!pnt_nid_possible(req->nid) || req->which > PNT_NOFALLBACK || req->count ||
	    (!user && req->len))
		return -EINVAL;
	if (!NODE_DATA(req->nid))
		return -ENODEV;
	list = &NODE_DATA(req->nid)->node_zonelists[req->which == PNT_FALLBACK ?
						    ZONELIST_FALLBACK : ZONELIST_NOFALLBACK];
	for (i = 0; i < MAX_ZONES_PER_ZONELIST; i++) {
		zone = zonelist_zone(&list->_zonerefs[i]);
		if (!zone)
			break;
		entry.nid = zone_to_nid(zone);
		entry.zone = zone_idx(zone);
		if (i < req->len && copy_to_user(user + i, &entry, sizeof(entry)))
			return -EFAULT;
	}
	req->count = i;
	return 0;
}

static u64 pnt_zone_pcp(struct zone *zone)
{
	u64 pages = 0;
	int cpu;

	for_each_online_cpu(cpu)
		pages += READ_ONCE(per_cpu_ptr(zone->per_cpu_pageset, cpu)->count);
	return pages;
}

static void pnt_zone_state(struct pnt_zone *out, struct zone *zone)
{
	memset(out, 0, sizeof(*out));
	strscpy(out->name, zone->name ?: "", sizeof(out->name));
	out->index = zone_idx(zone);
	out->start_pfn = zone->zone_start_pfn;
	out->spanned = zone->spanned_pages;
	out->present = zone->present_pages;
	out->managed = zone_managed_pages(zone);
	if (populated_zone(zone)) {
		out->free = zone_page_state_snapshot(zone, NR_FREE_PAGES);
		out->pcp = pnt_zone_pcp(zone);
	}
}

/* Pages in use on a node. */
u64 pnt_node_used(int nid)
{
	struct pnt_zone state;
	u64 used = 0;
	int i;

	for (i = 0; i < MAX_NR_ZONES; i++) {
		pnt_zone_state(&state, &NODE_DATA(nid)->node_zones[i]);
		if (state.managed > state.free + state.pcp)
			used += state.managed - state.free - state.pcp;
	}
	return used;
}

static const struct {
	enum node_states state;
	u32 bit;
} pnt_states[] = {
	{ N_POSSIBLE,		BIT(PNT_N_POSSIBLE) },
	{ N_ONLINE,		BIT(PNT_N_ONLINE) },
	{ N_NORMAL_MEMORY,	BIT(PNT_N_NORMAL_MEMORY) },
	{ N_HIGH_MEMORY,	BIT(PNT_N_HIGH_MEMORY) },
	{ N_MEMORY,		BIT(PNT_N_MEMORY) },
	{ N_CPU,		BIT(PNT_N_CPU) },
	{ N_GENERIC_INITIATOR,	BIT(PNT_N_GENERIC_INITIATOR) },
	{ N_MEMORY_PRIVATE,	BIT(PNT_N_MEMORY_PRIVATE) },
};

static bool pnt_busy_range(struct list_head *ranges, int nid)
{
	struct pnt_range *range;

	list_for_each_entry(range, ranges, link)
		if (range->nid == nid && range->busy)
			return true;
	return false;
}

/* What the module's own books say. */
static void pnt_node_books(struct pnt_node_state *req)
{
	struct pnt_node *node = pnt_node(req->nid);
	struct pnt_file *file;
	bool busy;

	if (!node)
		return;
	mutex_lock(&pnt_lock);
	pnt_node_sync(req->nid);
	req->ranges = node->ranges;
	if (node->obj) {
		req->flags |= PNT_NODE_REGISTERED;
		if (READ_ONCE(node->obj->np.ops))
			req->flags |= PNT_NODE_HAS_OPS;
		if (READ_ONCE(node->obj->np.migration_blocked))
			req->flags |= PNT_NODE_BLOCKED;
	}
	busy = pnt_busy_range(&pnt_orphans, req->nid);
	list_for_each_entry(file, &pnt_files, link)
		busy = busy || pnt_busy_range(&file->ranges, req->nid);
	if (busy)
		req->flags |= PNT_NODE_BUSY;
	mutex_unlock(&pnt_lock);
}

long pnt_ioctl_node_state(struct pnt_file *file, void *arg)
{
	struct pnt_node_state *req = arg;
	int nid = req->nid;
	struct pglist_data *pgdat;
	int i;

	if (!pnt_nid_possible(nid) || req->reserved)
		return -EINVAL;
	pgdat = NODE_DATA(nid);
	if (!pgdat)
		return -ENODEV;
	memset(req, 0, sizeof(*req));
	req->nid = nid;
	for (i = 0; i < ARRAY_SIZE(pnt_states); i++)
		if (node_state(nid, pnt_states[i].state))
			req->states |= pnt_states[i].bit;
	if (READ_ONCE(pgdat->private))
		req->flags |= PNT_NODE_PRIVATE;
	if (READ_ONCE(pgdat->kswapd))
		req->flags |= PNT_NODE_KSWAPD;
#ifdef CONFIG_COMPACTION
	if (READ_ONCE(pgdat->kcompactd))
		req->flags |= PNT_NODE_KCOMPACTD;
#endif
	pnt_node_books(req);
	req->ops_flags = node_private_flags(nid);
	for (i = 0; i < BITS_PER_LONG; i++)
		if (node_private_has_flag(nid, BIT(i)))
			req->has_flags |= BIT_ULL(i);

	BUILD_BUG_ON(MAX_NR_ZONES > PNT_ZONES);
	req->nr_zones = MAX_NR_ZONES;
	for (i = 0; i < MAX_NR_ZONES; i++)
		pnt_zone_state(&req->zones[i], &pgdat->node_zones[i]);
	return 0;
}
