/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one ABI between the test module (/dev/pnode_test) and user space.
 *
 * abi.py feeds this file to cffi after dropping the preprocessor lines, so
 * it has nothing but enums and structs of fixed-width integers: constants are
 * enumerators, pointers are __u64, padding is explicit. Every reserved field
 * and every undefined flag bit has to be zero (EINVAL). Fields marked "out"
 * are written by the module whenever the ioctl returns 0; HANDSHAKE, UNPLUG
 * and ALLOC write theirs together with an error as well.
 *
 * Errors common to all: ENOTTY unknown request or other struct size, EFAULT,
 * EINVAL bad argument. Requests that hand a call's own result on say "raw".
 */
#ifndef PNODE_TEST_H
#define PNODE_TEST_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Bumped with every change of this file that old clients would not survive. */
enum pnt_abi {
	PNT_ABI			= 4,
	PNT_IOC_MAGIC		= 0x50,		/* 'P' */
};

/* Bounds, in the unit of the field they bound. */
enum pnt_limits {
	PNT_NODEMASK_WORDS	= 16,		/* 1024 node ids */
	PNT_HISTOGRAM		= 64,		/* node ids counted one by one */
	PNT_ZONES		= 8,
	PNT_NAME_LEN		= 64,
	PNT_ZONE_NAME_LEN	= 16,
	PNT_OBJECTS		= 4,		/* raw struct node_private per fd */
	PNT_MAX_IDS		= 1024,		/* allocations, pins, holds of one fd */
	PNT_MAX_ALLOC_COUNT	= 1 << 18,	/* objects in one ALLOC */
	PNT_MAX_THREADS		= 64,		/* KSTACK in one ALLOC */
	PNT_MAX_ALLOC_PAGES	= 1 << 18,	/* base pages in one ALLOC */
	PNT_MAX_RESERVE_PAGES	= 1 << 12,	/* ... when it may dip into reserves */
	PNT_MAX_WALK_PAGES	= 1 << 18,	/* PAGES, PIN */
	PNT_MAX_HOLD_PAGES	= 64,
	PNT_MAX_EVENTS		= 8192,		/* ring of a node */
	PNT_MAX_KEPT		= 1 << 16,	/* folios kept by free_folio, per node */
	PNT_MAX_DELAY_MS	= 60000,	/* PROGRAM, mode DELAY */
	PNT_MAX_DEVICE_PAGES	= 1 << 24,
	PNT_MAX_PLUG_BLOCKS	= 1024,		/* memory blocks in one PLUG */
	PNT_MAX_HOTPLUG		= 1024,		/* ring of HOTPLUG */
	PNT_MAX_ARMED		= 1 << 14,	/* bytes that ARMED may write */
};

/* Request numbers; the macros at the end add direction and size. */
enum pnt_nr {
	PNT_NR_HANDSHAKE	= 0,
	PNT_NR_PLUG		= 1,
	PNT_NR_UNPLUG		= 2,
	PNT_NR_REGISTER		= 3,
	PNT_NR_UNREGISTER	= 4,
	PNT_NR_SET_OPS		= 5,
	PNT_NR_CLEAR_OPS	= 6,
	PNT_NR_ALLOC		= 7,
	PNT_NR_FREE		= 8,
	PNT_NR_ZONELIST		= 9,
	PNT_NR_NODE_STATE	= 10,
	PNT_NR_PAGES		= 11,
	PNT_NR_EVENTS		= 12,
	PNT_NR_COUNTERS		= 13,
	PNT_NR_PROGRAM		= 14,
	PNT_NR_KEPT		= 15,
	PNT_NR_PIN		= 16,
	PNT_NR_UNPIN		= 17,
	PNT_NR_NOTIFIER		= 18,
	PNT_NR_DEVICE		= 19,
	PNT_NR_TOTALS		= 20,
	PNT_NR_BLOCK		= 21,
	PNT_NR_HOTPLUG		= 22,
	PNT_NR_CRAM		= 23,
	PNT_NR_KSWAPD		= 24,
	PNT_NR_SCAN		= 25,
	PNT_NR_ARMED		= 26,
	PNT_NR_EXPORTED		= 27,
	PNT_NR_HOLD		= 28,
	PNT_NR_UNHOLD		= 29,
	PNT_NR_COUNT		= 30,
};

/* HANDSHAKE ------------------------------------------------------------- */

enum pnt_dialect {
	PNT_DIALECT_V4		= 4,
};

/* Index into pnt_handshake.gfp: the values differ from kernel to kernel. */
enum pnt_gfp {
	PNT_GFP_PRIVATE			= 0,	/* the bit __GFP_PRIVATE alone */
	PNT_GFP_THISNODE		= 1,
	PNT_GFP_MOVABLE			= 2,
	PNT_GFP_HIGHUSER_MOVABLE	= 3,
	PNT_GFP_KERNEL			= 4,
	PNT_GFP_ATOMIC			= 5,
	PNT_GFP_NOWAIT			= 6,
	PNT_GFP_ZERO			= 7,
	PNT_GFP_NOWARN			= 8,
	PNT_GFP_NORETRY			= 9,
	PNT_GFP_HARDWALL		= 10,
	PNT_GFP_MEMALLOC		= 11,
	PNT_GFP_NOMEMALLOC		= 12,
	PNT_GFP_COMP			= 13,
	PNT_GFP_ACCOUNT			= 14,
	PNT_GFP_HIGH			= 15,
	PNT_GFP_RETRY_MAYFAIL		= 16,
	PNT_GFP_DIRECT_RECLAIM		= 17,
	PNT_GFP_KSWAPD_RECLAIM		= 18,
	PNT_GFP_RECLAIMABLE		= 19,
	PNT_GFP_COUNT			= 20,
};

/* Bits of pnt_handshake.features: what this kernel let the module reach. */
enum pnt_feature {
	PNT_FEAT_EXACT_NID	= 1 << 0,	/* alloc_pages_exact_nid() */
	PNT_FEAT_CONTIG_PAGES	= 1 << 1,	/* alloc_contig_pages() */
	PNT_FEAT_CONTIG_RANGE	= 1 << 2,	/* alloc_contig_range() */
	PNT_FEAT_VMALLOC_GFP	= 1 << 3,	/* __vmalloc_node(): gfp honoured */
	PNT_FEAT_LRU_DRAIN	= 1 << 4,	/* lru_add_drain_all() */
	PNT_FEAT_ORDINARY_ONLINE = 1 << 5,	/* PLUG ordinary can online blocks */
	PNT_FEAT_PROMOTE	= 1 << 6,	/* folio_isolate_lru(): handle_fault */
	PNT_FEAT_NOTIFIER	= 1 << 7,	/* CONFIG_MMU_NOTIFIER */
	PNT_FEAT_PGDAT_PRIVATE	= 1 << 8,	/* pgdat->private can be read */
	PNT_FEAT_REFRESH_DEMOTION = 1 << 9,	/* memory_tier_refresh_demotion() */
	PNT_FEAT_ADISTANCE	= 1 << 10,	/* register_mt_adistance_algorithm() */
	PNT_FEAT_CRAM		= 1 << 11,	/* CONFIG_CRAM, linux/cram.h */
	PNT_FEAT_KSWAPD		= 1 << 12,	/* kswapd_run(), kswapd_stop(), wakeup_kswapd() */
	PNT_FEAT_BREAK		= 1 << 13,	/* CONFIG_NODE_PRIVATE_BREAK */
};

/* EPROTO when abi is not the module's; the struct is written back anyway. */
struct pnt_handshake {
	__u32 abi;			/* in: PNT_ABI; out: the module's */
	__u32 reserved;
	__u32 dialect;			/* out, enum pnt_dialect; rest out too */
	__u32 page_size;
	__u32 nr_node_ids;
	__u32 max_order;		/* largest order of ALLOC */
	__u32 event_size;		/* sizeof(struct pnt_event) and so on */
	__u32 page_report_size;
	__u32 zoneref_size;
	__u32 hotplug_event_size;
	__u32 struct_size[PNT_NR_COUNT];	/* by enum pnt_nr; an even number */
	__u64 gfp[PNT_GFP_COUNT];	/* by enum pnt_gfp; 0 = kernel has none */
	__u64 gfp_mask;			/* all gfp bits that exist */
	__u64 features;			/* enum pnt_feature */
	__u64 memory_block_size;	/* bytes */
};

/* PLUG, UNPLUG and the raw registration calls ------------------------------ */

/* Bit numbers of the callback masks, and the "callback" of events. */
enum pnt_callback {
	PNT_CB_FREE_FOLIO	= 0,
	PNT_CB_FOLIO_SPLIT	= 1,
	PNT_CB_MIGRATE_TO	= 2,
	PNT_CB_FOLIO_MIGRATE	= 3,
	PNT_CB_HANDLE_FAULT	= 4,
	PNT_CB_RECLAIM_POLICY	= 5,
	PNT_CB_MEMORY_FAILURE	= 6,
	PNT_CB_OPS_COUNT	= 7,	/* those above are of the ops */
	PNT_CB_FLUSH		= 7,	/* flush callback of CRAM */
	PNT_CB_COUNT		= 8,
	/* Events only: one folio of the list of the migrate_to that follows. */
	PNT_CB_MIGRATE_FOLIO	= 8,
};

enum pnt_kind {
	PNT_KIND_PRIVATE	= 0,
	PNT_KIND_ORDINARY	= 1,
};

/* The kernel's MMOP_* by their names, the module translates. */
enum pnt_online {
	PNT_ONLINE_OFFLINE	= 0,
	PNT_ONLINE_ONLINE	= 1,
	PNT_ONLINE_KERNEL	= 2,
	PNT_ONLINE_MOVABLE	= 3,
};

/*
 * Which struct node_private a call is about: 0..PNT_OBJECTS-1 are the fd's own,
 * NODE is the one the module has registered for the nid, else (and in PLUG) the
 * fd's own for that nid, NULL passes a null pointer. In SET_OPS and CLEAR_OPS
 * the value names an ops structure instead: the same numbers, but one of each
 * for every nid; CLEAR_OPS passes what that number has set last on the nid, or
 * empty ops that nobody has set. EXDEV: that object is in use for another nid.
 */
enum pnt_object {
	PNT_OBJECT_NULL		= -1,
	PNT_OBJECT_NODE		= -2,
};

enum pnt_plug_flags {
	PNT_PLUG_MEMMAP_ON_MEMORY = 1 << 0,
	PNT_PLUG_WITH_OPS	= 1 << 1,	/* set_ops() once the memory is there */
	/* Private memory only: MHP_NID_IS_MGID with a memory group ... */
	PNT_PLUG_BY_GROUP	= 1 << 2,	/* ... that the module makes for the nid */
	PNT_PLUG_NO_GROUP	= 1 << 3,	/* ... that does not exist */
};

/*
 * Raw errno of add_private_memory_driver_managed() or
 * add_memory_driver_managed(); with WITH_OPS that of node_private_set_ops(),
 * and the memory is removed again. Of the module itself: ERANGE when the range
 * is neither free soft-reserved or CXL memory nor overlaps RAM that is there
 * already (see range.c), EOPNOTSUPP when this kernel does not let a module
 * online ordinary blocks.
 */
struct pnt_plug {
	__s32 nid;
	__u32 kind;			/* enum pnt_kind */
	__u64 start;			/* bytes, physical */
	__u64 size;			/* bytes */
	__u32 online_type;		/* enum pnt_online */
	__u32 flags;			/* enum pnt_plug_flags */
	__u64 ops_flags;		/* NP_OPS_* mask, any bits */
	__u32 callbacks;		/* mask of 1 << enum pnt_callback */
	__s32 object;			/* enum pnt_object or an index */
	__s32 adistance;		/* abstract distance of the nid, 0 = leave */
	__u32 reserved;
	char name[PNT_NAME_LEN];	/* resource, "" = System RAM (pnode_test) */
};

/*
 * Raw errno. Only for a range that was plugged by this fd (ENOENT); part of a
 * range only when unaligned or empty, which the kernel refuses.
 */
struct pnt_unplug {
	__s32 nid;
	__u32 reserved;
	__u64 start;
	__u64 size;
	__u32 gone;			/* out: 1 = the sections do not exist any more */
	__u32 pad;			/* out: 0 */
};

/* REGISTER, UNREGISTER (object ignored), SET_OPS, CLEAR_OPS: raw errno. */
struct pnt_ops {
	__s32 nid;			/* any value */
	__s32 object;			/* enum pnt_object or an index */
	__u64 flags;			/* SET_OPS: NP_OPS_* mask, any bits; else 0 */
	__u32 callbacks;		/* SET_OPS: mask of 1 << enum pnt_callback; else 0 */
	__u32 reserved;
};

/* np->migration_blocked of the nid's registered object. ENODEV without one. */
struct pnt_block {
	__s32 nid;
	__u32 blocked;			/* 0 or 1 */
};

/* ALLOC, FREE --------------------------------------------------------------- */

enum pnt_entry {
	PNT_ALLOC_PAGES_NODE	= 0,	/* alloc_pages_node() */
	PNT_ALLOC_PAGES_NODEMASK = 1,	/* __alloc_pages() */
	PNT_FOLIO_ALLOC_NODE	= 2,	/* __folio_alloc() */
	PNT_FOLIO_ALLOC_TASK	= 3,	/* folio_alloc(), task policy; nid ignored */
	PNT_BULK		= 4,	/* alloc_pages_bulk() into an array */
	PNT_EXACT_NID		= 5,	/* alloc_pages_exact_nid(), size; no COMP */
	PNT_KMALLOC_NODE	= 6,	/* size */
	PNT_KMEM_CACHE_NODE	= 7,	/* a fresh cache of objects of size */
	PNT_KVMALLOC_NODE	= 8,	/* size */
	PNT_VMALLOC_NODE	= 9,	/* size */
	PNT_CONTIG_PAGES	= 10,	/* alloc_contig_pages(), count pages */
	PNT_CONTIG_RANGE	= 11,	/* alloc_contig_range(), count pages at start_pfn */
	PNT_PERCPU		= 12,	/* size; nid ignored */
	PNT_KSTACK		= 13,	/* stack of a kernel thread made for the nid */
	PNT_ENTRY_COUNT		= 14,
};

/* softirq and hardirq: page, folio, bulk and slab entries, no sleeping gfp. */
enum pnt_context {
	PNT_CTX_TASK		= 0,
	PNT_CTX_SOFTIRQ		= 1,
	PNT_CTX_HARDIRQ		= 2,
	PNT_CTX_MEMALLOC	= 3,	/* task with PF_MEMALLOC */
	PNT_CTX_COUNT		= 4,
};

/*
 * EINVAL also: gfp with NOFAIL, zone bits that exclude each other, mobility or
 * zone bits (MOVABLE, HIGHMEM, DMA...) or COMP for the entries that make kernel
 * objects (EXACT_NID to VMALLOC_NODE, PERCPU, KSTACK), COMP for CONTIG_*. ENODEV: those entries for
 * a node that is not online. EOPNOTSUPP: not reachable on this kernel, see the
 * features. ENOSPC: PNT_MAX_IDS allocations of this fd.
 */
enum pnt_alloc_flags {
	PNT_ALLOC_USE_NODEMASK	= 1 << 0,	/* NODEMASK, FOLIO_NODE, BULK, CONTIG_PAGES */
};

/*
 * Allocates count objects one after another and stops at the first that the
 * kernel refuses: that is no error but allocated < count. id is 0 when nothing
 * was allocated. error is the errno of an entry that has one, or ENOMEM when the
 * module itself stopped to leave 1/16 of the ordinary memory to the machine,
 * else 0. A unit is what nids[] and pfns[] have one element for: a page
 * block of the given order, a slab object, else each base page of the object.
 */
struct pnt_alloc {
	__u32 entry;			/* enum pnt_entry */
	__s32 nid;			/* a possible node, or -1 = none */
	__u32 order;			/* page and folio entries */
	__u32 context;			/* enum pnt_context */
	__u64 count;
	__u64 gfp;			/* NOWARN is added; NOFAIL is EINVAL */
	__u64 size;			/* bytes, entries that say so */
	__u64 start_pfn;		/* CONTIG_RANGE */
	__u64 nodemask[PNT_NODEMASK_WORDS];
	__u32 flags;			/* enum pnt_alloc_flags */
	__u32 reserved;
	__u64 nids;			/* __s32 *, may be 0 */
	__u64 pfns;			/* __u64 *, may be 0 */
	__u64 units_len;		/* elements of both */
	__u64 id;			/* out */
	__u64 allocated;		/* out: objects */
	__u64 units;			/* out: units, also when beyond units_len */
	__u64 pages;			/* out: base pages (slab: objects) */
	__u64 on_node[PNT_HISTOGRAM];	/* out: of pages, by nid */
	__u64 on_other;			/* out: on node ids beyond the histogram */
	__s32 error;			/* out: see above */
	__u32 pad;			/* out: 0 */
};

enum pnt_free_how {
	PNT_FREE_AUTO		= 0,	/* put for folios, else the entry's own way */
	PNT_FREE_PUT		= 1,	/* folio_put() one by one; compound or order 0 */
	PNT_FREE_BATCH		= 2,	/* release_pages() */
	PNT_FREE_RAW		= 3,	/* __free_pages() */
};

/* ENOENT: no such id. EINVAL: the allocation cannot be freed that way. */
struct pnt_free {
	__u64 id;			/* 0 = all of this fd, AUTO only */
	__u32 how;			/* enum pnt_free_how */
	__u32 reserved;
	__u64 freed;			/* out: objects */
};

/* ZONELIST, NODE_STATE -------------------------------------------------------- */

enum pnt_zonelist_which {
	PNT_FALLBACK		= 0,
	PNT_NOFALLBACK		= 1,
};

struct pnt_zoneref {
	__s32 nid;
	__u32 zone;			/* index of the zone in its node */
};

/* EINVAL: the nid is not a possible node. */
struct pnt_zonelist {
	__s32 nid;
	__u32 which;			/* enum pnt_zonelist_which */
	__u64 entries;			/* struct pnt_zoneref * */
	__u32 len;			/* elements */
	__u32 count;			/* out: elements there are, also beyond len */
};

/* Node states by our own numbers, bit numbers of pnt_node_state.states. */
enum pnt_node_states {
	PNT_N_POSSIBLE		= 0,
	PNT_N_ONLINE		= 1,
	PNT_N_NORMAL_MEMORY	= 2,
	PNT_N_HIGH_MEMORY	= 3,
	PNT_N_MEMORY		= 4,
	PNT_N_CPU		= 5,
	PNT_N_GENERIC_INITIATOR	= 6,
	PNT_N_MEMORY_PRIVATE	= 7,
};

struct pnt_zone {
	char name[PNT_ZONE_NAME_LEN];	/* "" = no such zone */
	__u32 index;
	__u32 pad;
	__u64 start_pfn;
	__u64 spanned;			/* pages, as the rest */
	__u64 present;
	__u64 managed;
	__u64 free;			/* buddy, exact at the time of reading */
	__u64 pcp;			/* per-CPU lists, to be added to free */
};

enum pnt_node_flags {
	PNT_NODE_PRIVATE	= 1 << 0,	/* pgdat->private */
	PNT_NODE_REGISTERED	= 1 << 1,	/* by this module, any fd */
	PNT_NODE_HAS_OPS	= 1 << 2,	/* as the module's last set_ops left it */
	PNT_NODE_KSWAPD		= 1 << 3,
	PNT_NODE_KCOMPACTD	= 1 << 4,
	PNT_NODE_BUSY		= 1 << 5,	/* an unplug is running */
	PNT_NODE_BLOCKED	= 1 << 6,	/* np->migration_blocked */
};

/* EINVAL: the nid is not a possible node. */
struct pnt_node_state {
	__s32 nid;
	__u32 reserved;
	__u32 states;			/* out: mask of 1 << enum pnt_node_states */
	__u32 flags;			/* out: enum pnt_node_flags */
	__u64 ops_flags;		/* out: node_private_flags() */
	__u64 has_flags;		/* out: mask of node_private_has_flag(), bit by bit */
	__u32 ranges;			/* out: ranges plugged by the module */
	__u32 nr_zones;			/* out */
	struct pnt_zone zones[PNT_ZONES];
};

/* PAGES ------------------------------------------------------------------------- */

enum pnt_level {
	PNT_LEVEL_NONE		= 0,	/* no page table reaches this far */
	PNT_LEVEL_PTE		= 1,
	PNT_LEVEL_PMD		= 2,
	PNT_LEVEL_PUD		= 3,
};

enum pnt_pte_flags {
	PNT_PTE_PRESENT		= 1 << 0,
	PNT_PTE_WRITE		= 1 << 1,
	PNT_PTE_DIRTY		= 1 << 2,
	PNT_PTE_YOUNG		= 1 << 3,
	PNT_PTE_PROTNONE	= 1 << 4,	/* present for the kernel, not the CPU */
	PNT_PTE_SWAP		= 1 << 5,	/* swap, migration or marker entry */
	PNT_PTE_SPECIAL		= 1 << 6,	/* no struct page behind it, or not to be used */
};

/* Page flags by our own numbers; of the folio unless said otherwise. */
enum pnt_page_flags {
	PNT_PG_LRU		= 1 << 0,
	PNT_PG_ACTIVE		= 1 << 1,
	PNT_PG_UNEVICTABLE	= 1 << 2,
	PNT_PG_MLOCKED		= 1 << 3,
	PNT_PG_REFERENCED	= 1 << 4,
	PNT_PG_DIRTY		= 1 << 5,
	PNT_PG_UPTODATE		= 1 << 6,
	PNT_PG_SWAPBACKED	= 1 << 7,
	PNT_PG_SWAPCACHE	= 1 << 8,
	PNT_PG_LOCKED		= 1 << 9,
	PNT_PG_WRITEBACK	= 1 << 10,
	PNT_PG_LARGE		= 1 << 11,
	PNT_PG_HEAD		= 1 << 12,	/* this page is the first of its folio */
	PNT_PG_ANON		= 1 << 13,
	PNT_PG_KSM		= 1 << 14,
	PNT_PG_RESERVED		= 1 << 15,
	PNT_PG_HWPOISON		= 1 << 16,	/* this page */
	PNT_PG_ANON_EXCLUSIVE	= 1 << 17,	/* this page */
	PNT_PG_HUGETLB		= 1 << 18,
	PNT_PG_ZERO_PAGE	= 1 << 19,
	PNT_PG_PRIVATE_NODE	= 1 << 20,	/* folio_is_private_node() */
	PNT_PG_MAYBE_PINNED	= 1 << 21,	/* folio_maybe_dma_pinned() */
	PNT_PG_ZONE_DEVICE	= 1 << 22,
	PNT_PG_PRIVATE_PAGE	= 1 << 23,	/* page_is_private_node() of this page */
};

struct pnt_page {
	__u64 pfn;			/* 0 when not present */
	__u32 flags;			/* enum pnt_page_flags */
	__u32 pte;			/* enum pnt_pte_flags */
	__s32 nid;			/* -1 when not present */
	__u32 order;			/* of the folio */
	__s32 refcount;			/* of the folio */
	__s32 mapcount;			/* of the folio */
	__u32 zone;			/* index in the node */
	__u32 level;			/* enum pnt_level */
	__s32 pt_nid;			/* node of the page-table page, -1 = none */
	__u32 pad;
};

/* ESRCH: no such process, or it has no memory. */
struct pnt_pages {
	__u64 addr;			/* page aligned */
	__u64 npages;
	__s32 pid;			/* 0 = caller */
	__u32 reserved;
	__u64 pages;			/* struct pnt_page * of npages elements */
};

/* EVENTS, COUNTERS, PROGRAM, KEPT ------------------------------------------------- */

/*
 * mode and reason: of migrate_to enum migrate_mode and enum migrate_reason, of
 * folio_migrate enum pnt_migrated and -1, of memory_failure the mf_flags and -1,
 * of handle_fault -1 and FAULT_FLAG_*, else both -1.
 */
struct pnt_event {
	__u64 seq;			/* from 0, per node */
	__u64 time;			/* ns, CLOCK_MONOTONIC */
	__u64 pfn;			/* folio, old, src, first of the list; else 0 */
	__u64 pfn2;			/* new, dst, poisoned pfn; else 0 */
	__u64 addr;			/* handle_fault: address; else 0 */
	__u32 callback;			/* enum pnt_callback */
	__s32 nid;			/* node of pfn; migrate_to, reclaim_policy: the argument */
	__u32 order;			/* of pfn's folio */
	__s32 mode;			/* see below */
	__s32 reason;			/* see below */
	__u32 count;			/* folios in the call */
	__s64 result;			/* what the callback returned; void: 0 */
	__s32 pid;			/* of the current task */
	__u32 level;			/* handle_fault: enum pnt_level */
};

/* How folio_migrate found the two folios. */
enum pnt_migrated {
	PNT_MIGRATED_SRC_LOCKED	= 1 << 0,
	PNT_MIGRATED_DST_LOCKED	= 1 << 1,
	PNT_MIGRATED_DST_MAPPED	= 1 << 2,	/* in some page table */
	PNT_MIGRATED_COPIED	= 1 << 3,	/* the same contents in both */
};

/* ENODEV: the module never had that node. Reading consumes. */
struct pnt_events {
	__s32 nid;
	__u32 max;			/* elements */
	__u64 events;			/* struct pnt_event * */
	__u32 count;			/* out: elements written */
	__u32 left;			/* out: still in the ring */
	__u64 lost;			/* out: overwritten unread since the last reset */
};

enum pnt_counters_flags {
	PNT_COUNTERS_RESET	= 1 << 0,	/* after reading; empties the ring too */
};

struct pnt_counters {
	__s32 nid;
	__u32 flags;			/* enum pnt_counters_flags */
	__u64 calls[PNT_CB_COUNT];	/* out; rest out too */
	__u64 folios[PNT_CB_COUNT];	/* folios handed over in those calls */
	__u64 pages[PNT_CB_COUNT];	/* ... in base pages */
	__u64 failed[PNT_CB_COUNT];	/* calls that returned an error or a remainder */
	__u64 kept;			/* folios kept by free_folio now */
	__u64 keep_failed;		/* keep was asked for, but there was no room */
	__u64 lost;			/* events */
};

enum pnt_mode {
	PNT_MODE_REAL		= 0,	/* what a good driver does */
	PNT_MODE_ERRNO		= 1,	/* migrate_to: -value; handle_fault: SIGBUS */
	PNT_MODE_PARTIAL	= 2,	/* migrate_to: the first value folios only */
	PNT_MODE_DELAY		= 3,	/* migrate_to, handle_fault: value ms, then REAL */
	PNT_MODE_KEEP		= 4,	/* free_folio: returns true; flush: KEPT */
	PNT_MODE_RETRY		= 5,	/* handle_fault: never makes progress */
	PNT_MODE_POLICY		= 6,	/* reclaim_policy: value is enum pnt_policy */
	PNT_MODE_RESULT		= 7,	/* flush: returns value, leaves the contents alone */
};

/* Low half sets, high half clears (what the kernel has to ignore). */
enum pnt_policy {
	PNT_POLICY_SWAP			= 1 << 0,
	PNT_POLICY_WRITEPAGE		= 1 << 1,
	PNT_POLICY_WATERMARKS		= 1 << 2,
	PNT_POLICY_ACTIVE		= 1 << 3,
	PNT_POLICY_NO_SWAP		= 1 << 16,
	PNT_POLICY_NO_WRITEPAGE		= 1 << 17,
	PNT_POLICY_NO_WATERMARKS	= 1 << 18,
};

/* EINVAL: that callback has no such mode, or a value out of its range. */
struct pnt_program {
	__s32 nid;
	__u32 callback;			/* enum pnt_callback */
	__u32 mode;			/* enum pnt_mode */
	__u32 times;			/* calls, then REAL again; 0 = until changed */
	__u64 value;
	__u64 reserved;
};

enum pnt_kept_op {
	PNT_KEPT_COUNT		= 0,
	PNT_KEPT_RELEASE	= 1,	/* by a put that free_folio or flush lets through */
};

struct pnt_kept {
	__s32 nid;
	__u32 op;			/* enum pnt_kept_op */
	__u64 max;			/* RELEASE: at most this many, 0 = all */
	__u64 pfns;			/* __u64 *, kept before the call, may be 0 */
	__u64 pfns_len;			/* elements */
	__u64 released;			/* out */
	__u64 kept;			/* out: kept after the call */
};

/* CRAM, KSWAPD, SCAN ----------------------------------------------------------------- */

enum pnt_cram_op {
	PNT_CRAM_REGISTER	= 0,	/* cram_register_private_node() */
	PNT_CRAM_UNREGISTER	= 1,
	PNT_CRAM_PRESSURE	= 2,	/* cram_set_pressure() */
	PNT_CRAM_CLEAR		= 3,	/* cram_clear_pressure() */
};

/* Whom REGISTER names as the owner. */
enum pnt_owner {
	PNT_OWNER_NODE		= 0,	/* that of the registered struct node_private */
	PNT_OWNER_NULL		= 1,
	PNT_OWNER_STRANGER	= 2,	/* one that has registered nothing else */
};

/* What the flush callback returns. */
enum pnt_flush {
	PNT_FLUSH_DONE		= 0,
	PNT_FLUSH_KEPT		= 1,
	PNT_FLUSH_FULL		= 2,
};

/*
 * Raw errno, where the call has one. EOPNOTSUPP without CONFIG_CRAM. A node whose
 * memory is gone when a descriptor is closed is unregistered.
 */
struct pnt_cram {
	__s32 nid;
	__u32 op;			/* enum pnt_cram_op */
	__u32 owner;			/* REGISTER: enum pnt_owner; else 0, as the rest */
	__u32 flush;			/* REGISTER: 1 = with a callback, see PROGRAM */
	__u32 pressure;			/* PRESSURE: any */
	__u32 reserved;
};

enum pnt_kswapd_op {
	PNT_KSWAPD_RUN		= 0,
	PNT_KSWAPD_STOP		= 1,
	PNT_KSWAPD_WAKE		= 2,	/* with a boost of the highest zone with memory */
};

enum pnt_boost {
	PNT_BOOST_LEAVE		= -1,	/* of the zone as it is */
};

/*
 * Of a private node only: ENODEV. EOPNOTSUPP: not to be reached in this kernel.
 * ENXIO: no memory to wake it for. EINVAL: more boost than there are pages.
 */
struct pnt_kswapd {
	__s32 nid;
	__u32 op;			/* enum pnt_kswapd_op */
	__s64 boost;			/* WAKE: zone->watermark_boost, pages; else 0 */
};

/* Of page and folio entries, else EINVAL. ENOENT: no such allocation. */
struct pnt_scan {
	__u64 id;			/* of ALLOC */
	__u64 word;			/* what to look for ... */
	__u64 mask;			/* ... in these bits of each aligned word */
	__u64 pages;			/* out: looked at */
	__u64 nonzero;			/* out: not all zero */
	__u64 matching;			/* out: with a word that matches */
};

/*
 * Which hooks of the kernel are broken on purpose: names separated by commas.
 * None in a kernel that has no such faults. ENOSPC: more than size bytes.
 */
struct pnt_armed {
	__u64 names;			/* __u8 *, gets length bytes and a zero */
	__u32 size;			/* of names, 1 to PNT_MAX_ARMED */
	__u32 length;			/* out */
};

/*
 * Whether the kernel exports a symbol to GPL modules only: then __symbol_get()
 * finds it, which knows no other symbols. EINVAL: no name.
 */
struct pnt_exported {
	char name[PNT_NAME_LEN];
	__u32 gpl_only;			/* out: 0 or 1 */
	__u32 pad;			/* out: 0 */
};

/* PIN, UNPIN, HOLD, UNHOLD, NOTIFIER, DEVICE, TOTALS ----------------------------- */

enum pnt_pin_flags {
	PNT_PIN_LONGTERM	= 1 << 0,	/* FOLL_LONGTERM */
	PNT_PIN_WRITE		= 1 << 1,	/* FOLL_WRITE */
	PNT_PIN_FAST		= 1 << 2,	/* pin_user_pages_fast() */
};

/* Raw errno of pin_user_pages(); part of the pages is a success. */
struct pnt_pin {
	__u64 addr;			/* page aligned, of the caller */
	__u64 npages;
	__u32 flags;			/* enum pnt_pin_flags */
	__u32 reserved;
	__u64 pfns;			/* __u64 *, may be 0 */
	__u64 nids;			/* __s32 *, may be 0 */
	__u64 id;			/* out */
	__u64 pinned;			/* out: pages */
};

/* ENOENT: no such id. */
struct pnt_unpin {
	__u64 id;			/* 0 = all of this fd */
	__u64 unpinned;			/* out: pages */
};

/* One of them. */
enum pnt_hold_flags {
	PNT_HOLD_LOCK		= 1 << 0,	/* folio_trylock() */
	PNT_HOLD_WRITEBACK	= 1 << 1,	/* folio_start_writeback() */
};

/*
 * Folios that the caller has mapped, all or none: who wants to move one waits
 * until it is let go of. EINVAL: not anonymous, or KSM or hugetlb; EBUSY:
 * locked or under writeback already; EFAULT: not all mapped; ENOSPC: too many
 * holds. Offlining their memory waits, too, and no signal ends that.
 */
struct pnt_hold {
	__u64 addr;			/* page aligned, of the caller */
	__u64 npages;
	__u32 flags;			/* enum pnt_hold_flags */
	__u32 reserved;
	__u64 id;			/* out */
	__u64 folios;			/* out: fewer than pages where they are large */
};

/*
 * ENOENT: no such id. Who waits for a folio and runs on another CPU may still
 * find the reference of the hold, and a move gives up on it.
 */
struct pnt_unhold {
	__u64 id;			/* 0 = all of this fd */
	__u64 folios;			/* out */
};

enum pnt_notifier_op {
	PNT_NOTIFIER_START	= 0,	/* on the caller's mm; EBUSY: runs already */
	PNT_NOTIFIER_STOP	= 1,	/* reads a last time; ENOENT: none */
	PNT_NOTIFIER_READ	= 2,
};

/* enum mmu_notifier_event by our own numbers. */
enum pnt_notify {
	PNT_NOTIFY_UNMAP		= 0,
	PNT_NOTIFY_CLEAR		= 1,
	PNT_NOTIFY_PROTECTION_VMA	= 2,
	PNT_NOTIFY_PROTECTION_PAGE	= 3,
	PNT_NOTIFY_SOFT_DIRTY		= 4,
	PNT_NOTIFY_RELEASE		= 5,
	PNT_NOTIFY_MIGRATE		= 6,
	PNT_NOTIFY_EXCLUSIVE		= 7,
	PNT_NOTIFY_OTHER		= 8,
	PNT_NOTIFY_COUNT		= 9,
};

/* EOPNOTSUPP without CONFIG_MMU_NOTIFIER. */
struct pnt_notifier {
	__u32 op;			/* enum pnt_notifier_op */
	__u32 reserved;
	__u64 start;			/* START: window, bytes; 0 and 0 = everything */
	__u64 size;
	__u64 events[PNT_NOTIFY_COUNT];		/* out: range starts, all addresses */
	__u64 overlaps[PNT_NOTIFY_COUNT];	/* out: ... that overlap the window */
	__u64 ends;			/* out: range ends that overlap */
	__u64 released;			/* out: 1 = the mm is gone */
	__u64 last_start;		/* out: time of the last overlap's start, ns as in events */
	__u64 last_end;			/* out: ... and of its end */
};

/*
 * Makes the fd a device of size bytes: mmap() of it gives pages by
 * alloc_pages_node(nid, GFP_PRIVATE | GFP_HIGHUSER_MOVABLE | __GFP_ZERO), on
 * fault, SIGBUS when there are none. They are kept until the last mapping is
 * gone. EBUSY: is one already; ENODEV: node not online. mmap(): ENODEV on an
 * fd that is no device, EINVAL beyond its size.
 */
struct pnt_device {
	__s32 nid;
	__u32 reserved;
	__u64 size;			/* bytes, whole pages */
};

/* What a notifier of memory hotplug was told; LAST and FIRST by the node's, if there is one. */
enum pnt_hotplug_action {
	PNT_HP_GOING_ONLINE	= 0,
	PNT_HP_CANCEL_ONLINE	= 1,
	PNT_HP_ONLINE		= 2,
	PNT_HP_GOING_OFFLINE	= 3,
	PNT_HP_CANCEL_OFFLINE	= 4,
	PNT_HP_OFFLINE		= 5,
	PNT_HP_FIRST_MEMORY	= 6,
	PNT_HP_LAST_MEMORY	= 7,
};

struct pnt_hotplug_event {
	__u64 seq;			/* from 0, since the module is there */
	__u32 action;			/* enum pnt_hotplug_action */
	__s32 nid;			/* node whose state changes by it, else -1 */
	__u64 start_pfn;		/* FIRST_MEMORY, LAST_MEMORY: 0, as nr_pages */
	__u64 nr_pages;
};

/*
 * Of all memory of the machine, from a sequence number on; takes nothing out.
 * One of the next memory blocks that go online can be refused, with ENOMEM, as
 * by a driver that has no room for it: the last request tells which.
 */
struct pnt_hotplug {
	__u64 since;
	__u64 next;			/* out: seq of the event to come */
	__u64 events;			/* struct pnt_hotplug_event * */
	__u32 max;			/* elements */
	__u32 count;			/* out: elements written */
	__u32 refuse;			/* 1 = the next; 0, or the fd closed: none */
	__u32 reserved;
};

/* What is held now, by the fd and in the whole module. */
struct pnt_held {
	__u64 allocations;
	__u64 alloc_pages;
	__u64 pins;			/* pages */
	__u64 holds;			/* folios */
	__u64 notifiers;
	__u64 device_pages;
	__u64 ranges;			/* plugged, orphans included */
	__u64 registered;		/* struct node_private registered */
	__u64 kept;			/* folios; of the nodes this fd has registered */
};

struct pnt_totals {
	__u64 reserved;
	struct pnt_held mine;		/* out; rest out too */
	struct pnt_held all;
	__u64 orphans;			/* ranges nobody owns any more, see main.c */
	__u64 files;			/* open descriptions */
	__u64 stray;			/* callbacks for a node that is not ours: must be 0 */
};

#define PNT_HANDSHAKE	_IOWR(PNT_IOC_MAGIC, PNT_NR_HANDSHAKE, struct pnt_handshake)
#define PNT_PLUG	_IOW(PNT_IOC_MAGIC, PNT_NR_PLUG, struct pnt_plug)
#define PNT_UNPLUG	_IOWR(PNT_IOC_MAGIC, PNT_NR_UNPLUG, struct pnt_unplug)
#define PNT_REGISTER	_IOW(PNT_IOC_MAGIC, PNT_NR_REGISTER, struct pnt_ops)
#define PNT_UNREGISTER	_IOW(PNT_IOC_MAGIC, PNT_NR_UNREGISTER, struct pnt_ops)
#define PNT_SET_OPS	_IOW(PNT_IOC_MAGIC, PNT_NR_SET_OPS, struct pnt_ops)
#define PNT_CLEAR_OPS	_IOW(PNT_IOC_MAGIC, PNT_NR_CLEAR_OPS, struct pnt_ops)
#define PNT_ALLOC	_IOWR(PNT_IOC_MAGIC, PNT_NR_ALLOC, struct pnt_alloc)
#define PNT_FREE	_IOWR(PNT_IOC_MAGIC, PNT_NR_FREE, struct pnt_free)
#define PNT_ZONELIST	_IOWR(PNT_IOC_MAGIC, PNT_NR_ZONELIST, struct pnt_zonelist)
#define PNT_NODE_STATE	_IOWR(PNT_IOC_MAGIC, PNT_NR_NODE_STATE, struct pnt_node_state)
#define PNT_PAGES	_IOW(PNT_IOC_MAGIC, PNT_NR_PAGES, struct pnt_pages)
#define PNT_EVENTS	_IOWR(PNT_IOC_MAGIC, PNT_NR_EVENTS, struct pnt_events)
#define PNT_COUNTERS	_IOWR(PNT_IOC_MAGIC, PNT_NR_COUNTERS, struct pnt_counters)
#define PNT_PROGRAM	_IOW(PNT_IOC_MAGIC, PNT_NR_PROGRAM, struct pnt_program)
#define PNT_KEPT	_IOWR(PNT_IOC_MAGIC, PNT_NR_KEPT, struct pnt_kept)
#define PNT_PIN		_IOWR(PNT_IOC_MAGIC, PNT_NR_PIN, struct pnt_pin)
#define PNT_UNPIN	_IOWR(PNT_IOC_MAGIC, PNT_NR_UNPIN, struct pnt_unpin)
#define PNT_NOTIFIER	_IOWR(PNT_IOC_MAGIC, PNT_NR_NOTIFIER, struct pnt_notifier)
#define PNT_DEVICE	_IOW(PNT_IOC_MAGIC, PNT_NR_DEVICE, struct pnt_device)
#define PNT_TOTALS	_IOWR(PNT_IOC_MAGIC, PNT_NR_TOTALS, struct pnt_totals)
#define PNT_BLOCK	_IOW(PNT_IOC_MAGIC, PNT_NR_BLOCK, struct pnt_block)
#define PNT_HOTPLUG	_IOWR(PNT_IOC_MAGIC, PNT_NR_HOTPLUG, struct pnt_hotplug)
#define PNT_CRAM	_IOW(PNT_IOC_MAGIC, PNT_NR_CRAM, struct pnt_cram)
#define PNT_KSWAPD	_IOW(PNT_IOC_MAGIC, PNT_NR_KSWAPD, struct pnt_kswapd)
#define PNT_SCAN	_IOWR(PNT_IOC_MAGIC, PNT_NR_SCAN, struct pnt_scan)
#define PNT_ARMED	_IOWR(PNT_IOC_MAGIC, PNT_NR_ARMED, struct pnt_armed)
#define PNT_EXPORTED	_IOWR(PNT_IOC_MAGIC, PNT_NR_EXPORTED, struct pnt_exported)
#define PNT_HOLD	_IOWR(PNT_IOC_MAGIC, PNT_NR_HOLD, struct pnt_hold)
#define PNT_UNHOLD	_IOWR(PNT_IOC_MAGIC, PNT_NR_UNHOLD, struct pnt_unhold)

#endif /* PNODE_TEST_H */
