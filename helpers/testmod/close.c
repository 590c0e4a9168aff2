// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens to nodes when their descriptor goes away.
 *
 * Offlining retries for ever while pages stay in use, and only a signal ends
 * it. A descriptor is mostly closed by a dying task, whose signals are spent.
 * So: a range is tried only when it has a chance (no page in use, or the node
 * opened MIGRATION, or ordinary memory), in a kernel thread of its own, and
 * that thread gets the signal when the time is up. Creating threads fails in a
 * dying task as well, hence a work item. What is still there then becomes an
 * orphan: it keeps a reference to the module and is tried again at each open().
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/workqueue.h>

#include "pnt.h"

#define PNT_UNPLUG_BOUND	(5 * HZ)
/* Freed pages linger in per-CPU batches of the LRU for a moment. */
#define PNT_SETTLE_TRIES	20
#define PNT_SETTLE_MS		25

struct pnt_unplug_job {
	struct pnt_range *range;
	struct completion done;
	bool gone;
};

static int pnt_unplug_thread(void *data)
{
	struct pnt_unplug_job *job = data;
	struct pnt_range *range = job->range;

	allow_signal(SIGKILL);
	pnt_remove(range, range->nid, range->start, range->size, &job->gone);
	complete(&job->done);
	while (!kthread_should_stop()) {
		set_current_state(TASK_IDLE);
		if (!kthread_should_stop())
			schedule();
		__set_current_state(TASK_RUNNING);
	}
	return 0;
}

static bool pnt_may_unplug(struct pnt_range *range)
{
	int tries = PNT_SETTLE_TRIES;

	if (range->ordinary || node_private_flags(range->nid) & NP_OPS_MIGRATION)
		return true;
	while (pnt_node_used(range->nid)) {
		if (!tries--)
			return false;
		if (pnt_sym.lru_add_drain_all)
			pnt_sym.lru_add_drain_all();
		msleep(PNT_SETTLE_MS);
	}
	return true;
}

/* True: the range is gone, and so is *range. */
static bool pnt_unplug_bounded(struct pnt_range *range)
{
	struct pnt_unplug_job job = { .range = range };
	struct task_struct *task;

	if (!pnt_may_unplug(range))
		return false;
	init_completion(&job.done);
	task = kthread_run(pnt_unplug_thread, &job, PNT_NAME "/unplug");
	if (IS_ERR(task))
		return false;
	if (!wait_for_completion_timeout(&job.done, PNT_UNPLUG_BOUND)) {
		send_sig(SIGKILL, task, 1);
		wait_for_completion(&job.done);
	}
	kthread_stop(task);
	if (job.gone)
		pnt_range_forget(range);
	return job.gone;
}

/* Ends a registration, or makes it an orphan when memory holds it. */
static void pnt_obj_retire(struct pnt_obj *obj)
{
	bool registered;

	mutex_lock(&pnt_lock);
	pnt_obj_sync(obj);
	registered = obj->registered;
	mutex_unlock(&pnt_lock);
	if (!registered)
		return;
	node_private_unregister(obj->nid);
	mutex_lock(&pnt_lock);
	pnt_obj_sync(obj);
	if (obj->registered && obj->owner) {
		obj->owner = NULL;
		__module_get(THIS_MODULE);
	}
	mutex_unlock(&pnt_lock);
}

static void pnt_objs_close(struct pnt_file *file)
{
	struct pnt_obj *obj;
	unsigned long key;
	int i;

	/* The fd is gone, nobody else looks at these; the lock is for form. */
	mutex_lock(&pnt_plug_lock);
	for (i = 0; i < PNT_OBJECTS; i++)
		if (file->objs[i]) {
			pnt_obj_retire(file->objs[i]);
			pnt_obj_put(file->objs[i]);
		}
	xa_for_each(&file->plug_objs, key, obj) {
		pnt_obj_retire(obj);
		pnt_obj_put(obj);
	}
	mutex_unlock(&pnt_plug_lock);
}

/* Callbacks do nothing special any more, and hold nothing back. */
static void pnt_node_calm(int nid)
{
	struct pnt_node *node = pnt_node(nid);

	if (!node)
		return;
	pnt_program_reset(node);
	pnt_kept_release(node, 0);
}

static struct pnt_range *pnt_range_next(struct list_head *list)
{
	struct pnt_range *range;

	mutex_lock(&pnt_lock);
	list_for_each_entry(range, list, link)
		if (!range->busy) {
			range->busy = true;
			mutex_unlock(&pnt_lock);
			return range;
		}
	mutex_unlock(&pnt_lock);
	return NULL;
}

static void pnt_close_ranges(struct pnt_file *file)
{
	struct pnt_range *range;

	while ((range = pnt_range_next(&file->ranges))) {
		pnt_node_calm(range->nid);
		if (pnt_unplug_bounded(range))
			continue;
		pr_warn(PNT_NAME ": node %d: %llu MiB at %#llx stay plugged after close\n",
			range->nid, range->size >> 20, range->start);
		__module_get(THIS_MODULE);
		mutex_lock(&pnt_lock);
		list_move_tail(&range->link, &pnt_orphans);
		range->busy = false;
		mutex_unlock(&pnt_lock);
	}
}

struct pnt_close_work {
	struct work_struct work;
	struct pnt_file *file;
};

static void pnt_close_fn(struct work_struct *work)
{
	struct pnt_file *file = container_of(work, struct pnt_close_work, work)->file;

	pnt_close_ranges(file);
	mutex_lock(&pnt_plug_lock);
	pnt_cram_retire();
	mutex_unlock(&pnt_plug_lock);
	pnt_objs_close(file);
}

void pnt_close_nodes(struct pnt_file *file)
{
	struct pnt_close_work work = { .file = file };

	INIT_WORK_ONSTACK(&work.work, pnt_close_fn);
	queue_work(system_unbound_wq, &work.work);
	flush_work(&work.work);
	destroy_work_on_stack(&work.work);
}

static void pnt_orphan_objs(void)
{
	struct pnt_node *node;
	struct pnt_obj *obj;
	int nid;

	for (nid = 0; nid < MAX_NUMNODES; nid++) {
		node = pnt_node(nid);
		if (!node)
			continue;
		mutex_lock(&pnt_lock);
		obj = node->obj;
		if (obj && !obj->owner)
			kref_get(&obj->ref);
		else
			obj = NULL;
		mutex_unlock(&pnt_lock);
		if (!obj)
			continue;
		pnt_obj_retire(obj);
		pnt_obj_put(obj);
	}
}

/* At open(): the pages that were in the way may be gone by now. */
void pnt_retry_orphans(void)
{
	struct pnt_range *range;
	LIST_HEAD(later);

	mutex_lock(&pnt_plug_lock);
	while ((range = pnt_range_next(&pnt_orphans))) {
		pnt_node_calm(range->nid);
		if (pnt_unplug_bounded(range)) {
			module_put(THIS_MODULE);
			continue;
		}
		mutex_lock(&pnt_lock);
		list_move_tail(&range->link, &later);
		mutex_unlock(&pnt_lock);
	}
	mutex_lock(&pnt_lock);
	list_for_each_entry(range, &later, link)
		range->busy = false;
	list_splice(&later, &pnt_orphans);
	mutex_unlock(&pnt_lock);
	pnt_cram_retire();
	pnt_orphan_objs();
	mutex_unlock(&pnt_plug_lock);
}
