# SPDX-License-Identifier: Apache-2.0
"""Just enough C++ for the checks: text without comments, includes, and where functions begin and end."""

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<comment>//(?:[^\n\\]|\\.|\\\n)*|/\*.*?\*/)
      |(?P<raw>R"(?P<mark>[^()\\\s]{0,16})\(.*?\)(?P=mark)")
      |(?P<string>"(?:[^"\\\n]|\\.)*")
      |(?P<separator>(?<=[0-9a-fA-F])'(?=[0-9a-fA-F]))
      |(?P<char>'(?:[^'\\\n]|\\.)+')""",
    re.VERBOSE | re.DOTALL,
)
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(<[^>\n]+>|"[^"\n]+")', re.MULTILINE)
_PREPROCESSOR = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", re.MULTILINE | re.DOTALL)


def _blank(text: str) -> str:
    """The same number of lines and columns, nothing on them."""
    return "".join(char if char == "\n" else " " for char in text)


def without_comments(text: str, keep_strings: bool = True) -> str:
    """`text` with comments blanked out, and with strings emptied unless kept; lines keep their numbers."""

    def replace(match: re.Match[str]) -> str:
        whole = match.group(0)
        if match.lastgroup == "comment":
            return _blank(whole)
        if keep_strings or match.group("separator") is not None:
            return whole
        return whole[0] + _blank(whole[1:-1]) + whole[-1]

    return _TOKEN.sub(replace, text)


def line_of(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def includes(text: str) -> list[tuple[int, str]]:
    """(line, target) of every #include; the target keeps its quotes or angle brackets."""
    code = without_comments(text)
    return [(line_of(code, m.start(1)), m.group(1)) for m in _INCLUDE.finditer(code)]


@dataclass(frozen=True)
class Function:
    name: str
    first: int  # line of its first word
    last: int  # line of the closing brace

    @property
    def length(self) -> int:
        return self.last - self.first + 1


class Unbalanced(Exception):
    """Braces do not match; carries the line."""


_SCOPE = re.compile(r"\b(?:namespace|class|struct|union|enum|concept)\b|\bextern\s*\"")
_OPERATOR = re.compile(r"\boperator\s*(?:\(\s*\)|\[\s*\]|[-+*/%^&|~!=<>,]+)")
_NOT_A_FUNCTION = re.compile(r"\brequires\s*(?:\(\s*\))?$")


def _outside_brackets(head: str) -> str:
    """`head` with everything inside (), [] and a leading template <...> removed; () and [] stay as marks."""
    head = re.sub(r"->", "  ", head)
    result, depth, angle = [], 0, 0
    in_template = False
    for index, char in enumerate(head):
        if depth == 0 and char == "<" and (angle or re.search(r"\btemplate\s*$", head[:index])):
            in_template, angle = True, angle + 1
            continue
        if in_template and depth == 0 and char == ">":
            angle -= 1
            in_template = angle > 0
            continue
        if char in "([":
            if depth == 0:
                result.append(char)
            depth += 1
        elif char in ")]":
            depth -= 1
            if depth == 0:
                result.append(char)
        elif depth == 0 and not in_template:
            result.append(char)
    return "".join(result)


def _kind_of_brace(head: str) -> str:
    """What a '{' after `head` opens at declaration scope: 'scope', 'function' or 'value'."""
    if _in_parentheses(head):
        return "value"
    head = re.sub(r"\[\[.*?\]\]", " ", head, flags=re.DOTALL)
    head = re.sub(r"\balignas\s*\([^()]*\)", " ", head)
    plain = _outside_brackets(_OPERATOR.sub("operator_", head)).strip()
    plain = re.sub(r"\b(?:public|private|protected)\s*:(?!:)", " ", plain).strip()
    if "(" not in plain:
        if _SCOPE.search(plain) and "=" not in plain:
            return "scope"
        return "value" if plain else "scope"
    if re.search(r"(?<![=!<>])=(?!=)", plain) and "[" not in plain:
        return "value"
    if plain.endswith("=") or _NOT_A_FUNCTION.search(plain):
        return "value"
    after = plain[plain.index(")") + 1 :] if ")" in plain else ""
    if re.search(r"(?<!:):(?!:)", after) and re.search(r"[\w>]$", plain):
        return "value"  # a member initialiser: Name() : member{1}
    return "function"


def _name_of(head: str) -> str:
    """The word before the first parenthesis that is no requires clause: for reports only."""
    names = re.findall(r"((?:[~\w:]*\boperator[^\s\w(]+)|[~\w:]+)\s*\(", head)
    return next((name for name in names if name != "requires"), "?")


def functions(text: str) -> list[Function]:
    """Every function body at namespace or class scope, lambdas there included. Raises Unbalanced."""
    code = without_comments(text, keep_strings=False)
    code = _PREPROCESSOR.sub(lambda m: _blank(m.group(0)), code)
    found: list[Function] = []
    stack: list[tuple[str, int, str]] = []  # (kind, start of its head, head)
    start, head_prefix = 0, ""
    for match in re.finditer(r"[{};()]", code):
        char, offset = match.group(0), match.start()
        if char in "()":
            continue
        inside_body = bool(stack) and stack[-1][0] in ("function", "inner", "value")
        head = head_prefix + code[start:offset]
        if char == "{":
            kind = "inner" if inside_body else _kind_of_brace(head)
            stack.append((kind, start, head))
            if kind == "scope":
                start, head_prefix = offset + 1, ""
        elif char == "}":
            if not stack:
                raise Unbalanced(line_of(code, offset))
            kind, begun, opened = stack.pop()
            if kind == "function":
                lead = len(code[begun:]) - len(code[begun:].lstrip())
                found.append(Function(_name_of(opened), line_of(code, begun + lead), line_of(code, offset)))
            if kind == "value":
                start, head_prefix = begun, ""  # a head goes on behind a braced value: Name() : a{1}, b{2} {
                code = _blank_braced(code, begun, offset)
            elif kind != "inner":
                start, head_prefix = offset + 1, ""
        elif not inside_body and not _in_parentheses(head):
            start, head_prefix = offset + 1, ""
    if stack:
        raise Unbalanced(line_of(code, stack[-1][1]))
    return found


def _in_parentheses(head: str) -> bool:
    return head.count("(") > head.count(")")


def _blank_braced(code: str, begun: int, end: int) -> str:
    """Replaces a braced value by an empty call, so that the head reads on as an expression."""
    opened = code.index("{", begun)
    return code[:opened] + "(" + _blank(code[opened + 1 : end]) + ")" + code[end + 1 :]
