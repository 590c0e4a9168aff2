// SPDX-License-Identifier: GPL-2.0-only
/*
 * PLUG and UNPLUG: a physical range becomes memory of a node, and goes again.
 *
 * An unplug may take for ever (until a signal), so no lock is held around it;
 * the range is marked busy instead.
 */
#include <linux/ctype.h>
#include <linux/device.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "pnt.h"

#define PNT_RESOURCE	"System RAM (" PNT_NAME ")"

LIST_HEAD(pnt_orphans);

static int pnt_online_type(u32 type)
{
	switch (type) {
	case PNT_ONLINE_OFFLINE:
		return MMOP_OFFLINE;
	case PNT_ONLINE_ONLINE:
		return MMOP_ONLINE;
	case PNT_ONLINE_KERNEL:
		return MMOP_ONLINE_KERNEL;
	case PNT_ONLINE_MOVABLE:
		return MMOP_ONLINE_MOVABLE;
	default:
		return -EINVAL;
	}
}

static int pnt_online_block(struct memory_block *block, void *arg)
{
	typeof(device_online) *online = pnt_sym.device_online;
	int ret;

	block->online_type = *(int *)arg;
	ret = online(&block->dev);
	return ret < 0 ? ret : 0;	/* 1: online already */
}

static int pnt_add_ordinary(const struct pnt_plug *req, const char *name,
			    mhp_t mhp_flags, int online_type)
{
	typeof(walk_memory_blocks) *walk = pnt_sym.walk_memory_blocks;
	int ret;

	if (online_type != MMOP_OFFLINE && !(pnt_features() & PNT_FEAT_ORDINARY_ONLINE))
		return -EOPNOTSUPP;
	/* a private sister of this call answers for itself, this one oopses */
	if (!pnt_nid_possible(req->nid))
		return -EINVAL;
	ret = add_memory_driver_managed(req->nid, req->start, req->size, name, mhp_flags);
	if (ret || online_type == MMOP_OFFLINE)
		return ret;

	pnt_sym.lock_device_hotplug();
	ret = walk(req->start, req->size, &online_type, pnt_online_block);
	pnt_sym.unlock_device_hotplug();
	if (ret)
		offline_and_remove_memory(req->start, req->size);
	return ret;
}

static int pnt_plug_check(const struct pnt_plug *req)
{
	const u32 groups = PNT_PLUG_BY_GROUP | PNT_PLUG_NO_GROUP;

	if (req->kind > PNT_KIND_ORDINARY || req->reserved || req->adistance < 0 ||
	    req->flags & ~(PNT_PLUG_MEMMAP_ON_MEMORY | PNT_PLUG_WITH_OPS | groups) ||
	    (req->flags & groups) == groups ||
	    req->callbacks >> PNT_CB_OPS_COUNT || pnt_online_type(req->online_type) < 0)
		return -EINVAL;
	if (!(req->flags & PNT_PLUG_WITH_OPS) && (req->ops_flags || req->callbacks))
		return -EINVAL;
	if (req->kind == PNT_KIND_ORDINARY &&
	    (req->flags & (PNT_PLUG_WITH_OPS | groups) || req->object != PNT_OBJECT_NODE))
		return -EINVAL;
	if (strnlen(req->name, sizeof(req->name)) == sizeof(req->name))
		return -EINVAL;
	return 0;
}

/* A memory group for the range, where it is to be added by that. */
static int pnt_group(const struct pnt_plug *req, struct pnt_range *range)
{
	int group;

	if (!(req->flags & PNT_PLUG_BY_GROUP))
		return 0;
	group = memory_group_register_static(req->nid, PHYS_PFN(req->size));
	if (group < 0)
		return group;
	range->group = group;
	range->grouped = true;
	return 0;
}

/* The raw errno; what happened to the range is looked up, not concluded. */
static int pnt_add(const struct pnt_plug *req, struct pnt_obj *obj, struct pnt_range *range)
{
	int online_type = pnt_online_type(req->online_type);
	mhp_t mhp_flags = MHP_NONE;
	int nid = req->nid;

	if (req->flags & PNT_PLUG_MEMMAP_ON_MEMORY)
		mhp_flags |= MHP_MEMMAP_ON_MEMORY;
	if (req->kind == PNT_KIND_ORDINARY)
		return pnt_add_ordinary(req, range->name, mhp_flags, online_type);
	if (req->flags & (PNT_PLUG_BY_GROUP | PNT_PLUG_NO_GROUP)) {
		mhp_flags |= MHP_NID_IS_MGID;
		nid = range->grouped ? range->group : INT_MAX;
	}
	return add_private_memory_driver_managed(nid, req->start, req->size, range->name,
						 mhp_flags, online_type,
						 obj ? &obj->np : NULL);
}

static struct pnt_range *pnt_range_new(const struct pnt_plug *req)
{
	struct pnt_range *range = kzalloc(sizeof(*range), GFP_KERNEL);

	if (!range)
		return NULL;
	range->nid = req->nid;
	range->start = req->start;
	range->size = req->size;
	range->ordinary = req->kind == PNT_KIND_ORDINARY;
	range->name = kstrdup(*req->name ? req->name : PNT_RESOURCE, GFP_KERNEL);
	if (!range->name) {
		kfree(range);
		return NULL;
	}
	return range;
}

static void pnt_range_free(struct pnt_range *range)
{
	if (range->grouped)
		memory_group_unregister(range->group);
	kfree(range->name);
	kfree(range);
}

/* What is there now, though the kernel said no, is the fd's all the same. */
static bool pnt_plugged(const struct pnt_range *range, int ret, bool was_there)
{
	return !ret || (range->size && !was_there && pfn_valid(PHYS_PFN(range->start)));
}

/* Takes over *rangep, and clears it, when the range is plugged in the end. */
static int pnt_plug_locked(struct pnt_file *file, const struct pnt_plug *req,
			   struct pnt_range **rangep, struct pnt_obj *obj)
{
	struct pnt_node *node = pnt_node(req->nid);
	struct pnt_range *range = *rangep;
	bool there, gone;
	int ret;

	/* Under the lock of all plugs: nobody can take the range in between. */
	ret = pnt_range_check(req->start, req->size);
	if (!ret)
		ret = pnt_group(req, range);
	if (!ret && obj)
		ret = pnt_obj_prepare(obj, req->nid);
	if (ret)
		return ret;
	if (node && req->adistance)
		WRITE_ONCE(node->adistance, req->adistance);
	there = pfn_valid(PHYS_PFN(req->start));
	ret = pnt_add(req, obj, range);

	mutex_lock(&pnt_lock);
	if (obj)
		pnt_obj_sync(obj);
	if (pnt_plugged(range, ret, there)) {
		*rangep = NULL;
		list_add_tail(&range->link, &file->ranges);
		if (node)
			node->ranges++;
	}
	mutex_unlock(&pnt_lock);
	if (ret || !(req->flags & PNT_PLUG_WITH_OPS))
		return ret;

	ret = pnt_set_ops(req->nid, PNT_OBJECTS, req->ops_flags, req->callbacks);
	if (ret) {
		pnt_remove(range, range->nid, range->start, range->size, &gone);
		if (gone)
			pnt_range_forget(range);
	}
	return ret;
}

long pnt_ioctl_plug(struct pnt_file *file, void *arg)
{
	struct pnt_plug *req = arg;
	struct pnt_obj *obj = NULL;
	struct pnt_range *range;
	int ret;

	ret = pnt_plug_check(req);
	if (ret)
		return ret;
	if (pnt_nid_possible(req->nid) && !pnt_node_get(req->nid))
		return -ENOMEM;
	range = pnt_range_new(req);
	if (!range)
		return -ENOMEM;
	ret = mutex_lock_interruptible(&pnt_plug_lock);
	if (ret)
		goto free;
	if (req->kind == PNT_KIND_PRIVATE)
		obj = pnt_obj_get(file, req->nid, req->object, true);
	ret = PTR_ERR_OR_ZERO(obj);
	if (!ret) {
		ret = pnt_plug_locked(file, req, &range, obj);
		if (obj)
			pnt_obj_put(obj);
	}
	mutex_unlock(&pnt_plug_lock);
free:
	if (range)
		pnt_range_free(range);
	return ret;
}

/* Calls the kernel for all or part of a range, and looks what came of it. */
int pnt_remove(struct pnt_range *range, int nid, u64 start, u64 size, bool *gone)
{
	int ret;

	if (range->ordinary)
		ret = offline_and_remove_memory(start, size);
	else
		ret = offline_and_remove_private_memory(nid, start, size);
	*gone = !pfn_valid(PHYS_PFN(range->start));

	mutex_lock(&pnt_lock);
	pnt_node_sync(range->nid);
	if (nid != range->nid)
		pnt_node_sync(nid);
	mutex_unlock(&pnt_lock);
	return ret;
}

/* The sections are gone: nothing refers to the range any more. */
void pnt_range_forget(struct pnt_range *range)
{
	struct pnt_node *node = pnt_node(range->nid);

	mutex_lock(&pnt_lock);
	list_del(&range->link);
	if (node && !--node->ranges)
		WRITE_ONCE(node->adistance, 0);
	mutex_unlock(&pnt_lock);
	pnt_range_free(range);
}

static struct pnt_range *pnt_range_claim(struct pnt_file *file, u64 start, u64 size)
{
	u64 mask = memory_block_size_bytes() - 1;
	struct pnt_range *range;

	lockdep_assert_held(&pnt_lock);
	list_for_each_entry(range, &file->ranges, link) {
		if (start < range->start || size > range->size ||
		    start - range->start > range->size - size)
			continue;
		/* Parts only as far as the kernel has to refuse them. */
		if (size && size != range->size && !((start | size) & mask))
			return ERR_PTR(-EINVAL);
		if (range->busy)
			return ERR_PTR(-EBUSY);
		range->busy = true;
		return range;
	}
	return ERR_PTR(-ENOENT);
}

long pnt_ioctl_unplug(struct pnt_file *file, void *arg)
{
	struct pnt_unplug *req = arg;
	struct pnt_range *range;
	bool gone;
	int ret;

	if (req->reserved || req->gone || req->pad)
		return -EINVAL;
	mutex_lock(&pnt_lock);
	range = pnt_range_claim(file, req->start, req->size);
	mutex_unlock(&pnt_lock);
	if (IS_ERR(range))
		return PTR_ERR(range);

	ret = pnt_remove(range, req->nid, req->start, req->size, &gone);
	req->gone = gone;
	mutex_lock(&pnt_lock);
	range->busy = false;
	mutex_unlock(&pnt_lock);
	if (gone)
		pnt_range_forget(range);
	return ret;
}
