// SPDX-License-Identifier: GPL-2.0-only
/* SET_OPS and CLEAR_OPS. */
#include <linux/slab.h>

#include "pnt.h"

/* Ops kept at most: all legal flags and callbacks, twice over. */
#define PNT_MAX_OPS	BIT(16)

/* SET_OPS and CLEAR_OPS know PNT_OBJECTS + 1 sorts of ops; NODE is the last. */
#define PNT_VARIANTS	(PNT_OBJECTS + 1)

/*
 * Ops that were installed once stay until the module goes: then a reader in the
 * kernel cannot outlive them, however set_ops, unregister and close race.
 * Equal ones are shared, so their number is bounded.
 */
struct pnt_ops_item {
	struct list_head link;
	struct node_private_ops ops;
	u32 callbacks;
	int variant;
	bool installed;
};

static LIST_HEAD(pnt_ops_list);
static unsigned int pnt_nr_ops;
static DEFINE_MUTEX(pnt_ops_lock);
static const struct node_private_ops *pnt_last_ops[MAX_NUMNODES][PNT_VARIANTS];
static const struct node_private_ops pnt_empty_ops[PNT_VARIANTS];

static struct pnt_ops_item *pnt_ops_item(int variant, u64 flags, u32 callbacks)
{
	struct pnt_ops_item *item;

	list_for_each_entry(item, &pnt_ops_list, link)
		if (item->variant == variant && item->ops.flags == flags &&
		    item->callbacks == callbacks) {
			/* a hit is likely to be asked for again */
			list_move(&item->link, &pnt_ops_list);
			return item;
		}

	if (pnt_nr_ops >= PNT_MAX_OPS)
		return ERR_PTR(-ENOSPC);
	item = kzalloc(sizeof(*item), GFP_KERNEL);
	if (!item)
		return ERR_PTR(-ENOMEM);
	pnt_ops_fill(&item->ops, flags, callbacks);
	item->variant = variant;
	item->callbacks = callbacks;
	list_add(&item->link, &pnt_ops_list);
	pnt_nr_ops++;
	return item;
}

/* From a number of the ABI; -1 is the null pointer. */
static int pnt_variant(int object)
{
	if (object == PNT_OBJECT_NULL)
		return -1;
	if (object == PNT_OBJECT_NODE)
		return PNT_OBJECTS;
	return object >= 0 && object < PNT_OBJECTS ? object : -EINVAL;
}

int pnt_set_ops(int nid, int variant, u64 flags, u32 callbacks)
{
	struct pnt_ops_item *item;
	int ret;

	mutex_lock(&pnt_ops_lock);
	item = pnt_ops_item(variant, flags, callbacks);
	if (IS_ERR(item)) {
		ret = PTR_ERR(item);
		goto unlock;
	}
	ret = node_private_set_ops(nid, &item->ops);
	if (!ret) {
		item->installed = true;
		if (nid >= 0 && nid < MAX_NUMNODES)
			pnt_last_ops[nid][variant] = &item->ops;
	} else if (!item->installed) {
		list_del(&item->link);
		pnt_nr_ops--;
		kfree(item);
	}
unlock:
	mutex_unlock(&pnt_ops_lock);
	if (!ret)
		pnt_refresh_demotion();
	return ret;
}

void pnt_ops_free(void)
{
	struct pnt_ops_item *item, *next;

	list_for_each_entry_safe(item, next, &pnt_ops_list, link)
		kfree(item);
}

/* What no other request than SET_OPS may have set. */
int pnt_ops_fixed(const struct pnt_ops *req)
{
	return req->flags || req->callbacks || req->reserved ? -EINVAL : 0;
}

long pnt_ioctl_set_ops(struct pnt_file *file, void *arg)
{
	struct pnt_ops *req = arg;
	int variant = pnt_variant(req->object);

	if (req->reserved || req->callbacks >> PNT_CB_OPS_COUNT || variant == -EINVAL)
		return -EINVAL;
	if (variant < 0)
		return node_private_set_ops(req->nid, NULL);
	return pnt_set_ops(req->nid, variant, req->flags, req->callbacks);
}

long pnt_ioctl_clear_ops(struct pnt_file *file, void *arg)
{
	struct pnt_ops *req = arg;
	int variant = pnt_variant(req->object);
	const struct node_private_ops *ops = NULL;
	int ret;

	if (pnt_ops_fixed(req) || variant == -EINVAL)
		return -EINVAL;
	mutex_lock(&pnt_ops_lock);
	if (variant >= 0) {
		if (req->nid >= 0 && req->nid < MAX_NUMNODES)
			ops = pnt_last_ops[req->nid][variant];
		if (!ops)
			ops = &pnt_empty_ops[variant];
	}
	ret = node_private_clear_ops(req->nid, ops);
	mutex_unlock(&pnt_ops_lock);
	if (!ret)
		pnt_refresh_demotion();
	return ret;
}
