// SPDX-License-Identifier: GPL-2.0-only
/* What the module knows of each node id; lives as long as the module. */
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "pnt.h"

static struct pnt_node *pnt_node_table[MAX_NUMNODES];
static DEFINE_MUTEX(pnt_node_mutex);

bool pnt_nid_possible(int nid)
{
	return nid >= 0 && nid < MAX_NUMNODES && node_possible(nid);
}

/* NULL when the node was never needed. Any context. */
struct pnt_node *pnt_node(int nid)
{
	if (nid < 0 || nid >= MAX_NUMNODES)
		return NULL;
	/* Pairs with pnt_node_get(): whoever sees a node sees it complete. */
	return smp_load_acquire(&pnt_node_table[nid]);
}

/* Makes it on first use. NULL: not a possible node, or no memory. */
struct pnt_node *pnt_node_get(int nid)
{
	struct pnt_node *node;

	if (!pnt_nid_possible(nid))
		return NULL;
	mutex_lock(&pnt_node_mutex);
	node = pnt_node(nid);
	if (!node) {
		node = kzalloc(sizeof(*node), GFP_KERNEL);
		if (!node)
			goto unlock;
		node->ring = vzalloc(array_size(PNT_MAX_EVENTS,
						sizeof(*node->ring)));
		if (!node->ring) {
			kfree(node);
			node = NULL;
			goto unlock;
		}
		node->nid = nid;
		spin_lock_init(&node->lock);
		mutex_init(&node->release_lock);
		/* Pairs with pnt_node(). */
		smp_store_release(&pnt_node_table[nid], node);
	}
unlock:
	mutex_unlock(&pnt_node_mutex);
	return node;
}

void pnt_nodes_free(void)
{
	struct pnt_node *node;
	int nid;

	for (nid = 0; nid < MAX_NUMNODES; nid++) {
		node = pnt_node_table[nid];
		if (!node)
			continue;
		vfree(node->kept);
		vfree(node->ring);
		kfree(node);
	}
}
