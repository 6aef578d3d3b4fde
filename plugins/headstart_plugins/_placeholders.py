"""Placeholders in texts of user interfaces: what a program replaces, and a translation has to keep as it is."""

from __future__ import annotations

import re
from collections import Counter

PLACEHOLDER = re.compile(
    r"%(?:\d+\$)?[-+#0]?\d*(?:\.\d+)?(?:hh|h|ll|l|j|z|t|L)?[diouxXeEfFgGcrsa@](?![A-Za-z])"  # printf: %s, %2$d, %.1f
    r"|%\([A-Za-z_]\w*\)[-+#0]?\d*(?:\.\d+)?[diouxXeEfFgGcrsa]"  # Python's by name: %(count)d
    r"|%[A-Z][A-Z0-9_]*%?"  # %PRODUCTNAME, %PRODUCTNAME%
    r"|%\d+(?![\d.,]*\s*%)"  # Qt: %1
    r"|\$\{[^{}\s]+\}|\$\([A-Za-z_]\w*\)|\$[A-Za-z_]\w*\$"  # ${name}, $(ARG1), $name$
    r"|\{\{\s*[\w.]+\s*\}\}|\{[A-Za-z_]?[\w.]*(?:![rsa])?(?::[^{}\s]*)?\}"  # {{ name }}, {0}, {name:.2f}, {}
    r"|</?[A-Za-z][^<>]*>"  # tags
)
"""What counts as one, in the forms of C, Python, Qt, LibreOffice, templates and tags."""
BEGINS = frozenset("%${<")


def placeholders_of(text: str) -> Counter[str]:
    """How often each placeholder stands in a text."""
    if BEGINS.isdisjoint(text):  # as of most texts, and much sooner told
        return Counter()
    return Counter(match.group() for match in PLACEHOLDER.finditer(text))
