# SPDX-License-Identifier: Apache-2.0
"""All checks in the order in which they run: quick ones first."""

from . import binary, edges, house, style, tidy
from .base import Check

CHECKS: list[Check] = [*style.CHECKS, *edges.CHECKS, *house.CHECKS, *binary.CHECKS, *tidy.CHECKS]


def by_name() -> dict[str, Check]:
    return {check.name: check for check in CHECKS}
