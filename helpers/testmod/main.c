// SPDX-License-Identifier: GPL-2.0-only
/*
 * pnode_test: lets user space exercise private memory nodes.
 *
 * All that is made through a descriptor belongs to it. When it goes away, be it
 * by close() or by the death of its last owner, pages are freed, pins, holds
 * and notifiers undone, and ranges unplugged. What cannot be unplugged (closed node
 * with pages of others on it) becomes an orphan: it holds a reference to the
 * module, whose code the kernel may still call, and is tried again on every
 * open(). So rmmod answers EBUSY as long as anything is left, and a module that
 * can be removed has nothing left to clean up.
 *
 * A mapping of a device holds a reference to its file: a descriptor that was
 * closed with live mappings goes away with the last of them.
 */
#include <linux/completion.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "pnt.h"

/* All tables and lists of the module; never held while waiting for the kernel. */
DEFINE_MUTEX(pnt_lock);
LIST_HEAD(pnt_files);
struct pnt_count pnt_all;

static void pnt_adjust(struct pnt_count *count, size_t member, s64 n)
{
	atomic64_add(n, (atomic64_t *)((char *)count + member));
}

void pnt_count_add(struct pnt_file *file, size_t member, s64 n)
{
	pnt_adjust(&file->count, member, n);
	pnt_adjust(&pnt_all, member, n);
}

struct pnt_request {
	unsigned int cmd;
	long (*call)(struct pnt_file *file, void *arg);
	bool out_on_error;	/* has something to say beside an errno */
};

#define PNT_REQUEST(name, fn) \
	[PNT_NR_##name] = { PNT_##name, pnt_ioctl_##fn, false }
#define PNT_TELLING(name, fn) \
	[PNT_NR_##name] = { PNT_##name, pnt_ioctl_##fn, true }

static const struct pnt_request pnt_requests[PNT_NR_COUNT] = {
	PNT_TELLING(HANDSHAKE, handshake),
	PNT_REQUEST(PLUG, plug),
	PNT_TELLING(UNPLUG, unplug),
	PNT_REQUEST(REGISTER, register),
	PNT_REQUEST(UNREGISTER, unregister),
	PNT_REQUEST(SET_OPS, set_ops),
	PNT_REQUEST(CLEAR_OPS, clear_ops),
	PNT_TELLING(ALLOC, alloc),
	PNT_REQUEST(FREE, free),
	PNT_REQUEST(ZONELIST, zonelist),
	PNT_REQUEST(NODE_STATE, node_state),
	PNT_REQUEST(PAGES, pages),
	PNT_REQUEST(EVENTS, events),
	PNT_REQUEST(COUNTERS, counters),
	PNT_REQUEST(PROGRAM, program),
	PNT_REQUEST(KEPT, kept),
	PNT_REQUEST(PIN, pin),
	PNT_REQUEST(UNPIN, unpin),
	PNT_REQUEST(NOTIFIER, notifier),
	PNT_REQUEST(DEVICE, device),
	PNT_REQUEST(TOTALS, totals),
	PNT_REQUEST(BLOCK, block),
	PNT_REQUEST(HOTPLUG, hotplug),
	PNT_REQUEST(CRAM, cram),
	PNT_REQUEST(KSWAPD, kswapd),
	PNT_REQUEST(SCAN, scan),
	PNT_REQUEST(ARMED, armed),
	PNT_REQUEST(EXPORTED, exported),
	PNT_REQUEST(HOLD, hold),
	PNT_REQUEST(UNHOLD, unhold),
};

static long pnt_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	const struct pnt_request *request;
	void __user *user = (void __user *)arg;
	size_t size = _IOC_SIZE(cmd);
	void *buffer;
	long ret;

	if (_IOC_TYPE(cmd) != PNT_IOC_MAGIC || _IOC_NR(cmd) >= PNT_NR_COUNT)
		return -ENOTTY;
	request = &pnt_requests[_IOC_NR(cmd)];
	if (cmd != request->cmd)
		return -ENOTTY;

	buffer = memdup_user(user, size);
	if (IS_ERR(buffer))
		return PTR_ERR(buffer);
	ret = request->call(filp->private_data, buffer);
	if ((_IOC_DIR(cmd) & _IOC_READ) && (!ret || request->out_on_error) &&
	    copy_to_user(user, buffer, size))
		ret = -EFAULT;
	kfree(buffer);
	return ret;
}

static int pnt_open(struct inode *inode, struct file *filp)
{
	struct pnt_file *file;

	file = kzalloc(sizeof(*file), GFP_KERNEL);
	if (!file)
		return -ENOMEM;
	mutex_init(&file->lock);
	xa_init_flags(&file->allocs, XA_FLAGS_ALLOC1);
	xa_init_flags(&file->pins, XA_FLAGS_ALLOC1);
	xa_init_flags(&file->holds, XA_FLAGS_ALLOC1);
	xa_init(&file->plug_objs);
	INIT_LIST_HEAD(&file->ranges);
	pnt_device_init(&file->device);

	pnt_retry_orphans();

	mutex_lock(&pnt_lock);
	list_add_tail(&file->link, &pnt_files);
	mutex_unlock(&pnt_lock);
	filp->private_data = file;
	return 0;
}

static int pnt_release(struct inode *inode, struct file *filp)
{
	struct pnt_file *file = filp->private_data;

	pnt_unhold_all(file);
	pnt_hotplug_close(file);
	pnt_notifier_stop(file);
	pnt_device_exit(file);
	pnt_unpin_all(file);
	pnt_alloc_free_all(file);
	pnt_close_nodes(file);

	mutex_lock(&pnt_lock);
	list_del(&file->link);
	mutex_unlock(&pnt_lock);
	xa_destroy(&file->allocs);
	xa_destroy(&file->pins);
	xa_destroy(&file->holds);
	xa_destroy(&file->plug_objs);
	kfree(file);
	return 0;
}

static const struct file_operations pnt_fops = {
	.owner		= THIS_MODULE,
	.open		= pnt_open,
	.release	= pnt_release,
	.unlocked_ioctl	= pnt_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.mmap		= pnt_device_mmap,
	.llseek		= noop_llseek,
};

static struct miscdevice pnt_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= PNT_NAME,
	.fops	= &pnt_fops,
	.mode	= 0600,
};

static int __init pnt_init(void)
{
	int ret;

	pnt_symbols_init();
	ret = pnt_tier_init();
	if (ret)
		return ret;
	ret = pnt_hotplug_init();
	if (ret)
		goto tier;
	ret = misc_register(&pnt_misc);
	if (ret)
		goto hotplug;
	return 0;

hotplug:
	pnt_hotplug_exit();
tier:
	pnt_tier_exit();
	return ret;
}

static void __exit pnt_exit(void)
{
	misc_deregister(&pnt_misc);
	pnt_hotplug_exit();
	pnt_tier_exit();
	pnt_nodes_free();
	pnt_ops_free();
}

module_init(pnt_init);
module_exit(pnt_exit);

MODULE_DESCRIPTION("Exercises private memory nodes for their selftests");
MODULE_AUTHOR("The pnode selftests");
MODULE_LICENSE("GPL");
