/* SPDX-License-Identifier: Apache-2.0 */
/* picolibc hides sched_yield behind the priority scheduling of POSIX, of which there is nothing else here. */
#ifndef NEXUS_SCHED_H
#define NEXUS_SCHED_H

#include_next <sched.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The end of the fiber's turn: the other ready fibers of its tier run first. 0, always. */
int sched_yield(void);

#ifdef __cplusplus
}
#endif

#endif
