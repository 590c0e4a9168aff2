// SPDX-License-Identifier: GPL-2.0-only
/* EXPORTED: what the kernel exports, and to whom. */
#include <linux/module.h>
#include <linux/string.h>

#include "pnt.h"

long pnt_ioctl_exported(struct pnt_file *file, void *arg)
{
	struct pnt_exported *req = arg;
	size_t length = strnlen(req->name, sizeof(req->name));

	if (!length || length == sizeof(req->name) || req->gpl_only || req->pad)
		return -EINVAL;
	if (__symbol_get(req->name)) {
		__symbol_put(req->name);
		req->gpl_only = 1;
	}
	return 0;
}
