// SPDX-License-Identifier: GPL-2.0-only
/*
 * HOTPLUG: what the notifiers of memory hotplug are told, of any memory of the
 * machine. A ring keeps the newest; reading takes nothing out of it. And what
 * they may say to it: memory that goes online can be refused.
 */
#include <linux/memory.h>
#include <linux/node.h>
#include <linux/notifier.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "pnt.h"

static struct pnt_hotplug_event pnt_hp_ring[PNT_MAX_HOTPLUG];
static u64 pnt_hp_head;			/* next to be written = its seq */
static struct pnt_file *pnt_hp_refuser;	/* who asked last */
static u32 pnt_hp_refuse;		/* memory blocks up to the one */
static DEFINE_SPINLOCK(pnt_hp_lock);

static void pnt_hp_record(u32 action, int nid, unsigned long start_pfn, unsigned long nr_pages)
{
	struct pnt_hotplug_event *slot;

	spin_lock(&pnt_hp_lock);
	slot = &pnt_hp_ring[pnt_hp_head % PNT_MAX_HOTPLUG];
	*slot = (struct pnt_hotplug_event){
		.seq = pnt_hp_head++,
		.action = action,
		.nid = nid,
		.start_pfn = start_pfn,
		.nr_pages = nr_pages,
	};
	spin_unlock(&pnt_hp_lock);
}

/* The kernel's MEM_* by our own numbers; those that are about memmaps are not of interest. */
static int pnt_hp_memory_action(unsigned long action)
{
	switch (action) {
	case MEM_GOING_ONLINE:
		return PNT_HP_GOING_ONLINE;
	case MEM_CANCEL_ONLINE:
		return PNT_HP_CANCEL_ONLINE;
	case MEM_ONLINE:
		return PNT_HP_ONLINE;
	case MEM_GOING_OFFLINE:
		return PNT_HP_GOING_OFFLINE;
	case MEM_CANCEL_OFFLINE:
		return PNT_HP_CANCEL_OFFLINE;
	case MEM_OFFLINE:
		return PNT_HP_OFFLINE;
	default:
		return -1;
	}
}

static bool pnt_hp_refused(void)
{
	bool refused;

	spin_lock(&pnt_hp_lock);
	refused = pnt_hp_refuse && !--pnt_hp_refuse;
	spin_unlock(&pnt_hp_lock);
	return refused;
}

static int pnt_hp_memory(struct notifier_block *nb, unsigned long action, void *data)
{
	const struct memory_notify *arg = data;
	int number = pnt_hp_memory_action(action);
	int nid = NUMA_NO_NODE;

	if (number < 0)
		return NOTIFY_DONE;
#ifdef HAVE_STATUS_CHANGE_NID
	nid = arg->status_change_nid;
#endif
	pnt_hp_record(number, nid, arg->start_pfn, arg->nr_pages);
	if (number == PNT_HP_GOING_ONLINE && pnt_hp_refused())
		return notifier_from_errno(-ENOMEM);
	return NOTIFY_OK;
}

static struct notifier_block pnt_hp_memory_nb = { .notifier_call = pnt_hp_memory };

#ifdef HAVE_NODE_NOTIFIER
/* Kernels that tell the change of a node's state apart from that of its memory. */
static int pnt_hp_node(struct notifier_block *nb, unsigned long action, void *data)
{
	const struct node_notify *arg = data;

	if (action == NODE_ADDED_FIRST_MEMORY)
		pnt_hp_record(PNT_HP_FIRST_MEMORY, arg->nid, 0, 0);
	else if (action == NODE_REMOVED_LAST_MEMORY)
		pnt_hp_record(PNT_HP_LAST_MEMORY, arg->nid, 0, 0);
	return NOTIFY_OK;
}

static struct notifier_block pnt_hp_node_nb = { .notifier_call = pnt_hp_node };

static int pnt_hp_node_init(void)
{
	return register_node_notifier(&pnt_hp_node_nb);
}

static void pnt_hp_node_exit(void)
{
	unregister_node_notifier(&pnt_hp_node_nb);
}
#else
static int pnt_hp_node_init(void)
{
	return 0;
}

static void pnt_hp_node_exit(void)
{
}
#endif

int pnt_hotplug_init(void)
{
	int ret = register_memory_notifier(&pnt_hp_memory_nb);

	if (ret)
		return ret;
	ret = pnt_hp_node_init();
	if (ret)
		unregister_memory_notifier(&pnt_hp_memory_nb);
	return ret;
}

void pnt_hotplug_exit(void)
{
	pnt_hp_node_exit();
	unregister_memory_notifier(&pnt_hp_memory_nb);
}

void pnt_hotplug_close(struct pnt_file *file)
{
	spin_lock(&pnt_hp_lock);
	if (pnt_hp_refuser == file) {
		pnt_hp_refuser = NULL;
		pnt_hp_refuse = 0;
	}
	spin_unlock(&pnt_hp_lock);
}

long pnt_ioctl_hotplug(struct pnt_file *file, void *arg)
{
	struct pnt_hotplug *req = arg;
	struct pnt_hotplug_event __user *user = u64_to_user_ptr(req->events);
	struct pnt_hotplug_event *copy;
	u64 first, i;
	int ret = 0;

	if (req->reserved || req->count || (!user && req->max))
		return -EINVAL;
	copy = kmalloc_array(PNT_MAX_HOTPLUG, sizeof(*copy), GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	spin_lock(&pnt_hp_lock);
	first = pnt_hp_head > PNT_MAX_HOTPLUG ? pnt_hp_head - PNT_MAX_HOTPLUG : 0;
	first = max(first, req->since);
	for (i = first; i < pnt_hp_head && req->count < req->max; i++)
		copy[req->count++] = pnt_hp_ring[i % PNT_MAX_HOTPLUG];
	req->next = pnt_hp_head;
	/* What another fd asked for stays, unless this one asks for something. */
	if (req->refuse || pnt_hp_refuser == file) {
		pnt_hp_refuser = file;
		pnt_hp_refuse = req->refuse;
	}
	spin_unlock(&pnt_hp_lock);
	if (copy_to_user(user, copy, req->count * sizeof(*copy)))
		ret = -EFAULT;
	kfree(copy);
	return ret;
}
