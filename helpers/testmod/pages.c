// SPDX-License-Identifier: GPL-2.0-only
/*
 * PAGES: what is mapped at a user address, by a walk of our own: no page is
 * faulted in, no reference taken, and huge entries are seen as such. It is the
 * second oracle beside /proc/<pid>/pagemap, hence independent of it.
 */
#include <linux/mm.h>
#include <linux/hugetlb.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "pnt.h"

/* Pages reported under one hold of the mmap lock. */
#define PNT_CHUNK	256

static u32 pnt_folio_flags(struct folio *folio, struct page *page)
{
	const struct {
		bool is;
		u32 bit;
	} flags[] = {
		{ folio_test_lru(folio),		PNT_PG_LRU },
		{ folio_test_active(folio),		PNT_PG_ACTIVE },
		{ folio_test_unevictable(folio),	PNT_PG_UNEVICTABLE },
		{ folio_test_mlocked(folio),		PNT_PG_MLOCKED },
		{ folio_test_referenced(folio),		PNT_PG_REFERENCED },
		{ folio_test_dirty(folio),		PNT_PG_DIRTY },
		{ folio_test_uptodate(folio),		PNT_PG_UPTODATE },
		{ folio_test_swapbacked(folio),		PNT_PG_SWAPBACKED },
		{ folio_test_swapcache(folio),		PNT_PG_SWAPCACHE },
		{ folio_test_locked(folio),		PNT_PG_LOCKED },
		{ folio_test_writeback(folio),		PNT_PG_WRITEBACK },
		{ folio_test_large(folio),		PNT_PG_LARGE },
		{ page == &folio->page,			PNT_PG_HEAD },
		{ folio_test_anon(folio),		PNT_PG_ANON },
		{ folio_test_ksm(folio),		PNT_PG_KSM },
		{ folio_test_reserved(folio),		PNT_PG_RESERVED },
		{ PageHWPoison(page),			PNT_PG_HWPOISON },
		{ folio_test_anon(folio) && !folio_test_hugetlb(folio) &&
		  PageAnonExclusive(page),		PNT_PG_ANON_EXCLUSIVE },
		{ folio_test_hugetlb(folio),		PNT_PG_HUGETLB },
		{ folio_is_private_node(folio),		PNT_PG_PRIVATE_NODE },
		{ folio_maybe_dma_pinned(folio),	PNT_PG_MAYBE_PINNED },
		{ folio_is_zone_device(folio),		PNT_PG_ZONE_DEVICE },
		{ page_is_private_node(page),		PNT_PG_PRIVATE_PAGE },
	};
	u32 mask = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(flags); i++)
		if (flags[i].is)
			mask |= flags[i].bit;
	return mask;
}

/* Under the page table lock, so the folio stays. */
static void pnt_fill_page(struct pnt_page *out, unsigned long pfn)
{
	struct folio *folio;
	struct page *page;

	out->pfn = pfn;
	if (is_zero_pfn(pfn))
		out->flags = PNT_PG_ZERO_PAGE;
	if (!pfn_valid(pfn)) {
		out->pte |= PNT_PTE_SPECIAL;
		return;
	}
	page = pfn_to_page(pfn);
	folio = page_folio(page);
	out->flags |= pnt_folio_flags(folio, page);
	out->nid = page_to_nid(page);
	out->order = folio_order(folio);
	out->refcount = folio_ref_count(folio);
	out->mapcount = folio_mapcount(folio);
	out->zone = page_zonenum(page);
}

static void pnt_walk_pte(struct mm_struct *mm, pmd_t *pmdp, unsigned long addr,
			 struct pnt_page *out)
{
	pmd_t pmd = pmdp_get_lockless(pmdp);
	spinlock_t *ptl;	/* of the page table */
	pte_t *ptep, pte;

	if (pmd_none(pmd) || !pmd_present(pmd) || pmd_leaf(pmd) || pmd_bad(pmd))
		return;		/* it changed meanwhile: nothing to be seen now */
	ptep = pte_offset_kernel(&pmd, addr);
	ptl = pte_lockptr(mm, &pmd);
	spin_lock(ptl);
	/* The table may have been taken away for a huge page; RCU keeps it. */
	if (!pmd_same(pmd, pmdp_get_lockless(pmdp)))
		goto unlock;
	out->level = PNT_LEVEL_PTE;
	out->pt_nid = page_to_nid(pmd_page(pmd));
	pte = ptep_get(ptep);
	if (pte_present(pte)) {
		out->pte = PNT_PTE_PRESENT | (pte_write(pte) ? PNT_PTE_WRITE : 0) |
			   (pte_dirty(pte) ? PNT_PTE_DIRTY : 0) |
			   (pte_young(pte) ? PNT_PTE_YOUNG : 0) |
			   (pte_protnone(pte) ? PNT_PTE_PROTNONE : 0) |
			   (pte_special(pte) ? PNT_PTE_SPECIAL : 0);
		pnt_fill_page(out, pte_pfn(pte));
	} else if (!pte_none(pte)) {
		out->pte = PNT_PTE_SWAP;
	}
unlock:
	spin_unlock(ptl);
}

/* True: the PMD says it all. */
static bool pnt_walk_pmd(struct mm_struct *mm, pmd_t *pmdp, unsigned long addr,
			 struct pnt_page *out)
{
	spinlock_t *ptl;	/* of the PMD table */
	pmd_t pmd = pmdp_get_lockless(pmdp);
	bool done = true;

	if (pmd_none(pmd))
		return true;
	if (pmd_present(pmd) && !pmd_leaf(pmd))
		return false;
	ptl = pmd_lock(mm, pmdp);
	pmd = pmdp_get(pmdp);
	if (pmd_none(pmd)) {
		;
	} else if (!pmd_present(pmd)) {
		out->level = PNT_LEVEL_PMD;
		out->pte = PNT_PTE_SWAP;
	} else if (pmd_leaf(pmd)) {
		out->level = PNT_LEVEL_PMD;
		out->pt_nid = page_to_nid(virt_to_page(pmdp));
		out->pte = PNT_PTE_PRESENT | (pmd_write(pmd) ? PNT_PTE_WRITE : 0) |
			   (pmd_dirty(pmd) ? PNT_PTE_DIRTY : 0) |
			   (pmd_young(pmd) ? PNT_PTE_YOUNG : 0) |
			   (pmd_protnone(pmd) ? PNT_PTE_PROTNONE : 0);
		pnt_fill_page(out, pmd_pfn(pmd) + ((addr & ~PMD_MASK) >> PAGE_SHIFT));
	} else {
		done = false;
	}
	spin_unlock(ptl);
	return done;
}

static void pnt_walk(struct mm_struct *mm, unsigned long addr, struct pnt_page *out)
{
	pgd_t *pgdp;
	p4d_t *p4dp;
	pud_t *pudp, pud;
	pmd_t *pmdp;

	*out = (struct pnt_page){ .nid = NUMA_NO_NODE, .pt_nid = NUMA_NO_NODE };
	if (addr >= TASK_SIZE_MAX)
		return;
	pgdp = pgd_offset(mm, addr);
	if (pgd_none(READ_ONCE(*pgdp)) || pgd_bad(READ_ONCE(*pgdp)))
		return;
	p4dp = p4d_offset(pgdp, addr);
	if (p4d_none(READ_ONCE(*p4dp)) || p4d_bad(READ_ONCE(*p4dp)))
		return;
	pudp = pud_offset(p4dp, addr);
	pud = READ_ONCE(*pudp);
	if (pud_none(pud))
		return;
	if (!pud_present(pud) || pud_leaf(pud)) {
		/* gigantic pages and device memory: only that they are there */
		out->level = PNT_LEVEL_PUD;
		out->pte = pud_present(pud) ? PNT_PTE_PRESENT | PNT_PTE_SPECIAL : PNT_PTE_SWAP;
		return;
	}
	pmdp = pmd_offset(pudp, addr);
	rcu_read_lock();
	if (!pnt_walk_pmd(mm, pmdp, addr, out))
		pnt_walk_pte(mm, pmdp, addr, out);
	rcu_read_unlock();
}

static struct mm_struct *pnt_mm(int nr)
{
	struct task_struct *task;
	struct mm_struct *mm;
	struct pid *pid;

	if (!nr)
		return get_task_mm(current);
	pid = find_get_pid(nr);
	task = get_pid_task(pid, PIDTYPE_PID);
	put_pid(pid);
	if (!task)
		return NULL;
	mm = get_task_mm(task);
	put_task_struct(task);
	return mm;
}

static int pnt_report_pages(struct mm_struct *mm, const struct pnt_pages *req,
			    struct pnt_page *chunk)
{
	struct pnt_page __user *user = u64_to_user_ptr(req->pages);
	u64 done, n, i;

	for (done = 0; done < req->npages; done += n) {
		if (fatal_signal_pending(current))
			return -EINTR;
		n = min_t(u64, req->npages - done, PNT_CHUNK);
		if (mmap_read_lock_killable(mm))
			return -EINTR;
		for (i = 0; i < n; i++)
			pnt_walk(mm, req->addr + (done + i) * PAGE_SIZE, &chunk[i]);
		mmap_read_unlock(mm);
		if (copy_to_user(user + done, chunk, n * sizeof(*chunk)))
			return -EFAULT;
		cond_resched();
	}
	return 0;
}

long pnt_ioctl_pages(struct pnt_file *file, void *arg)
{
	struct pnt_pages *req = arg;
	struct pnt_page *chunk;
	struct mm_struct *mm;
	int ret;

	if (req->reserved || req->pid < 0 || !PAGE_ALIGNED(req->addr) ||
	    req->npages > PNT_MAX_WALK_PAGES ||
	    req->addr + req->npages * PAGE_SIZE < req->addr)
		return -EINVAL;
	chunk = kmalloc_array(PNT_CHUNK, sizeof(*chunk), GFP_KERNEL);
	if (!chunk)
		return -ENOMEM;
	mm = pnt_mm(req->pid);
	ret = mm ? pnt_report_pages(mm, req, chunk) : -ESRCH;
	if (mm)
		mmput(mm);
	kfree(chunk);
	return ret;
}
