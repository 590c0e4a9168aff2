/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of pnode_test.ko share. */
#ifndef PNT_H
#define PNT_H

#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/node_private.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>

#include "pnode_test.h"

#define PNT_NAME	"pnode_test"

/* Of one fd, and once more for the module; see struct pnt_held. */
struct pnt_count {
	atomic64_t allocations;
	atomic64_t alloc_pages;
	atomic64_t pins;
	atomic64_t holds;
	atomic64_t notifiers;
	atomic64_t device_pages;
};

/* Pages of a device mapping, by offset in pages; gone with the last VMA. */
struct pnt_device_map {
	struct mutex lock;	/* size, nid; counts of vmas */
	bool present;
	int nid;
	u64 size;
	unsigned long vmas;
	struct xarray pages;
};

struct pnt_notify_state;

struct pnt_file {
	struct list_head link;			/* pnt_files */
	struct mutex lock;			/* allocs, pins, holds, notify */
	struct xarray allocs;
	struct xarray pins;
	struct xarray holds;
	struct pnt_notify_state *notify;
	struct pnt_device_map device;
	struct pnt_count count;
	struct list_head ranges;		/* pnt_lock */
	struct pnt_obj *objs[PNT_OBJECTS];	/* pnt_plug_lock */
	struct xarray plug_objs;		/* pnt_plug_lock, by nid */
};

/*
 * A struct node_private. The kernel's registration holds a reference, so it
 * outlives the fd that brought it when the node cannot be given back.
 */
struct pnt_obj {
	struct node_private np;
	struct kref ref;
	struct pnt_file *owner;		/* NULL: orphan */
	int nid;			/* last registered for */
	bool registered;		/* pnt_lock; with a reference */
};

/* A range that was plugged, on the list of its fd or of the orphans. */
struct pnt_range {
	struct list_head link;		/* pnt_lock */
	int nid;
	u64 start;
	u64 size;
	bool ordinary;
	bool busy;			/* an unplug is running */
	bool grouped;			/* in a memory group of its own */
	int group;			/* its id */
	char *name;			/* the resource refers to it */
};

struct pnt_program_state {
	u32 mode;
	u32 times;			/* 0 = until changed */
	u64 value;
};

/* A step of a callback: what to do in this call. */
struct pnt_step {
	u32 mode;
	u64 value;
};

/*
 * All the module knows of a node id. Made on first use, kept until the module
 * goes: callbacks find it without a lock or a reference.
 */
struct pnt_node {
	int nid;
	int adistance;			/* 0 = leave */
	bool tiered;			/* has a memory type; hotplug lock */
	bool cram;			/* registered with CRAM; pnt_plug_lock */
	unsigned int ranges;		/* pnt_lock */
	struct pnt_obj *obj;		/* registered; pnt_lock, a reference */

	spinlock_t lock;		/* all below; taken in any context */
	struct pnt_event *ring;
	u64 head;			/* next to be written = its seq */
	u64 tail;			/* next to be read */
	u64 lost;
	u64 calls[PNT_CB_COUNT];
	u64 folios[PNT_CB_COUNT];
	u64 pages[PNT_CB_COUNT];
	u64 failed[PNT_CB_COUNT];
	struct pnt_program_state program[PNT_CB_COUNT];
	struct folio **kept;		/* room made by the first KEEP */
	u32 nr_kept;
	u64 keep_failed;

	struct mutex release_lock;	/* one release of kept folios at a time */
	struct folio *releasing;	/* free_folio and flush let this one through */
};

/* Entry points that are not exported; NULL when this kernel has them not. */
struct pnt_symbols {
	void *(*exact_nid)(int nid, size_t size, gfp_t gfp);
	struct page *(*contig_pages)(unsigned long nr, gfp_t gfp, int nid,
				     nodemask_t *mask);
	void *(*vmalloc_gfp)(unsigned long size, unsigned long align,
			     gfp_t gfp, int nid, const void *caller);
	void (*lru_add_drain_all)(void);
	bool (*folio_isolate_lru)(struct folio *folio);
	void (*putback_movable_pages)(struct list_head *list);
	void *walk_memory_blocks;
	void *device_online;
	void (*lock_device_hotplug)(void);
	void (*unlock_device_hotplug)(void);
	void *refresh_demotion;
	void *kswapd_run;
	void *kswapd_stop;
	void *wakeup_kswapd;
	ssize_t (*break_armed)(char *buf, size_t size);
};

/* main.c */
extern struct mutex pnt_lock;		/* tables; never held while waiting for the kernel */
extern struct list_head pnt_files;
extern struct pnt_count pnt_all;

void pnt_count_add(struct pnt_file *file, size_t member, s64 n);
/* Adds to a counter of the fd and of the module. */
#define pnt_count(file, member, n) \
	pnt_count_add(file, offsetof(struct pnt_count, member), n)

/* symbols.c */
extern struct pnt_symbols pnt_sym;
void pnt_symbols_init(void);
int pnt_tier_init(void);
void pnt_tier_exit(void);
void pnt_refresh_demotion(void);
u64 pnt_features(void);

/* node.c */
bool pnt_nid_possible(int nid);
struct pnt_node *pnt_node(int nid);
struct pnt_node *pnt_node_get(int nid);
void pnt_nodes_free(void);

/* objects.c */
extern struct mutex pnt_plug_lock;	/* plugging and registering, one at a time */
struct pnt_obj *pnt_obj_get(struct pnt_file *file, int nid, int index, bool own);
int pnt_obj_prepare(struct pnt_obj *obj, int nid);
void pnt_obj_put(struct pnt_obj *obj);
void pnt_obj_sync(struct pnt_obj *obj);
void pnt_node_sync(int nid);
long pnt_ioctl_register(struct pnt_file *file, void *arg);
long pnt_ioctl_unregister(struct pnt_file *file, void *arg);
long pnt_ioctl_block(struct pnt_file *file, void *arg);

/* ops.c */
int pnt_set_ops(int nid, int variant, u64 flags, u32 callbacks);
void pnt_ops_free(void);
int pnt_ops_fixed(const struct pnt_ops *req);
long pnt_ioctl_set_ops(struct pnt_file *file, void *arg);
long pnt_ioctl_clear_ops(struct pnt_file *file, void *arg);

/* range.c */
int pnt_range_check(u64 start, u64 size);

/* plug.c */
extern struct list_head pnt_orphans;	/* pnt_lock */
int pnt_remove(struct pnt_range *range, int nid, u64 start, u64 size, bool *gone);
void pnt_range_forget(struct pnt_range *range);
long pnt_ioctl_plug(struct pnt_file *file, void *arg);
long pnt_ioctl_unplug(struct pnt_file *file, void *arg);

/* close.c */
void pnt_close_nodes(struct pnt_file *file);
void pnt_retry_orphans(void);

/* callbacks.c */
extern atomic64_t pnt_stray;
void pnt_ops_fill(struct node_private_ops *ops, u64 flags, u32 callbacks);

/* program.c */
bool pnt_step(struct pnt_node *node, u32 callback, struct pnt_step *step);
void pnt_program_reset(struct pnt_node *node);
bool pnt_keep(struct pnt_node *node, struct folio *folio);
u64 pnt_kept_release(struct pnt_node *node, u64 max);
long pnt_ioctl_program(struct pnt_file *file, void *arg);
long pnt_ioctl_kept(struct pnt_file *file, void *arg);

/* events.c */
void pnt_record(struct pnt_node *node, const struct pnt_event *event,
		u64 folios, u64 pages, bool failed);
long pnt_ioctl_events(struct pnt_file *file, void *arg);
long pnt_ioctl_counters(struct pnt_file *file, void *arg);

/* alloc.c: the objects of one ALLOC */
struct pnt_alloc_set {
	u32 entry;
	u32 order;
	int nid;
	gfp_t gfp;
	u64 size;
	u64 start_pfn;
	u64 nr;				/* pages of a WHOLE object */
	nodemask_t *mask;		/* NULL or &nodes */
	nodemask_t nodes;
	struct kmem_cache *cache;
	int error;			/* of entries that have one, negative */
	bool refused;			/* do not ask again */
	u64 want;			/* objects */
	u64 count;
	u64 pages;
	void **objs;
};

/* For each unit of an object; page may be NULL for none. */
typedef void (*pnt_unit_fn)(void *data, struct page *page, u64 pages);

enum pnt_entry_flags {
	PNT_E_ATOMIC	= 1 << 0,	/* interrupt contexts */
	PNT_E_MASK	= 1 << 1,	/* takes a nodemask */
	PNT_E_ORDER	= 1 << 2,	/* takes an order */
	PNT_E_SIZE	= 1 << 3,	/* takes a size */
	PNT_E_OBJECT	= 1 << 4,	/* makes kernel objects: gfp restricted */
	PNT_E_PAGES	= 1 << 5,	/* page blocks: freed in several ways */
	PNT_E_WHOLE	= 1 << 6,	/* count is the number of pages of one object */
};

struct pnt_entry_ops {
	u32 flags;
	u64 max_size;
	/* Up to n more objects into set->objs + set->count; returns how many. */
	u64 (*fill)(struct pnt_alloc_set *set, u64 n);
	void (*free)(struct pnt_alloc_set *set, void *obj);
	void (*units)(struct pnt_alloc_set *set, void *obj, pnt_unit_fn fn, void *data);
	int (*prepare)(struct pnt_alloc_set *set);	/* optional */
	void (*finish)(struct pnt_alloc_set *set);	/* optional */
};

long pnt_ioctl_alloc(struct pnt_file *file, void *arg);
long pnt_ioctl_free(struct pnt_file *file, void *arg);
u64 pnt_alloc_free_all(struct pnt_file *file);

/* context.c */
void pnt_fill_in_context(struct pnt_alloc_set *set,
			 const struct pnt_entry_ops *entry, u32 context);

/* entries.c: pages; kernel_entries.c: objects of the kernel */
const struct pnt_entry_ops *pnt_entry_ops(u32 entry);
extern const struct pnt_entry_ops pnt_kernel_entries[PNT_ENTRY_COUNT];
u64 pnt_fill_each(struct pnt_alloc_set *set, u64 n, void *(*one)(struct pnt_alloc_set *set));
int pnt_free_check(struct pnt_alloc_set *set, u32 how);
void pnt_free_objs(struct pnt_alloc_set *set, u32 how);

/* hotplug.c */
int pnt_hotplug_init(void);
void pnt_hotplug_exit(void);
void pnt_hotplug_close(struct pnt_file *file);
long pnt_ioctl_hotplug(struct pnt_file *file, void *arg);

/* cram.c, kswapd.c, scan.c */
long pnt_ioctl_cram(struct pnt_file *file, void *arg);
void pnt_cram_retire(void);
bool pnt_has_cram(void);
long pnt_ioctl_kswapd(struct pnt_file *file, void *arg);
long pnt_ioctl_scan(struct pnt_file *file, void *arg);

/* armed.c, exported.c */
long pnt_ioctl_armed(struct pnt_file *file, void *arg);
long pnt_ioctl_exported(struct pnt_file *file, void *arg);

/* state.c, pages.c, pin.c, hold.c, notifier.c, device.c, handshake.c */
u64 pnt_node_used(int nid);
long pnt_ioctl_zonelist(struct pnt_file *file, void *arg);
long pnt_ioctl_node_state(struct pnt_file *file, void *arg);
long pnt_ioctl_pages(struct pnt_file *file, void *arg);
long pnt_ioctl_pin(struct pnt_file *file, void *arg);
long pnt_ioctl_unpin(struct pnt_file *file, void *arg);
u64 pnt_unpin_all(struct pnt_file *file);
long pnt_ioctl_hold(struct pnt_file *file, void *arg);
long pnt_ioctl_unhold(struct pnt_file *file, void *arg);
u64 pnt_unhold_all(struct pnt_file *file);
long pnt_ioctl_notifier(struct pnt_file *file, void *arg);
void pnt_notifier_stop(struct pnt_file *file);
long pnt_ioctl_device(struct pnt_file *file, void *arg);
int pnt_device_mmap(struct file *filp, struct vm_area_struct *vma);
void pnt_device_init(struct pnt_device_map *map);
void pnt_device_exit(struct pnt_file *file);
long pnt_ioctl_handshake(struct pnt_file *file, void *arg);
long pnt_ioctl_totals(struct pnt_file *file, void *arg);

#endif /* PNT_H */
