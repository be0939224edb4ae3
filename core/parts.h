// SPDX-License-Identifier: Apache-2.0
// Parts of the kernel that not every image needs. All sources are compiled once; which parts are in is said
// where a kernel is linked, by parts.cpp alone. What cannot be reached without a part is then left out, where
// the link optimises, and is not entered elsewhere. Asked for in one place each, so that callers need not
// know.
#pragma once

namespace rumpk::parts {

extern const bool cores;   // fibers on other cores than the one that booted
extern const bool budgets; // of run time
extern const bool trace;   // a record of what the cores do
extern const bool cells;   // cells at user privilege, apart from the kernel; without it a fused one
extern const bool restart; // cells that begin anew when they have ended
extern const bool views; // several cells, each with a view of its own; without `cells`, where nothing is kept
                         // apart, they share one
extern const bool shares;   // read-only data of the image that some of them see; together with `views`
extern const bool managers; // some may begin and end others, and take from them; together with `views`

// Somebody deals with a cell's end: only the end of an image's one cell that is not apart needs nobody.
inline bool supervisors() {
    return cells || restart || views;
}

} // namespace rumpk::parts
