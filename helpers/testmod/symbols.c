// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entry points that belong to the test but are not exported: a kprobe tells
 * where kallsyms_lookup_name() is, and that tells the rest. Each is optional,
 * the handshake says which are there. Nothing here compares kernel versions.
 */
#include <linux/kprobes.h>
#include <linux/memory-tiers.h>

#include "pnt.h"

struct pnt_symbols pnt_sym;

typedef unsigned long (*pnt_lookup_fn)(const char *name);

static pnt_lookup_fn pnt_find_lookup(void)
{
	struct kprobe probe = { .symbol_name = "kallsyms_lookup_name" };
	unsigned long addr;

	if (register_kprobe(&probe))
		return NULL;
	addr = (unsigned long)probe.addr;
	unregister_kprobe(&probe);
	/* A kprobe sits behind the landing pad (ENDBR), a call has to hit it. */
	if (IS_ENABLED(CONFIG_X86_KERNEL_IBT))
		addr = ALIGN_DOWN(addr, 16);
	return (pnt_lookup_fn)addr;
}

struct pnt_wanted {
	const char *name;
	size_t member;		/* of struct pnt_symbols */
};

#define PNT_WANT(name, member) \
	{ name, offsetof(struct pnt_symbols, member) }

static const struct pnt_wanted pnt_wanted[] = {
	PNT_WANT("alloc_pages_exact_nid_noprof", exact_nid),
	PNT_WANT("alloc_contig_pages_noprof", contig_pages),
	PNT_WANT("__vmalloc_node_noprof", vmalloc_gfp),
	PNT_WANT("lru_add_drain_all", lru_add_drain_all),
	PNT_WANT("folio_isolate_lru", folio_isolate_lru),
	PNT_WANT("putback_movable_pages", putback_movable_pages),
	PNT_WANT("walk_memory_blocks", walk_memory_blocks),
	PNT_WANT("device_online", device_online),
	PNT_WANT("lock_device_hotplug", lock_device_hotplug),
	PNT_WANT("unlock_device_hotplug", unlock_device_hotplug),
	PNT_WANT("memory_tier_refresh_demotion", refresh_demotion),
	PNT_WANT("kswapd_run", kswapd_run),
	PNT_WANT("kswapd_stop", kswapd_stop),
	PNT_WANT("wakeup_kswapd", wakeup_kswapd),
	PNT_WANT("node_private_break_armed", break_armed),
};

void pnt_symbols_init(void)
{
	pnt_lookup_fn lookup = pnt_find_lookup();
	int i;

	if (!lookup)
		pr_warn(PNT_NAME ": no kprobe on kallsyms_lookup_name: optional entry points are off\n");
	for (i = 0; lookup && i < ARRAY_SIZE(pnt_wanted); i++)
		*(unsigned long *)((char *)&pnt_sym + pnt_wanted[i].member) =
			lookup(pnt_wanted[i].name);
}

/* A driver's duty after a change of its ops. */
void pnt_refresh_demotion(void)
{
#ifdef HAVE_REFRESH_DEMOTION
	typeof(memory_tier_refresh_demotion) *refresh = pnt_sym.refresh_demotion;

	if (refresh)
		refresh();
#endif
}

u64 pnt_features(void)
{
	u64 features = PNT_FEAT_CONTIG_RANGE | PNT_FEAT_PGDAT_PRIVATE |
		       PNT_FEAT_ADISTANCE;

	if (pnt_sym.exact_nid)
		features |= PNT_FEAT_EXACT_NID;
	if (pnt_sym.contig_pages)
		features |= PNT_FEAT_CONTIG_PAGES;
	if (pnt_sym.vmalloc_gfp)
		features |= PNT_FEAT_VMALLOC_GFP;
	if (pnt_sym.lru_add_drain_all)
		features |= PNT_FEAT_LRU_DRAIN;
	if (pnt_sym.walk_memory_blocks && pnt_sym.device_online &&
	    pnt_sym.lock_device_hotplug && pnt_sym.unlock_device_hotplug)
		features |= PNT_FEAT_ORDINARY_ONLINE;
	if (pnt_sym.folio_isolate_lru && pnt_sym.putback_movable_pages)
		features |= PNT_FEAT_PROMOTE;
	if (IS_ENABLED(CONFIG_MMU_NOTIFIER))
		features |= PNT_FEAT_NOTIFIER;
	if (pnt_has_cram())
		features |= PNT_FEAT_CRAM;
	if (pnt_sym.kswapd_run && pnt_sym.kswapd_stop && pnt_sym.wakeup_kswapd)
		features |= PNT_FEAT_KSWAPD;
#ifdef HAVE_REFRESH_DEMOTION
	if (pnt_sym.refresh_demotion)
		features |= PNT_FEAT_REFRESH_DEMOTION;
#endif
	if (pnt_sym.break_armed)
		features |= PNT_FEAT_BREAK;
	return features;
}
