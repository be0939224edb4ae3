/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Before every file of the cell's part: a cell's errno is a plain variable, and the program that the bench
 * is linked into has one of that name which is not.
 */
#ifndef RUMPK_BENCH_FIBERS_CELL_ERRNO_H
#define RUMPK_BENCH_FIBERS_CELL_ERRNO_H

#include <errno.h>

#undef errno
#define errno cell_errno
extern int cell_errno;

#endif
