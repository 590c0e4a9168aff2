// SPDX-License-Identifier: GPL-2.0-only
/* NOTIFIER: an mmu notifier that counts, on the caller's memory. */
#include <linux/ktime.h>
#include <linux/mmu_notifier.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "pnt.h"

#ifdef CONFIG_MMU_NOTIFIER

struct pnt_notify_state {
	struct mmu_notifier mn;
	u64 start;
	u64 end;
	spinlock_t lock;	/* all below */
	u64 events[PNT_NOTIFY_COUNT];
	u64 overlaps[PNT_NOTIFY_COUNT];
	u64 ends;
	u64 released;
	u64 last_start;
	u64 last_end;
};

/* By name: the kernel's numbers are not ours to rely on. */
static u32 pnt_notify_event(enum mmu_notifier_event event)
{
	switch (event) {
	case MMU_NOTIFY_UNMAP:
		return PNT_NOTIFY_UNMAP;
	case MMU_NOTIFY_CLEAR:
		return PNT_NOTIFY_CLEAR;
	case MMU_NOTIFY_PROTECTION_VMA:
		return PNT_NOTIFY_PROTECTION_VMA;
	case MMU_NOTIFY_PROTECTION_PAGE:
		return PNT_NOTIFY_PROTECTION_PAGE;
	case MMU_NOTIFY_SOFT_DIRTY:
		return PNT_NOTIFY_SOFT_DIRTY;
	case MMU_NOTIFY_RELEASE:
		return PNT_NOTIFY_RELEASE;
	case MMU_NOTIFY_MIGRATE:
		return PNT_NOTIFY_MIGRATE;
	case MMU_NOTIFY_EXCLUSIVE:
		return PNT_NOTIFY_EXCLUSIVE;
	default:
		return PNT_NOTIFY_OTHER;
	}
}

static struct pnt_notify_state *pnt_state(struct mmu_notifier *mn)
{
	return container_of(mn, struct pnt_notify_state, mn);
}

static bool pnt_overlaps(struct pnt_notify_state *state, const struct mmu_notifier_range *range)
{
	return range->start < state->end && range->end > state->start;
}

static int pnt_range_start(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct pnt_notify_state *state = pnt_state(mn);
	u32 event = pnt_notify_event(range->event);

	spin_lock(&state->lock);
	state->events[event]++;
	if (pnt_overlaps(state, range)) {
		state->overlaps[event]++;
		state->last_start = ktime_get_ns();
	}
	spin_unlock(&state->lock);
	return 0;
}

static void pnt_range_end(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct pnt_notify_state *state = pnt_state(mn);

	if (!pnt_overlaps(state, range))
		return;
	spin_lock(&state->lock);
	state->ends++;
	state->last_end = ktime_get_ns();
	spin_unlock(&state->lock);
}

static void pnt_mm_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct pnt_notify_state *state = pnt_state(mn);

	spin_lock(&state->lock);
	state->released = 1;
	spin_unlock(&state->lock);
}

static const struct mmu_notifier_ops pnt_notifier_ops = {
	.invalidate_range_start	= pnt_range_start,
	.invalidate_range_end	= pnt_range_end,
	.release		= pnt_mm_release,
};

static int pnt_notifier_start(struct pnt_file *file, const struct pnt_notifier *req)
{
	struct pnt_notify_state *state;
	int ret;

	if (req->start + req->size < req->start)
		return -EINVAL;
	if (file->notify)
		return -EBUSY;
	state = kzalloc(sizeof(*state), GFP_KERNEL);
	if (!state)
		return -ENOMEM;
	spin_lock_init(&state->lock);
	state->start = req->start;
	state->end = req->start || req->size ? req->start + req->size : U64_MAX;
	state->mn.ops = &pnt_notifier_ops;
	ret = mmu_notifier_register(&state->mn, current->mm);
	if (ret) {
		kfree(state);
		return ret;
	}
	file->notify = state;
	pnt_count(file, notifiers, 1);
	return 0;
}

static void pnt_notifier_read(struct pnt_notify_state *state, struct pnt_notifier *req)
{
	spin_lock(&state->lock);
	memcpy(req->events, state->events, sizeof(req->events));
	memcpy(req->overlaps, state->overlaps, sizeof(req->overlaps));
	req->ends = state->ends;
	req->released = state->released;
	req->last_start = state->last_start;
	req->last_end = state->last_end;
	spin_unlock(&state->lock);
}

void pnt_notifier_stop(struct pnt_file *file)
{
	struct pnt_notify_state *state = file->notify;

	if (!state)
		return;
	mmu_notifier_unregister(&state->mn, state->mn.mm);
	file->notify = NULL;
	kfree(state);
	pnt_count(file, notifiers, -1);
}

long pnt_ioctl_notifier(struct pnt_file *file, void *arg)
{
	struct pnt_notifier *req = arg;
	int ret = 0;

	if (req->op > PNT_NOTIFIER_READ || req->reserved ||
	    (req->op != PNT_NOTIFIER_START && (req->start || req->size)))
		return -EINVAL;
	mutex_lock(&file->lock);
	if (req->op == PNT_NOTIFIER_START)
		ret = pnt_notifier_start(file, req);
	else if (!file->notify)
		ret = -ENOENT;
	if (!ret)
		pnt_notifier_read(file->notify, req);
	if (!ret && req->op == PNT_NOTIFIER_STOP)
		pnt_notifier_stop(file);
	mutex_unlock(&file->lock);
	return ret;
}

#else

void pnt_notifier_stop(struct pnt_file *file)
{
}

long pnt_ioctl_notifier(struct pnt_file *file, void *arg)
{
	return -EOPNOTSUPP;
}

#endif /* CONFIG_MMU_NOTIFIER */
