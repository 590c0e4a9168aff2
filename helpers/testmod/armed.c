// SPDX-License-Identifier: GPL-2.0-only
/* ARMED: which hooks of this kernel are broken on purpose. */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "pnt.h"

long pnt_ioctl_armed(struct pnt_file *file, void *arg)
{
	struct pnt_armed *req = arg;
	ssize_t ret = 0;
	char *names;

	if (!req->size || req->size > PNT_MAX_ARMED || req->length)
		return -EINVAL;
	names = kzalloc(req->size, GFP_KERNEL);
	if (!names)
		return -ENOMEM;
	if (pnt_sym.break_armed)
		ret = pnt_sym.break_armed(names, req->size);
	if (ret >= 0) {
		req->length = ret;
		ret = copy_to_user(u64_to_user_ptr(req->names), names, ret + 1) ?
		      -EFAULT : 0;
	}
	kfree(names);
	return ret;
}
