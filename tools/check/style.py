# SPDX-License-Identifier: Apache-2.0
"""Checks of single files: format, lengths, licence line, words that have no place here, Python."""

import ast
import re
from pathlib import PurePosixPath

from . import cpp
from .base import C_SUFFIXES, SOURCE_SUFFIXES, Check, Finding, Tree, run_tool

LONGEST_FUNCTION = 70
LONGEST_FILE = 500
FORMATTER = "clang-format-19"

_FORMAT_LINE = re.compile(r"^(.+?):(\d+):\d+: (?:error|warning): code should be clang-formatted")


def check_format(tree: Tree) -> list[Finding]:
    names = tree.ending(C_SUFFIXES)
    if not names:
        return []
    done = run_tool([FORMATTER, "--dry-run", "--Werror", "--style=file", *names], cwd=tree.root)
    first: dict[str, int] = {}
    count: dict[str, int] = {}
    for line in done.stderr.splitlines():
        match = _FORMAT_LINE.match(line)
        if match:
            first.setdefault(match.group(1), int(match.group(2)))
            count[match.group(1)] = count.get(match.group(1), 0) + 1
    found = [Finding(name, first[name], f"{count[name]} places differ from .clang-format") for name in first]
    if done.returncode != 0 and not found:
        found.append(Finding(".clang-format", 0, done.stderr.strip() or f"{FORMATTER} failed"))
    return found


def check_length(tree: Tree) -> list[Finding]:
    found = []
    for name in tree.ending(SOURCE_SUFFIXES):
        lines = len(tree.lines(name))
        if lines > LONGEST_FILE:
            found.append(Finding(name, LONGEST_FILE + 1, f"{lines} lines, more than {LONGEST_FILE}"))
        if name.endswith(C_SUFFIXES):
            found += _long_functions(tree, name)
    return found


def _long_functions(tree: Tree, name: str) -> list[Finding]:
    try:
        functions = cpp.functions(tree.text(name))
    except cpp.Unbalanced as error:
        return [Finding(name, error.args[0], "a brace without its partner: lengths cannot be told")]
    return [
        Finding(name, f.first, f"{f.name} has {f.length} lines, more than {LONGEST_FUNCTION}")
        for f in functions
        if f.length > LONGEST_FUNCTION
    ]


_LICENCE = "SPDX-License-Identifier: Apache-2.0"
_LICENSED_NAMES = re.compile(r"(\.(c|cpp|h|S|ld|lds|py|cmake|sh|in)|(^|/)CMakeLists\.txt|(^|/)__config_site)$")


def check_spdx(tree: Tree) -> list[Finding]:
    found = []
    for name in tree.names():
        first = tree.lines(name)[:2] if _is_source(tree, name) else None
        if first is None:
            continue
        line = first[1] if len(first) > 1 and first[0].startswith("#!") else (first[0] if first else "")
        if _LICENCE not in line:
            found.append(Finding(name, 1, f"the first line is not '{_LICENCE}'"))
    return found


def _is_source(tree: Tree, name: str) -> bool:
    """By its name, or because it begins as a script does."""
    if _LICENSED_NAMES.search(name):
        return True
    if PurePosixPath(name).suffix:
        return False
    with open(tree.root / name, "rb") as file:
        return file.read(2) == b"#!"


# Put together from halves, so that this file passes its own check.
_NOTES = ("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")
_WORDS = re.compile(r"\b(" + "|".join(_NOTES) + r")\b")
_PROVISIONAL = re.compile(r"\bfor" + r" now\b", re.IGNORECASE)
_PERSONAL = re.compile(r"(?<![\w.$}])/(?:ho" + r"me|Us" + r"ers|wo" + r"rk)/[\w.-]+")
_UPWARD = re.compile(r"(?<![\w./$}])(?:\.\./)+[\w.-]+")
_TEXT_NAMES = re.compile(r"(\.(c|cpp|h|S|ld|lds|py|cmake|sh|in|md|toml|txt|json|yml|yaml)|(^|/)[^./]+)$")
_STEP_OUT_ALLOWED = (".md", ".py")  # examples of commands; links and imports have checks of their own


def check_words(tree: Tree) -> list[Finding]:
    found = []
    for name in tree.names():
        if not _TEXT_NAMES.search(name) or name == "LICENSE":
            continue
        for number, line in enumerate(tree.lines(name), 1):
            found += [Finding(name, number, text) for text in _words_in(name, line)]
    return found


def _words_in(name: str, line: str) -> list[str]:
    texts = [f"'{m.group(1)}' marks work that is not done" for m in _WORDS.finditer(line)]
    texts += [f"'{m.group(0)}' promises another version" for m in _PROVISIONAL.finditer(line)]
    texts += [f"'{m.group(0)}' is a path of somebody's machine" for m in _PERSONAL.finditer(line)]
    if not name.endswith(_STEP_OUT_ALLOWED) and not name.startswith("tests/"):
        for match in _UPWARD.finditer(line):
            if match.group(0).count("../") > name.count("/"):
                texts.append(f"'{match.group(0)}' leads out of the repository")
    return texts


def check_python(tree: Tree) -> list[Finding]:
    found = []
    for name in tree.names():
        if not (name.endswith(".py") or _is_python_script(tree, name)):
            continue
        lines = len(tree.lines(name))
        if lines > LONGEST_FILE:
            found.append(Finding(name, LONGEST_FILE + 1, f"{lines} lines, more than {LONGEST_FILE}"))
        try:
            module = ast.parse(tree.text(name), name)
        except SyntaxError as error:
            found.append(Finding(name, error.lineno or 0, f"does not compile: {error.msg}"))
            continue
        for node in ast.walk(module):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    text = f"{node.name} has {length} lines, more than {LONGEST_FUNCTION}"
                    found.append(Finding(name, node.lineno, text))
    return found


# Python's by the first line, or a shell's which hands itself to Python.
_SCRIPT = re.compile(rb'#!.*python|#!/bin/sh\n(?:.*\n)*?exec \S*python\S* .*"\$0"')


def _is_python_script(tree: Tree, name: str) -> bool:
    if PurePosixPath(name).suffix:
        return False
    with open(tree.root / name, "rb") as file:
        return _SCRIPT.match(file.read(1024)) is not None


CHECKS = [
    Check(
        "format",
        "C and C++ files look as .clang-format says",
        f"run {FORMATTER} -i on the file",
        check_format,
    ),
    Check(
        "length",
        f"functions have at most {LONGEST_FUNCTION} lines, files at most {LONGEST_FILE}",
        "give a part of it a name of its own",
        check_length,
    ),
    Check(
        "spdx", "every source file begins with its licence", f"make the first line '// {_LICENCE}'", check_spdx
    ),
    Check(
        "words",
        "no notes about unfinished work, no paths of somebody's machine",
        "finish it, or leave it out; name files by their path inside the repository",
        check_words,
    ),
    Check(
        "python",
        "every Python file compiles and keeps to the lengths",
        "split the file or the function; python3 -m py_compile shows the syntax error",
        check_python,
    ),
]
