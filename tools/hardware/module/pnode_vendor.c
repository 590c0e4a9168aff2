// SPDX-License-Identifier: GPL-2.0-only
/*
 * pnode_vendor: the driver of a device that does not exist. It makes a range of
 * memory a private node and opens services on it, as a vendor's driver would,
 * for the guest in which `pnode rehearse` tries `pnode run --here`.
 *
 *	insmod pnode_vendor.ko nid=1 start=0x100000000 size=0x8000000 flags=3
 *	echo N > /sys/module/pnode_vendor/parameters/plugged
 *
 * Loading it plugs. As long as the memory is there the module stays: its
 * struct node_private is the kernel's to call.
 */
#include <linux/gfp.h>
#include <linux/memory_hotplug.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/node_private.h>

static int nid = NUMA_NO_NODE;
module_param(nid, int, 0444);
MODULE_PARM_DESC(nid, "node that the memory becomes");

static unsigned long start;
module_param(start, ulong, 0444);
MODULE_PARM_DESC(start, "physical address");

static unsigned long size;
module_param(size, ulong, 0444);
MODULE_PARM_DESC(size, "bytes");

static unsigned long flags;
module_param(flags, ulong, 0444);
MODULE_PARM_DESC(flags, "NP_OPS_*: services to open; 0 registers no ops");

static DEFINE_MUTEX(lock);
static bool plugged;

static struct folio *vendor_target(struct folio *src, unsigned long to)
{
	gfp_t gfp = folio_test_large(src) ? GFP_TRANSHUGE_LIGHT : GFP_HIGHUSER_MOVABLE;

	if (folio_test_hugetlb(src))
		return NULL;
	return __folio_alloc_noprof(gfp | GFP_PRIVATE | __GFP_NOWARN, folio_order(src), to, NULL);
}

static int vendor_migrate_to(struct list_head *folios, int to, enum migrate_mode mode,
			     enum migrate_reason reason, unsigned int *nr_succeeded)
{
	struct folio *folio;
	unsigned int done = 0;
	int ret, rest = 0;

	ret = migrate_pages(folios, vendor_target, NULL, to, mode, reason, &done);
	if (nr_succeeded)
		*nr_succeeded += done;
	list_for_each_entry(folio, folios, lru)
		rest++;
	return ret < 0 ? ret : rest;
}

static void vendor_folio_migrate(struct folio *src, struct folio *dst)
{
}

static struct node_private_ops ops = {
	.migrate_to	= vendor_migrate_to,
	.folio_migrate	= vendor_folio_migrate,
};

static struct node_private np = {
	.owner	= THIS_MODULE,
};

static int vendor_plug(void)
{
	int ret;

	ret = add_private_memory_driver_managed(nid, start, size, "System RAM (pnode_vendor)",
						MHP_NONE, MMOP_ONLINE_MOVABLE, &np);
	if (ret || !flags)
		return ret;
	ops.flags = flags;
	ret = node_private_set_ops(nid, &ops);
	if (ret)
		offline_and_remove_private_memory(nid, start, size);
	return ret;
}

static int vendor_set_plugged(const char *value, const struct kernel_param *param)
{
	bool wanted;
	int ret;

	ret = kstrtobool(value, &wanted);
	if (ret)
		return ret;
	mutex_lock(&lock);
	if (wanted) {
		ret = plugged ? 0 : -EINVAL;	/* loading it does that */
	} else if (plugged) {
		ret = offline_and_remove_private_memory(nid, start, size);
		if (!ret) {
			plugged = false;
			module_put(THIS_MODULE);
		}
	}
	mutex_unlock(&lock);
	return ret;
}

static const struct kernel_param_ops plugged_ops = {
	.set	= vendor_set_plugged,
	.get	= param_get_bool,
};
module_param_cb(plugged, &plugged_ops, &plugged, 0644);
MODULE_PARM_DESC(plugged, "N takes the memory away; then the module can be unloaded");

static int __init vendor_init(void)
{
	int ret = vendor_plug();

	if (ret)
		return ret;
	plugged = true;
	__module_get(THIS_MODULE);
	return 0;
}

/* Only reached without the reference: the memory is gone. */
static void __exit vendor_exit(void)
{
}

module_init(vendor_init);
module_exit(vendor_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("makes a private node, for the rehearsal of pnode run --here");
