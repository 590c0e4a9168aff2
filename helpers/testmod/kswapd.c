// SPDX-License-Identifier: GPL-2.0-only
/*
 * KSWAPD: what the driver of a node with reclaim does to have it reclaimed.
 * The kernel starts no kswapd for a private node, so its owner has to.
 */
#include <linux/mmzone.h>
#include <linux/swap.h>

#include "pnt.h"

/* The highest zone with memory. */
static struct zone *pnt_highest_zone(int nid)
{
	int i;

	for (i = MAX_NR_ZONES - 1; i >= 0; i--)
		if (managed_zone(&NODE_DATA(nid)->node_zones[i]))
			return &NODE_DATA(nid)->node_zones[i];
	return NULL;
}

static void pnt_boost(struct zone *zone, u64 pages)
{
	unsigned long flags;

	spin_lock_irqsave(&zone->lock, flags);
	zone->watermark_boost = pages;
	spin_unlock_irqrestore(&zone->lock, flags);
}

/* What was hopeless in an earlier test is not so for ever. */
static void pnt_new_hope(struct pglist_data *pgdat)
{
#ifdef HAVE_INT_FAILURES
	pgdat->kswapd_failures = 0;
#else
	atomic_set(&pgdat->kswapd_failures, 0);
#endif
}

static int pnt_kswapd_wake(struct pnt_kswapd *req)
{
	struct zone *zone = pnt_highest_zone(req->nid);
	typeof(wakeup_kswapd) *wake = pnt_sym.wakeup_kswapd;

	if (!zone)
		return -ENXIO;
	if (req->boost != PNT_BOOST_LEAVE) {
		if (req->boost > zone_managed_pages(zone))
			return -EINVAL;
		pnt_boost(zone, req->boost);
	}
	pnt_new_hope(NODE_DATA(req->nid));
	wake(zone, GFP_KERNEL, 0, zone_idx(zone));
	return 0;
}

long pnt_ioctl_kswapd(struct pnt_file *file, void *arg)
{
	struct pnt_kswapd *req = arg;
	typeof(kswapd_run) *run = pnt_sym.kswapd_run;
	typeof(kswapd_stop) *stop = pnt_sym.kswapd_stop;

	if (req->op > PNT_KSWAPD_WAKE || !pnt_nid_possible(req->nid) ||
	    (req->op != PNT_KSWAPD_WAKE && req->boost))
		return -EINVAL;
	if (!(pnt_features() & PNT_FEAT_KSWAPD))
		return -EOPNOTSUPP;
	/* only a node of ours: an ordinary one needs its kswapd, and has it */
	if (!NODE_DATA(req->nid) || !READ_ONCE(NODE_DATA(req->nid)->private))
		return -ENODEV;
	/* it goes with the last memory, so it must not come without */
	if (req->op == PNT_KSWAPD_RUN && !pnt_highest_zone(req->nid))
		return -ENXIO;
	if (req->op == PNT_KSWAPD_RUN)
		run(req->nid);
	else if (req->op == PNT_KSWAPD_STOP)
		stop(req->nid);
	else
		return pnt_kswapd_wake(req);
	return 0;
}
