// SPDX-License-Identifier: GPL-2.0-only
/* ALLOC through the entry points that make objects of the kernel itself. */
#include <linux/atomic.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>
#include <linux/sizes.h>
#include <linux/vmalloc.h>

#include "pnt.h"

/* The page behind an address of the kernel. */
static struct page *pnt_page_at(const void *addr)
{
	if (is_vmalloc_addr(addr))
		return vmalloc_to_page(addr);
	return virt_addr_valid(addr) ? virt_to_page(addr) : NULL;
}

/* Each base page of a range of addresses. */
static void pnt_units_range(const void *addr, u64 size, pnt_unit_fn fn, void *data)
{
	unsigned long at = (unsigned long)addr & PAGE_MASK;
	unsigned long end = (unsigned long)addr + size;

	for (; at < end; at += PAGE_SIZE)
		fn(data, pnt_page_at((void *)at), 1);
}

static void pnt_units_sized(struct pnt_alloc_set *set, void *obj, pnt_unit_fn fn, void *data)
{
	pnt_units_range(obj, set->size, fn, data);
}

/* A slab object is one unit, wherever it begins. */
static void pnt_units_slab(struct pnt_alloc_set *set, void *obj, pnt_unit_fn fn, void *data)
{
	fn(data, pnt_page_at(obj), 1);
}

static void *pnt_one_exact(struct pnt_alloc_set *set)
{
	return pnt_sym.exact_nid(set->nid, set->size, set->gfp);
}

static int pnt_prepare_exact(struct pnt_alloc_set *set)
{
	return pnt_sym.exact_nid ? 0 : -EOPNOTSUPP;
}

static u64 pnt_fill_exact(struct pnt_alloc_set *set, u64 n)
{
	return pnt_fill_each(set, n, pnt_one_exact);
}

static void pnt_free_exact(struct pnt_alloc_set *set, void *obj)
{
	free_pages_exact(obj, set->size);
}

static void *pnt_one_kmalloc(struct pnt_alloc_set *set)
{
	return kmalloc_node(set->size, set->gfp, set->nid);
}

static u64 pnt_fill_kmalloc(struct pnt_alloc_set *set, u64 n)
{
	return pnt_fill_each(set, n, pnt_one_kmalloc);
}

static void pnt_free_kmalloc(struct pnt_alloc_set *set, void *obj)
{
	kfree(obj);
}

/* A cache of its own, so that each object comes from a slab made for it. */
static int pnt_prepare_cache(struct pnt_alloc_set *set)
{
	static atomic_t serial;
	char *name = kasprintf(GFP_KERNEL, PNT_NAME "-%u", (u32)atomic_inc_return(&serial));

	if (!name)
		return -ENOMEM;
	set->cache = kmem_cache_create(name, set->size, 0, SLAB_NO_MERGE, NULL);
	kfree(name);
	return set->cache ? 0 : -ENOMEM;
}

static void pnt_finish_cache(struct pnt_alloc_set *set)
{
	kmem_cache_destroy(set->cache);
}

static void *pnt_one_cache(struct pnt_alloc_set *set)
{
	return kmem_cache_alloc_node(set->cache, set->gfp, set->nid);
}

static u64 pnt_fill_cache(struct pnt_alloc_set *set, u64 n)
{
	return pnt_fill_each(set, n, pnt_one_cache);
}

static void pnt_free_cache(struct pnt_alloc_set *set, void *obj)
{
	kmem_cache_free(set->cache, obj);
}

static void *pnt_one_kvmalloc(struct pnt_alloc_set *set)
{
	return kvmalloc_node(set->size, set->gfp, set->nid);
}

static u64 pnt_fill_kvmalloc(struct pnt_alloc_set *set, u64 n)
{
	return pnt_fill_each(set, n, pnt_one_kvmalloc);
}

static void pnt_free_kvmalloc(struct pnt_alloc_set *set, void *obj)
{
	kvfree(obj);
}

static void *pnt_one_vmalloc(struct pnt_alloc_set *set)
{
	if (pnt_sym.vmalloc_gfp)
		return pnt_sym.vmalloc_gfp(set->size, 1, set->gfp, set->nid, pnt_one_vmalloc);
	return vmalloc_node(set->size, set->nid);
}

/* Without the inner function the gfp cannot be passed on: say so. */
static int pnt_prepare_vmalloc(struct pnt_alloc_set *set)
{
	gfp_t gfp = set->gfp & ~__GFP_NOWARN;

	return pnt_sym.vmalloc_gfp || gfp == GFP_KERNEL ? 0 : -EOPNOTSUPP;
}

static u64 pnt_fill_vmalloc(struct pnt_alloc_set *set, u64 n)
{
	return pnt_fill_each(set, n, pnt_one_vmalloc);
}

static void pnt_free_vmalloc(struct pnt_alloc_set *set, void *obj)
{
	vfree(obj);
}

static void *pnt_one_percpu(struct pnt_alloc_set *set)
{
	return (__force void *)__alloc_percpu_gfp(set->size, sizeof(u64), set->gfp);
}

static u64 pnt_fill_percpu(struct pnt_alloc_set *set, u64 n)
{
	return pnt_fill_each(set, n, pnt_one_percpu);
}

static void pnt_free_percpu(struct pnt_alloc_set *set, void *obj)
{
	free_percpu((void __percpu __force *)obj);
}

static void pnt_units_percpu(struct pnt_alloc_set *set, void *obj, pnt_unit_fn fn, void *data)
{
	void __percpu *area = (void __percpu __force *)obj;
	int cpu;

	for_each_possible_cpu(cpu)
		pnt_units_range(per_cpu_ptr(area, cpu), set->size, fn, data);
}

/* Never runs: it is stopped before it was woken. */
static int pnt_thread(void *data)
{
	return 0;
}

static void *pnt_one_kstack(struct pnt_alloc_set *set)
{
	struct task_struct *task;

	task = kthread_create_on_node(pnt_thread, NULL, set->nid, PNT_NAME "/stack");
	if (!IS_ERR(task))
		return task;
	set->error = PTR_ERR(task);
	return NULL;
}

static u64 pnt_fill_kstack(struct pnt_alloc_set *set, u64 n)
{
	return pnt_fill_each(set, n, pnt_one_kstack);
}

static void pnt_free_kstack(struct pnt_alloc_set *set, void *obj)
{
	kthread_stop(obj);
}

static void pnt_units_kstack(struct pnt_alloc_set *set, void *obj, pnt_unit_fn fn, void *data)
{
	pnt_units_range(task_stack_page(obj), THREAD_SIZE, fn, data);
}

const struct pnt_entry_ops pnt_kernel_entries[PNT_ENTRY_COUNT] = {
	[PNT_EXACT_NID] = {
		.flags	  = PNT_E_OBJECT | PNT_E_SIZE | PNT_E_ATOMIC,
		.max_size = PAGE_SIZE << MAX_PAGE_ORDER,
		.prepare  = pnt_prepare_exact,
		.fill	  = pnt_fill_exact,
		.free	  = pnt_free_exact,
		.units	  = pnt_units_sized,
	},
	[PNT_KMALLOC_NODE] = {
		.flags	  = PNT_E_OBJECT | PNT_E_SIZE | PNT_E_ATOMIC,
		.max_size = KMALLOC_MAX_SIZE,
		.fill	  = pnt_fill_kmalloc,
		.free	  = pnt_free_kmalloc,
		.units	  = pnt_units_slab,
	},
	[PNT_KMEM_CACHE_NODE] = {
		.flags	  = PNT_E_OBJECT | PNT_E_SIZE | PNT_E_ATOMIC,
		.max_size = SZ_32K,
		.prepare  = pnt_prepare_cache,
		.finish	  = pnt_finish_cache,
		.fill	  = pnt_fill_cache,
		.free	  = pnt_free_cache,
		.units	  = pnt_units_slab,
	},
	[PNT_KVMALLOC_NODE] = {
		.flags	  = PNT_E_OBJECT | PNT_E_SIZE,
		.max_size = SZ_256M,
		.fill	  = pnt_fill_kvmalloc,
		.free	  = pnt_free_kvmalloc,
		.units	  = pnt_units_sized,
	},
	[PNT_VMALLOC_NODE] = {
		.flags	  = PNT_E_OBJECT | PNT_E_SIZE,
		.max_size = SZ_256M,
		.prepare  = pnt_prepare_vmalloc,
		.fill	  = pnt_fill_vmalloc,
		.free	  = pnt_free_vmalloc,
		.units	  = pnt_units_sized,
	},
	[PNT_PERCPU] = {
		.flags	  = PNT_E_OBJECT | PNT_E_SIZE,
		.max_size = PCPU_MIN_UNIT_SIZE,
		.fill	  = pnt_fill_percpu,
		.free	  = pnt_free_percpu,
		.units	  = pnt_units_percpu,
	},
	[PNT_KSTACK] = {
		.flags	  = PNT_E_OBJECT,
		.fill	  = pnt_fill_kstack,
		.free	  = pnt_free_kstack,
		.units	  = pnt_units_kstack,
	},
};
