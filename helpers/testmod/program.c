// SPDX-License-Identifier: GPL-2.0-only
/* PROGRAM: what callbacks do next. KEPT: the folios that free_folio held back. */
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "pnt.h"

/* Which modes a callback has. */
static const u32 pnt_modes[PNT_CB_COUNT] = {
	[PNT_CB_FREE_FOLIO]	= BIT(PNT_MODE_REAL) | BIT(PNT_MODE_KEEP),
	[PNT_CB_FOLIO_SPLIT]	= BIT(PNT_MODE_REAL),
	[PNT_CB_MIGRATE_TO]	= BIT(PNT_MODE_REAL) | BIT(PNT_MODE_ERRNO) |
				  BIT(PNT_MODE_PARTIAL) | BIT(PNT_MODE_DELAY),
	[PNT_CB_FOLIO_MIGRATE]	= BIT(PNT_MODE_REAL),
	[PNT_CB_HANDLE_FAULT]	= BIT(PNT_MODE_REAL) | BIT(PNT_MODE_ERRNO) |
				  BIT(PNT_MODE_DELAY) | BIT(PNT_MODE_RETRY),
	[PNT_CB_RECLAIM_POLICY]	= BIT(PNT_MODE_REAL) | BIT(PNT_MODE_POLICY),
	[PNT_CB_MEMORY_FAILURE]	= BIT(PNT_MODE_REAL),
	[PNT_CB_FLUSH]		= BIT(PNT_MODE_REAL) | BIT(PNT_MODE_KEEP) |
				  BIT(PNT_MODE_RESULT),
};

#define PNT_POLICY_MASK	(PNT_POLICY_SWAP | PNT_POLICY_WRITEPAGE | PNT_POLICY_WATERMARKS | \
			 PNT_POLICY_ACTIVE | PNT_POLICY_NO_SWAP |			   \
			 PNT_POLICY_NO_WRITEPAGE | PNT_POLICY_NO_WATERMARKS)

/* What a call is to do; false: nothing is programmed, it is REAL. Any context. */
bool pnt_step(struct pnt_node *node, u32 callback, struct pnt_step *step)
{
	struct pnt_program_state *state = &node->program[callback];
	unsigned long flags;
	bool programmed;

	spin_lock_irqsave(&node->lock, flags);
	programmed = state->mode != PNT_MODE_REAL;
	step->mode = state->mode;
	step->value = state->value;
	if (programmed && state->times && !--state->times)
		state->mode = PNT_MODE_REAL;
	spin_unlock_irqrestore(&node->lock, flags);
	return programmed;
}

void pnt_program_reset(struct pnt_node *node)
{
	spin_lock_irq(&node->lock);
	memset(node->program, 0, sizeof(node->program));
	spin_unlock_irq(&node->lock);
}

/* The array for kept folios comes with the first KEEP and stays. */
static int pnt_kept_room(struct pnt_node *node)
{
	struct folio **kept;

	if (READ_ONCE(node->kept))
		return 0;
	kept = vzalloc(array_size(PNT_MAX_KEPT, sizeof(*kept)));
	if (!kept)
		return -ENOMEM;
	spin_lock_irq(&node->lock);
	swap(kept, node->kept);
	spin_unlock_irq(&node->lock);
	vfree(kept);	/* of the loser of a race: empty, PROGRAM comes later */
	return 0;
}

static bool pnt_value_ok(const struct pnt_program *req)
{
	switch (req->mode) {
	case PNT_MODE_ERRNO:
		if (req->callback == PNT_CB_HANDLE_FAULT)
			return !req->value;
		return req->value && req->value <= MAX_ERRNO;
	case PNT_MODE_DELAY:
		return req->value <= PNT_MAX_DELAY_MS;
	case PNT_MODE_POLICY:
		return !(req->value & ~(u64)PNT_POLICY_MASK);
	case PNT_MODE_PARTIAL:
		return true;
	case PNT_MODE_RESULT:
		return req->value == PNT_FLUSH_DONE || req->value == PNT_FLUSH_FULL;
	default:
		return !req->value;
	}
}

long pnt_ioctl_program(struct pnt_file *file, void *arg)
{
	struct pnt_program *req = arg;
	struct pnt_node *node = pnt_node(req->nid);
	int ret;

	if (req->reserved || req->callback >= PNT_CB_COUNT || req->mode > PNT_MODE_RESULT ||
	    !(pnt_modes[req->callback] & BIT(req->mode)) || !pnt_value_ok(req))
		return -EINVAL;
	if (!node)
		return -ENODEV;
	if (req->mode == PNT_MODE_KEEP) {
		ret = pnt_kept_room(node);
		if (ret)
			return ret;
	}
	spin_lock_irq(&node->lock);
	node->program[req->callback] = (struct pnt_program_state){
		.mode = req->mode,
		.times = req->times,
		.value = req->value,
	};
	spin_unlock_irq(&node->lock);
	return 0;
}

/* From free_folio or flush: the reference count is 0, from now on the folio is ours. */
bool pnt_keep(struct pnt_node *node, struct folio *folio)
{
	unsigned long flags;
	bool room;

	spin_lock_irqsave(&node->lock, flags);
	room = node->kept && node->nr_kept < PNT_MAX_KEPT;
	if (room)
		node->kept[node->nr_kept++] = folio;
	else
		node->keep_failed++;
	spin_unlock_irqrestore(&node->lock, flags);
	return room;
}

static struct folio *pnt_kept_pop(struct pnt_node *node)
{
	struct folio *folio = NULL;

	spin_lock_irq(&node->lock);
	if (node->nr_kept)
		folio = node->kept[--node->nr_kept];
	spin_unlock_irq(&node->lock);
	return folio;
}

/*
 * Lets up to max folios go (0: all). The kernel left them as the last put found
 * them, so another last put finishes the job; the callback lets that one through.
 */
u64 pnt_kept_release(struct pnt_node *node, u64 max)
{
	struct folio *folio;
	u64 n = 0;

	mutex_lock(&node->release_lock);
	while ((!max || n < max) && (folio = pnt_kept_pop(node))) {
		WRITE_ONCE(node->releasing, folio);
		folio_ref_unfreeze(folio, 1);
		folio_put(folio);
		WRITE_ONCE(node->releasing, NULL);
		n++;
		cond_resched();
	}
	mutex_unlock(&node->release_lock);
	return n;
}

static u64 *pnt_kept_pfns(struct pnt_node *node, u64 *n)
{
	u64 *pfns = vmalloc(array_size(PNT_MAX_KEPT, sizeof(*pfns)));
	u32 i;

	if (!pfns)
		return NULL;
	spin_lock_irq(&node->lock);
	*n = node->nr_kept;
	for (i = 0; i < node->nr_kept; i++)
		pfns[i] = folio_pfn(node->kept[i]);
	spin_unlock_irq(&node->lock);
	return pfns;
}

long pnt_ioctl_kept(struct pnt_file *file, void *arg)
{
	struct pnt_kept *req = arg;
	struct pnt_node *node = pnt_node(req->nid);
	u64 __user *user = u64_to_user_ptr(req->pfns);
	int ret = 0;
	u64 *pfns;
	u64 n;

	if (req->op > PNT_KEPT_RELEASE || (req->op == PNT_KEPT_COUNT && req->max) ||
	    req->released || req->kept || (!user && req->pfns_len))
		return -EINVAL;
	if (!node)
		return -ENODEV;
	if (user) {
		pfns = pnt_kept_pfns(node, &n);
		if (!pfns)
			return -ENOMEM;
		if (copy_to_user(user, pfns, min(n, req->pfns_len) * sizeof(*pfns)))
			ret = -EFAULT;
		vfree(pfns);
		if (ret)
			return ret;
	}
	if (req->op == PNT_KEPT_RELEASE)
		req->released = pnt_kept_release(node, req->max);
	req->kept = READ_ONCE(node->nr_kept);
	return 0;
}
