// SPDX-License-Identifier: GPL-2.0-only
/*
 * CRAM: the compressed RAM service of the kernel, as a driver uses it. The
 * flush callback is programmable and counted like those of the node's ops.
 */
#include <linux/highmem.h>

#include "pnt.h"

#ifdef HAVE_CRAM
#include <linux/cram.h>
#endif

#if defined(HAVE_CRAM) && defined(CONFIG_CRAM)

/* An owner that is not the one of any registration. */
static char pnt_stranger;

/* A call that may have no result in some kernels: 0 then. */
#define pnt_result(call)						\
	__builtin_choose_expr(__builtin_types_compatible_p(typeof(call), void), \
			      ((call), 0), (call))

static void pnt_zero(struct folio *folio)
{
	long i;

	for (i = 0; i < folio_nr_pages(folio); i++)
		clear_highpage(folio_page(folio, i));
}

/* Any context. As a good driver: the device has forgotten the contents. */
static int pnt_flush(struct folio *folio, void *data)
{
	struct pnt_node *node = data;
	struct pnt_step step = { .mode = PNT_MODE_REAL };
	struct pnt_event event = {
		.time = ktime_get_ns(),
		.callback = PNT_CB_FLUSH,
		.nid = folio_nid(folio),
		.pfn = folio_pfn(folio),
		.order = folio_order(folio),
		.mode = -1,
		.reason = -1,
		.count = 1,
		.pid = current->pid,
	};

	/* The put by which a kept folio is let go at last is not a second one. */
	if (READ_ONCE(node->releasing) == folio)
		return PNT_FLUSH_DONE;
	pnt_step(node, PNT_CB_FLUSH, &step);
	if (step.mode == PNT_MODE_KEEP && pnt_keep(node, folio))
		event.result = PNT_FLUSH_KEPT;
	else if (step.mode == PNT_MODE_RESULT)
		event.result = step.value;
	else
		pnt_zero(folio);
	pnt_record(node, &event, 1, folio_nr_pages(folio), event.result == PNT_FLUSH_FULL);
	return event.result;
}

static int pnt_cram_register(struct pnt_cram *req)
{
	struct pnt_node *node = pnt_node_get(req->nid);
	void *owner = NULL;
	int ret;

	if (!node && pnt_nid_possible(req->nid))
		return -ENOMEM;
	mutex_lock(&pnt_lock);
	if (req->owner == PNT_OWNER_STRANGER)
		owner = &pnt_stranger;
	else if (req->owner == PNT_OWNER_NODE && node && node->obj)
		owner = node->obj->np.owner;
	mutex_unlock(&pnt_lock);

	/* the callback by way of void *: its exact type is the kernel's business */
	ret = cram_register_private_node(req->nid, owner, req->flush ? (void *)pnt_flush : NULL,
					 node);
	if (!ret && node)
		node->cram = true;
	return ret;
}

static int pnt_cram_unregister(int nid)
{
	struct pnt_node *node = pnt_node(nid);
	int ret = pnt_result(cram_unregister_private_node(nid));

	if (!ret && node)
		node->cram = false;
	return ret;
}

long pnt_ioctl_cram(struct pnt_file *file, void *arg)
{
	struct pnt_cram *req = arg;
	int ret;

	if (req->op > PNT_CRAM_CLEAR || req->owner > PNT_OWNER_STRANGER || req->flush > 1 ||
	    req->reserved || (req->op != PNT_CRAM_REGISTER && (req->owner || req->flush)) ||
	    (req->op != PNT_CRAM_PRESSURE && req->pressure))
		return -EINVAL;
	if (mutex_lock_interruptible(&pnt_plug_lock))
		return -EINTR;
	switch (req->op) {
	case PNT_CRAM_REGISTER:
		ret = pnt_cram_register(req);
		break;
	case PNT_CRAM_UNREGISTER:
		ret = pnt_cram_unregister(req->nid);
		break;
	case PNT_CRAM_PRESSURE:
		ret = pnt_result(cram_set_pressure(req->nid, req->pressure));
		break;
	default:
		ret = pnt_result(cram_clear_pressure(req->nid));
		break;
	}
	mutex_unlock(&pnt_plug_lock);
	return ret;
}

/* Nodes whose memory is gone; the others keep the service that empties them. */
void pnt_cram_retire(void)
{
	struct pnt_node *node;
	int nid;

	lockdep_assert_held(&pnt_plug_lock);
	for (nid = 0; nid < MAX_NUMNODES; nid++) {
		node = pnt_node(nid);
		if (node && node->cram && !READ_ONCE(node->ranges))
			pnt_cram_unregister(nid);
	}
}

bool pnt_has_cram(void)
{
	return true;
}

#else

long pnt_ioctl_cram(struct pnt_file *file, void *arg)
{
	return -EOPNOTSUPP;
}

void pnt_cram_retire(void)
{
}

bool pnt_has_cram(void)
{
	return false;
}

#endif
