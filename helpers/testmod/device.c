// SPDX-License-Identifier: GPL-2.0-only
/*
 * DEVICE and mmap(): the device path onto a node, as a driver would do it. A
 * fault allocates a page of the node, whatever the task's policy says.
 *
 * The pages belong to the device, not to the page tables: what MADV_DONTNEED or
 * a partial munmap() unmaps comes back with its content, and a fork sees the
 * same pages. They go back with the last VMA. A private mapping reads the
 * device's page and writes to an ordinary anonymous copy.
 *
 * VM_MIXEDMAP as struct pages are mapped that are neither anonymous nor in a
 * page cache (fork copies the entries instead of leaving them to faults), and
 * VM_DONTEXPAND as there is nothing beyond the size. VMAs hold the file, so an
 * fd can be closed under its mappings.
 */
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched.h>

#include "pnt.h"

/* A full node is the toucher's trouble, which SIGBUS says: nothing to log. */
#define PNT_DEVICE_GFP	(GFP_HIGHUSER_MOVABLE | __GFP_PRIVATE | __GFP_THISNODE | \
			 __GFP_ZERO | __GFP_NOWARN)

void pnt_device_init(struct pnt_device_map *map)
{
	mutex_init(&map->lock);
	xa_init(&map->pages);
}

/* The last VMA is gone, so nobody faults any more. */
static void pnt_device_drop(struct pnt_file *file)
{
	struct pnt_device_map *map = &file->device;
	unsigned long index;
	struct page *page;

	xa_for_each(&map->pages, index, page) {
		xa_erase(&map->pages, index);
		put_page(page);
		pnt_count(file, device_pages, -1);
		cond_resched();
	}
}

static void pnt_vma_open(struct vm_area_struct *vma)
{
	struct pnt_file *file = vma->vm_private_data;

	mutex_lock(&file->device.lock);
	file->device.vmas++;
	mutex_unlock(&file->device.lock);
}

static void pnt_vma_close(struct vm_area_struct *vma)
{
	struct pnt_file *file = vma->vm_private_data;

	mutex_lock(&file->device.lock);
	if (!--file->device.vmas)
		pnt_device_drop(file);
	mutex_unlock(&file->device.lock);
}

static struct page *pnt_device_page(struct pnt_file *file, pgoff_t index)
{
	struct pnt_device_map *map = &file->device;
	struct page *page, *other;

	page = xa_load(&map->pages, index);
	if (page)
		return page;
	if (!node_online(map->nid))
		return NULL;
	page = alloc_pages_node(map->nid, PNT_DEVICE_GFP, 0);
	if (!page)
		return NULL;
	other = xa_cmpxchg(&map->pages, index, NULL, page, GFP_KERNEL);
	if (other) {
		put_page(page);
		return xa_is_err(other) ? ERR_PTR(xa_err(other)) : other;
	}
	pnt_count(file, device_pages, 1);
	return page;
}

static vm_fault_t pnt_vma_fault(struct vm_fault *vmf)
{
	struct pnt_file *file = vmf->vma->vm_private_data;
	struct page *page;

	if (vmf->pgoff >= file->device.size >> PAGE_SHIFT)
		return VM_FAULT_SIGBUS;
	page = pnt_device_page(file, vmf->pgoff);
	if (IS_ERR_OR_NULL(page))
		return VM_FAULT_SIGBUS;
	get_page(page);
	vmf->page = page;
	return 0;
}

static const struct vm_operations_struct pnt_vma_ops = {
	.open	= pnt_vma_open,
	.close	= pnt_vma_close,
	.fault	= pnt_vma_fault,
};

int pnt_device_mmap(struct file *filp, struct vm_area_struct *vma)
{
	struct pnt_file *file = filp->private_data;
	struct pnt_device_map *map = &file->device;
	u64 end;
	int ret = 0;

	mutex_lock(&map->lock);
	if (!map->present)
		ret = -ENODEV;
	else if (check_add_overflow((u64)vma->vm_pgoff, (u64)vma_pages(vma), &end) ||
		 end > map->size >> PAGE_SHIFT)
		ret = -EINVAL;
	else
		map->vmas++;
	mutex_unlock(&map->lock);
	if (ret)
		return ret;
	vm_flags_set(vma, VM_MIXEDMAP | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_private_data = file;
	vma->vm_ops = &pnt_vma_ops;
	return 0;
}

long pnt_ioctl_device(struct pnt_file *file, void *arg)
{
	struct pnt_device *req = arg;
	struct pnt_device_map *map = &file->device;
	int ret = 0;

	if (req->reserved || !req->size || !PAGE_ALIGNED(req->size) ||
	    req->size >> PAGE_SHIFT > PNT_MAX_DEVICE_PAGES || !pnt_nid_possible(req->nid))
		return -EINVAL;
	if (!node_online(req->nid))
		return -ENODEV;
	mutex_lock(&map->lock);
	if (map->present) {
		ret = -EBUSY;
	} else {
		map->nid = req->nid;
		map->size = req->size;
		map->present = true;
	}
	mutex_unlock(&map->lock);
	return ret;
}

void pnt_device_exit(struct pnt_file *file)
{
	pnt_device_drop(file);
	xa_destroy(&file->device.pages);
}
