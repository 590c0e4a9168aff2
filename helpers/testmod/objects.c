// SPDX-License-Identifier: GPL-2.0-only
/*
 * REGISTER, UNREGISTER, BLOCK: struct node_private objects.
 *
 * Whether an object is registered is never guessed from return values: the
 * kernel's own pointer, pgdat->node_private, is looked at after each call, so
 * that a kernel that errs (which is what the tests are for) cannot make the
 * module free what is still in use.
 */
#include <linux/memory_hotplug.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "pnt.h"

/* Plugging and registering, one at a time: no range or object in two hands. */
DEFINE_MUTEX(pnt_plug_lock);

static void pnt_obj_free(struct kref *ref)
{
	kfree(container_of(ref, struct pnt_obj, ref));
}

void pnt_obj_put(struct pnt_obj *obj)
{
	kref_put(&obj->ref, pnt_obj_free);
}

static struct pnt_obj *pnt_obj_new(struct pnt_file *file)
{
	struct pnt_obj *obj = kzalloc(sizeof(*obj), GFP_KERNEL);

	if (!obj)
		return NULL;
	kref_init(&obj->ref);
	obj->owner = file;
	obj->nid = NUMA_NO_NODE;
	obj->np.owner = obj;
	return obj;
}

static bool pnt_obj_is_registered(struct pnt_obj *obj, int nid)
{
	return pnt_nid_possible(nid) && NODE_DATA(nid) &&
	       rcu_access_pointer(NODE_DATA(nid)->node_private) == &obj->np;
}

/* Brings the books in line with the kernel. */
void pnt_obj_sync(struct pnt_obj *obj)
{
	struct pnt_node *node = pnt_node(obj->nid);
	bool is = pnt_obj_is_registered(obj, obj->nid);

	lockdep_assert_held(&pnt_lock);
	if (!node || is == obj->registered)
		return;
	obj->registered = is;
	if (is) {
		kref_get(&obj->ref);
		node->obj = obj;
	} else {
		if (node->obj == obj)
			node->obj = NULL;
		/* an orphan's reference, see close.c; the caller has one, too */
		if (!obj->owner)
			module_put(THIS_MODULE);
		pnt_obj_put(obj);
	}
}

/* The same for whatever is registered for a node. */
void pnt_node_sync(int nid)
{
	struct pnt_node *node = pnt_node(nid);

	lockdep_assert_held(&pnt_lock);
	if (node && node->obj)
		pnt_obj_sync(node->obj);
}

/*
 * The object that a number of the ABI means, with a reference; ERR_PTR, or NULL
 * for the null pointer. own: NODE means the fd's own object for that nid, else
 * the one that is registered, if any.
 */
struct pnt_obj *pnt_obj_get(struct pnt_file *file, int nid, int index, bool own)
{
	struct pnt_obj *obj = NULL;
	struct pnt_node *node;
	unsigned long key;

	lockdep_assert_held(&pnt_plug_lock);
	switch (index) {
	case PNT_OBJECT_NULL:
		return NULL;
	case 0 ... PNT_OBJECTS - 1:
		if (!file->objs[index])
			file->objs[index] = pnt_obj_new(file);
		obj = file->objs[index];
		break;
	case PNT_OBJECT_NODE:
		if (!own) {
			node = pnt_node(nid);
			mutex_lock(&pnt_lock);
			obj = node ? node->obj : NULL;
			if (obj)
				kref_get(&obj->ref);
			mutex_unlock(&pnt_lock);
			if (obj)
				return obj;
		}
		/* one object does for all nids that cannot be */
		key = pnt_nid_possible(nid) ? nid : MAX_NUMNODES;
		obj = xa_load(&file->plug_objs, key);
		if (obj)
			break;
		obj = pnt_obj_new(file);
		if (obj && xa_err(xa_store(&file->plug_objs, key, obj, GFP_KERNEL))) {
			pnt_obj_put(obj);
			obj = NULL;
		}
		break;
	default:
		return ERR_PTR(-EINVAL);
	}
	if (!obj)
		return ERR_PTR(-ENOMEM);
	kref_get(&obj->ref);
	return obj;
}

/*
 * Before a call that may register obj for nid. A real driver hands in a fresh
 * object, without ops of an earlier life; and never one that is in use for
 * another node, which no kernel is made for.
 */
int pnt_obj_prepare(struct pnt_obj *obj, int nid)
{
	int ret = 0;

	lockdep_assert_held(&pnt_plug_lock);
	mutex_lock(&pnt_lock);
	pnt_obj_sync(obj);
	if (obj->registered && obj->nid != nid) {
		ret = -EXDEV;
	} else if (!obj->registered) {
		obj->nid = nid;
		obj->np.ops = NULL;
		obj->np.migration_blocked = false;
	}
	mutex_unlock(&pnt_lock);
	return ret;
}

long pnt_ioctl_register(struct pnt_file *file, void *arg)
{
	struct pnt_ops *req = arg;
	struct pnt_obj *obj;
	int ret;

	if (pnt_ops_fixed(req))
		return -EINVAL;
	if (pnt_nid_possible(req->nid) && !pnt_node_get(req->nid))
		return -ENOMEM;
	if (mutex_lock_interruptible(&pnt_plug_lock))
		return -EINTR;
	obj = pnt_obj_get(file, req->nid, req->object, false);
	if (IS_ERR(obj)) {
		ret = PTR_ERR(obj);
		goto unlock;
	}
	ret = obj ? pnt_obj_prepare(obj, req->nid) : 0;
	if (!ret) {
		ret = node_private_register(req->nid, obj ? &obj->np : NULL);
		mutex_lock(&pnt_lock);
		if (obj)
			pnt_obj_sync(obj);
		mutex_unlock(&pnt_lock);
	}
	if (obj)
		pnt_obj_put(obj);
unlock:
	mutex_unlock(&pnt_plug_lock);
	return ret;
}

long pnt_ioctl_unregister(struct pnt_file *file, void *arg)
{
	struct pnt_ops *req = arg;
	int ret;

	if (pnt_ops_fixed(req) || req->object)
		return -EINVAL;
	if (mutex_lock_interruptible(&pnt_plug_lock))
		return -EINTR;
	ret = node_private_unregister(req->nid);
	mutex_lock(&pnt_lock);
	pnt_node_sync(req->nid);
	mutex_unlock(&pnt_lock);
	mutex_unlock(&pnt_plug_lock);
	return ret;
}

long pnt_ioctl_block(struct pnt_file *file, void *arg)
{
	struct pnt_block *req = arg;
	struct pnt_node *node = pnt_node(req->nid);
	int ret = -ENODEV;

	if (req->blocked > 1)
		return -EINVAL;
	mutex_lock(&pnt_lock);
	if (node && node->obj) {
		WRITE_ONCE(node->obj->np.migration_blocked, req->blocked);
		ret = 0;
	}
	mutex_unlock(&pnt_lock);
	return ret;
}
