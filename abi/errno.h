/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error numbers of the twelve calls. A call returns >= 0 for a result and the
 * negated number below for an error. The values are Linux's (asm-generic), so
 * that a POSIX layer passes them on unchanged. Part of the frozen ABI: numbers
 * may be added, never changed.
 */
#ifndef RUMPK_ABI_ERRNO_H
#define RUMPK_ABI_ERRNO_H

enum rumpk_errno {
    RUMPK_EPERM = 1,      /* the caller lacks the authority (tier, core set, promise over a ring) */
    RUMPK_ENOENT = 2,     /* no such path, or one that was never unveiled */
    RUMPK_ESRCH = 3,      /* no such fiber or cell, or it has ended (generation differs) */
    RUMPK_EIO = 5,        /* a device failed */
    RUMPK_E2BIG = 7,      /* an argument block is larger than its limit */
    RUMPK_EBADF = 9,      /* not a descriptor or handle of the caller */
    RUMPK_EAGAIN = 11,    /* would wait, and the caller asked not to; or nothing there yet */
    RUMPK_ENOMEM = 12,    /* the pool of that resource, sized at boot, is used up */
    RUMPK_EFAULT = 14,    /* a pointer or range is not the caller's to use */
    RUMPK_EBUSY = 16,     /* in use by another owner */
    RUMPK_EEXIST = 17,    /* already there */
    RUMPK_ENODEV = 19,    /* the machine has no such device */
    RUMPK_EINVAL = 22,    /* a value out of range, an unknown flag, a reserved field not zero */
    RUMPK_EPIPE = 32,     /* the other end of a ring is closed */
    RUMPK_ERANGE = 34,    /* a size that this image cannot hold */
    RUMPK_ENOSYS = 38,    /* no such call or operation */
    RUMPK_EOVERFLOW = 75, /* a sum of address and length, or of times, wraps */
    RUMPK_ETIMEDOUT = 110 /* the deadline passed */
};

#endif
