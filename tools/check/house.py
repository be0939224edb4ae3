# SPDX-License-Identifier: Apache-2.0
"""Checks of the house as a whole: files nobody uses, links and commands in the pages."""

import re
from pathlib import PurePosixPath

from . import cpp
from .base import SOURCE_SUFFIXES, Check, Finding, Tree, read_list

# ---- dead files -------------------------------------------------------------------------------------------

_COMPILED = (".c", ".cpp", ".S", ".ld")
_ENTRY_PAGES = {"README.md"}


def check_dead_files(tree: Tree) -> list[Finding]:
    allowed_list = tree.root / "tools/check/allow/dead_files.txt"
    allowed = read_list(allowed_list) if allowed_list.exists() else {}
    found = []
    for names, why in (
        (_dead_sources(tree), "no CMakeLists.txt and no .cmake file names it"),
        (_dead_headers(tree), "nothing includes it"),
        (_dead_python(tree), "no other Python file names it"),
        (_dead_pages(tree), "no other page links to it"),
    ):
        found += [Finding(name, 0, why) for name in names if name not in allowed]
    return found


def _dead_sources(tree: Tree) -> list[str]:
    """A source is named by its path from the root or from the folder of the file that names it: a CMake file, or a
    command that compiles by itself. An application's are named by the cell.toml beside them."""
    build_files = tree.ending(("CMakeLists.txt", ".cmake")) + [
        name for name in tree.under("tools/cli", "bench") if name.endswith(".py")
    ]
    texts = {name: re.sub(r"#.*", "", tree.text(name)) for name in build_files}
    dead = []
    for name in tree.ending(_COMPILED):
        folder = PurePosixPath(name).parent
        if not name.endswith(".ld") and tree.has((folder / "cell.toml").as_posix()):
            continue
        if not any(_names_file(build, text, name) for build, text in texts.items()):
            dead.append(name)
    return dead


def _names_file(build: str, text: str, name: str) -> bool:
    """By its path from the root or from a folder that the build file lies in, or by a pattern from the root."""
    path = PurePosixPath(name)
    folders = PurePosixPath(build).parents
    ways = {path.relative_to(folder).as_posix() for folder in folders if path.is_relative_to(folder)}
    for way in ways:
        far = "/" not in way and path.parent != folders[0]  # a bare name means a file beside the build file
        if not far and re.search(r"(?<![\w.-])" + re.escape(way) + r"(?![\w.-])", text):
            return True
    if build.endswith(".py") and f'"{path.name}"' in text:
        return True  # put together from parts there
    return any(re.fullmatch(pattern, name) for pattern in _patterns(text))


_PATTERN = re.compile(r"\$\{PROJECT_SOURCE_DIR\}/(\w[^\s\"()]*\*[^\s\"()]*)")


def _patterns(text: str) -> list[str]:
    """Regular expressions for the globs of a CMake file; a variable stands for one part of a path."""
    found = []
    for glob in _PATTERN.findall(text):
        pieces = re.split(r"(\$\{\w+\}|\*)", glob)
        found.append("".join("[^/]*" if piece == "*" or piece.startswith("${") else re.escape(piece) for piece in pieces))
    return found


def _dead_headers(tree: Tree) -> list[str]:
    targets = set()
    for name in tree.ending(SOURCE_SUFFIXES):
        folder = PurePosixPath(name).parent
        for _, target in cpp.includes(tree.text(name)):
            targets.add(target[1:-1])
            targets.add((folder / target[1:-1]).as_posix())
    endings = {target for target in targets if "/" in target}
    return [
        name
        for name in tree.ending((".h",))
        if name not in targets and not any(name.endswith("/" + target) for target in endings | _plain(targets))
    ]


def _plain(targets: set[str]) -> set[str]:
    return {target for target in targets if "/" not in target}


def _dead_python(tree: Tree) -> list[str]:
    scripts = [name for name in tree.names() if name.endswith(".py") or "." not in PurePosixPath(name).name]
    build_files = tree.ending(("CMakeLists.txt", ".cmake"))
    dead = []
    for name in tree.ending((".py",)):
        path = PurePosixPath(name)
        if path.stem in ("__init__", "__main__") or path.name.startswith("test_"):
            continue
        word = re.compile(r"\b" + re.escape(path.stem) + r"\b")
        if not any(word.search(tree.text(other)) for other in scripts + build_files if other != name):
            dead.append(name)
    return dead


def _dead_pages(tree: Tree) -> list[str]:
    linked = set(_ENTRY_PAGES)
    for name in tree.ending((".md",)):
        for _, target in links(tree.text(name)):
            resolved = _resolve(name, target)
            if resolved and resolved != name:
                linked.add(resolved)
    return [name for name in tree.ending((".md",)) if name not in linked]


# ---- pages ------------------------------------------------------------------------------------------------

_LINK = re.compile(r"!?\[[^\]\n]*\]\(([^()\s]+(?:\([^()\s]*\))?)(?:\s+\"[^\"]*\")?\)")
_REFERENCE = re.compile(r"^\[[^\]]+\]:\s+(\S+)", re.MULTILINE)
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_CODE_SPAN = re.compile(r"`[^`\n]*`")
_COMMAND = re.compile(r"\./rumpk[ \t]+([a-z][\w-]*)((?:[ \t]+[^\s`#|;&)]+)*)")
_SUBCOMMAND = re.compile(r"add_parser\(\s*[\"']([a-z][\w-]*)[\"']")
_OPTION = re.compile(r"[\"'](--?[a-z][\w-]*)[\"']")


def _without_code(text: str) -> str:
    def blank(match: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", match.group(0))

    return _CODE_SPAN.sub(blank, _FENCE.sub(blank, text))


def links(text: str) -> list[tuple[int, str]]:
    """(line, target) of every link outside code."""
    plain = _without_code(text)
    found = [*_LINK.finditer(plain), *_REFERENCE.finditer(plain)]
    return sorted((cpp.line_of(plain, match.start(1)), match.group(1)) for match in found)


def _external(target: str) -> bool:
    return re.match(r"[a-z][a-z0-9+.-]*:", target) is not None


def _resolve(page: str, target: str) -> str | None:
    """The path from the root that a relative link means; None for others and for what leads outside."""
    path = target.split("#", 1)[0]
    if _external(target) or path.startswith("/"):
        return None
    if not path:
        return page
    parts: list[str] = []
    for part in (*PurePosixPath(page).parent.parts, *PurePosixPath(path).parts):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def anchors(text: str) -> set[str]:
    """The names that headings get on the usual hosting sites."""
    plain = _FENCE.sub("", text)
    result: set[str] = set()
    for heading in re.findall(r"^#{1,6}\s+(.+?)\s*#*$", plain, re.MULTILINE):
        heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        copies = sum(1 for other in result if re.fullmatch(re.escape(slug) + r"(-\d+)?", other))
        result.add(slug if copies == 0 else f"{slug}-{copies}")
    return result


def check_docs(tree: Tree) -> list[Finding]:
    found = []
    commands, options = _commands(tree)
    for name in tree.ending((".md",)):
        text = tree.text(name)
        for line, target in links(text):
            wrong = _judge_link(tree, name, target)
            if wrong:
                found.append(Finding(name, line, wrong))
        for match in _COMMAND.finditer(text):
            line = cpp.line_of(text, match.start())
            if match.group(1) not in commands:
                found.append(Finding(name, line, f"./rumpk has no command '{match.group(1)}'"))
                continue
            for word in match.group(2).split():
                if word == "--":
                    break
                option = word.split("=", 1)[0]
                if re.match(r"--?[a-z]", option) and option not in options:
                    found.append(Finding(name, line, f"no command of ours takes {option}"))
    return found + _missing_calls(tree)


def _judge_link(tree: Tree, page: str, target: str) -> str | None:
    if _external(target):
        return None
    path = _resolve(page, target)
    if path is None:
        return f"link leads out of the repository: {target}"
    if path and not tree.has(path):
        return f"link to what is not there: {target}"
    _, mark, anchor = target.partition("#")
    if mark and path.endswith(".md") and anchor not in anchors(tree.text(path)):
        return f"{path} has no heading for #{anchor}"
    return None


def _commands(tree: Tree) -> tuple[set[str], set[str]]:
    """Subcommands and options that the command line declares."""
    commands: set[str] = set()
    options = {"-h", "--help"}
    for name in tree.under("tools/cli"):
        if name.endswith(".py"):
            commands |= set(_SUBCOMMAND.findall(tree.text(name)))
            options |= set(_OPTION.findall(tree.text(name)))
    return commands, options


_CALL_NUMBER = re.compile(r"\bRUMPK_CALL_([A-Z]+)\b(?!_)")


def _missing_calls(tree: Tree) -> list[Finding]:
    """Each call of the SysTable has a page, and there is no page for another."""
    table = "abi/systable.h"
    if not tree.has(table):
        return []
    calls = {call.lower() for call in _CALL_NUMBER.findall(tree.text(table))} - {"count"}
    pages = {PurePosixPath(name).stem for name in tree.under("docs/calls") if name.endswith(".md")} - {"README"}
    found = [Finding(f"docs/calls/{call}.md", 0, f"there is no page for {call}") for call in sorted(calls - pages)]
    return found + [
        Finding(f"docs/calls/{page}.md", 0, f"{table} has no call {page}") for page in sorted(pages - calls)
    ]


CHECKS = [
    Check(
        "dead-files",
        "every source is built, every header included, every page linked",
        "name it where it belongs, or delete it",
        check_dead_files,
    ),
    Check(
        "docs",
        "links lead somewhere, commands and options exist, each call has its page",
        "correct the page, or the command it speaks of",
        check_docs,
    ),
]
