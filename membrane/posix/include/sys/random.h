/* SPDX-License-Identifier: Apache-2.0 */
/* getrandom as in Linux; getentropy is in <unistd.h>. */
#ifndef NEXUS_SYS_RANDOM_H
#define NEXUS_SYS_RANDOM_H

#include <sys/types.h>

#define GRND_NONBLOCK 1u /* nothing here ever waits for entropy */
#define GRND_RANDOM 2u   /* there is one source only */

#ifdef __cplusplus
extern "C" {
#endif

/* Fills the buffer; its size, or -1 with errno EAGAIN (no entropy on this machine), EFAULT, EINVAL. */
ssize_t getrandom(void* buffer, size_t size, unsigned flags);

#ifdef __cplusplus
}
#endif

#endif
