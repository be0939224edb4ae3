# SPDX-License-Identifier: Apache-2.0
"""The subcommands of ./rumpk. A module offers register(subparsers) and main(args) -> exit code."""
