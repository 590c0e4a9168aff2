// SPDX-License-Identifier: GPL-2.0-only
/*
 * EVENTS and COUNTERS: what the callbacks of a node were called with. The ring
 * keeps the newest events; what it overwrites unread is counted as lost.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "pnt.h"

/* Events copied to user space at once. */
#define PNT_BATCH	64

/* Any context. The call counts once; folios and pages as given. */
void pnt_record(struct pnt_node *node, const struct pnt_event *event,
		u64 folios, u64 pages, bool failed)
{
	struct pnt_event *slot;
	unsigned long flags;

	spin_lock_irqsave(&node->lock, flags);
	if (event->callback < PNT_CB_COUNT) {
		node->calls[event->callback]++;
		node->folios[event->callback] += folios;
		node->pages[event->callback] += pages;
		node->failed[event->callback] += failed;
	}
	if (node->head - node->tail == PNT_MAX_EVENTS) {
		node->tail++;
		node->lost++;
	}
	slot = &node->ring[node->head % PNT_MAX_EVENTS];
	*slot = *event;
	slot->seq = node->head++;
	spin_unlock_irqrestore(&node->lock, flags);
}

static u32 pnt_take(struct pnt_node *node, struct pnt_event *events, u32 max)
{
	u32 n = 0;

	spin_lock_irq(&node->lock);
	while (n < max && node->tail != node->head)
		events[n++] = node->ring[node->tail++ % PNT_MAX_EVENTS];
	spin_unlock_irq(&node->lock);
	return n;
}

long pnt_ioctl_events(struct pnt_file *file, void *arg)
{
	struct pnt_events *req = arg;
	struct pnt_event __user *user = u64_to_user_ptr(req->events);
	struct pnt_node *node = pnt_node(req->nid);
	struct pnt_event *batch;
	int ret = 0;
	u32 n;

	if (req->count || req->left || req->lost || (!user && req->max))
		return -EINVAL;
	if (!node)
		return -ENODEV;
	batch = kmalloc_array(PNT_BATCH, sizeof(*batch), GFP_KERNEL);
	if (!batch)
		return -ENOMEM;
	while (req->count < req->max) {
		n = pnt_take(node, batch, min_t(u32, req->max - req->count, PNT_BATCH));
		if (!n)
			break;
		if (copy_to_user(user + req->count, batch, n * sizeof(*batch))) {
			ret = -EFAULT;
			break;
		}
		req->count += n;
	}
	kfree(batch);
	spin_lock_irq(&node->lock);
	req->left = node->head - node->tail;
	req->lost = node->lost;
	spin_unlock_irq(&node->lock);
	return ret;
}

long pnt_ioctl_counters(struct pnt_file *file, void *arg)
{
	struct pnt_counters *req = arg;
	struct pnt_node *node = pnt_node(req->nid);
	u32 flags = req->flags;
	int nid = req->nid;

	if (flags & ~PNT_COUNTERS_RESET)
		return -EINVAL;
	if (!node)
		return -ENODEV;
	memset(req, 0, sizeof(*req));
	req->nid = nid;
	req->flags = flags;

	BUILD_BUG_ON(sizeof(req->calls) != sizeof(node->calls));
	spin_lock_irq(&node->lock);
	memcpy(req->calls, node->calls, sizeof(req->calls));
	memcpy(req->folios, node->folios, sizeof(req->folios));
	memcpy(req->pages, node->pages, sizeof(req->pages));
	memcpy(req->failed, node->failed, sizeof(req->failed));
	req->kept = node->nr_kept;
	req->keep_failed = node->keep_failed;
	req->lost = node->lost;
	if (flags & PNT_COUNTERS_RESET) {
		memset(node->calls, 0, sizeof(node->calls));
		memset(node->folios, 0, sizeof(node->folios));
		memset(node->pages, 0, sizeof(node->pages));
		memset(node->failed, 0, sizeof(node->failed));
		node->keep_failed = 0;
		node->lost = 0;
		node->tail = node->head;
	}
	spin_unlock_irq(&node->lock);
	return 0;
}
