// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory tiers: the abstract distance of a node that is plugged, and what a
 * driver owes the kernel when the memory goes.
 *
 * The kernel gives a node a memory type when its first ordinary memory comes
 * online, and keeps it for the next time unless whoever removed the memory
 * clears it. Without that, a second plug would be in the tier of the first.
 */
#include <linux/memory.h>
#include <linux/memory-tiers.h>
#include <linux/notifier.h>

#include "pnt.h"

/* Answers for the nodes that were plugged with an abstract distance only. */
static int pnt_adistance(struct notifier_block *nb, unsigned long nid, void *data)
{
	struct pnt_node *node = pnt_node(nid);
	int distance = node ? READ_ONCE(node->adistance) : 0;

	if (!distance)
		return NOTIFY_OK;
	*(int *)data = distance;
	return NOTIFY_STOP;
}

static struct notifier_block pnt_adistance_nb = {
	.notifier_call	= pnt_adistance,
	.priority	= 1000,		/* before HMAT */
};

/* The hotplug lock is held: one event at a time. */
static int pnt_memory_event(struct notifier_block *nb, unsigned long action, void *data)
{
	const struct memory_notify *event = data;
	struct pnt_node *node = pnt_node(event->status_change_nid);

	if (!node)
		return NOTIFY_OK;
	if (action == MEM_ONLINE) {
		node->tiered = node_state(node->nid, N_MEMORY);
	} else if (action == MEM_OFFLINE && node->tiered) {
		node->tiered = false;
		clear_node_memory_type(node->nid, NULL);
	}
	return NOTIFY_OK;
}

static struct notifier_block pnt_memory_nb = {
	.notifier_call	= pnt_memory_event,
	.priority	= -1,		/* after the tiers have let go of the node */
};

int pnt_tier_init(void)
{
	int ret = register_mt_adistance_algorithm(&pnt_adistance_nb);

	if (ret)
		return ret;
	ret = register_memory_notifier(&pnt_memory_nb);
	if (ret)
		unregister_mt_adistance_algorithm(&pnt_adistance_nb);
	return ret;
}

void pnt_tier_exit(void)
{
	unregister_memory_notifier(&pnt_memory_nb);
	unregister_mt_adistance_algorithm(&pnt_adistance_nb);
}
