# SPDX-License-Identifier: Apache-2.0
"""Third-party parts: pinned sources from Debian's archive, and the C library built from them.

`setup` calls `missing` and `steps`; everything lands in build/third_party.
"""
