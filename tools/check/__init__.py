# SPDX-License-Identifier: Apache-2.0
"""The project's habits as programs: each module holds some checks, `registry` lists them all.

A check is a function from a Tree (and options) to a list of Findings; an empty list is a pass. Nothing here
changes a file outside build/.
"""
