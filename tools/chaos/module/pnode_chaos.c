// SPDX-License-Identifier: GPL-2.0-only
/*
 * pnode_chaos: breaks the kernel it is loaded into, in the way that is written
 * to /dev/pnode_chaos. Only for the guests of `pnode chaos`, which shows that
 * the runner attributes each end to its test; no part of the suite, and never
 * to be loaded into a machine that somebody needs.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/irqflags.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <asm/desc.h>

static DEFINE_MUTEX(chaos_one);
static DEFINE_MUTEX(chaos_other);
static DECLARE_COMPLETION(chaos_never);

static noinline void pnode_chaos_warn(void)
{
	WARN(1, "pnode_chaos: a warning on purpose\n");
}

static noinline void pnode_chaos_oops(void)
{
	int *nothing = (int *)8;

	OPTIMIZER_HIDE_VAR(nothing);
	WRITE_ONCE(*nothing, 1);
}

static noinline void pnode_chaos_bug(void)
{
	BUG();
}

/* Uninterruptible: no signal ends it. */
static noinline void pnode_chaos_wait(void)
{
	wait_for_completion(&chaos_never);
	barrier();	/* no tail call: the function is to be in the stack */
}

/* Two tasks, one from each side: AB-BA. */
static noinline void pnode_chaos_deadlock(struct mutex *first, struct mutex *second)
{
	mutex_lock(first);
	msleep(300);
	mutex_lock(second);
	mutex_unlock(second);
	mutex_unlock(first);
	barrier();
}

static noinline void pnode_chaos_spin(void *unused)
{
	local_irq_disable();
	for (;;)
		cpu_relax();
}

static noinline void pnode_chaos_spin_all(void)
{
	smp_call_function(pnode_chaos_spin, NULL, 0);
	pnode_chaos_spin(NULL);
}

/* Interrupts come, the scheduler does not. */
static noinline void pnode_chaos_loop(void)
{
	preempt_disable();
	for (;;)
		cpu_relax();
}

/* An exception without a handler for it, nor for the one that follows: a triple fault. */
static noinline void pnode_chaos_reset(void)
{
	struct desc_ptr none = {};

	local_irq_disable();
	load_idt(&none);
	asm volatile("int3");
}

static ssize_t pnode_chaos_write(struct file *file, const char __user *user,
				 size_t size, loff_t *pos)
{
	char what[32] = {};

	if (size >= sizeof(what))
		return -EINVAL;
	if (copy_from_user(what, user, size))
		return -EFAULT;
	if (!strcmp(what, "warn"))
		pnode_chaos_warn();
	else if (!strcmp(what, "oops"))
		pnode_chaos_oops();
	else if (!strcmp(what, "bug"))
		pnode_chaos_bug();
	else if (!strcmp(what, "panic"))
		panic("pnode_chaos: a panic on purpose");
	else if (!strcmp(what, "wait"))
		pnode_chaos_wait();
	else if (!strcmp(what, "deadlock-ab"))
		pnode_chaos_deadlock(&chaos_one, &chaos_other);
	else if (!strcmp(what, "deadlock-ba"))
		pnode_chaos_deadlock(&chaos_other, &chaos_one);
	else if (!strcmp(what, "spin-one"))
		pnode_chaos_spin(NULL);
	else if (!strcmp(what, "spin-all"))
		pnode_chaos_spin_all();
	else if (!strcmp(what, "loop"))
		pnode_chaos_loop();
	else if (!strcmp(what, "reset"))
		pnode_chaos_reset();
	else
		return -EINVAL;
	return size;
}

static const struct file_operations pnode_chaos_fops = {
	.owner	= THIS_MODULE,
	.write	= pnode_chaos_write,
	.llseek	= noop_llseek,
};

static struct miscdevice pnode_chaos_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "pnode_chaos",
	.fops	= &pnode_chaos_fops,
	.mode	= 0600,
};
module_misc_device(pnode_chaos_misc);

MODULE_DESCRIPTION("Breaks the kernel on purpose, for tests of the runner");
MODULE_AUTHOR("The pnode selftests");
MODULE_LICENSE("GPL");
