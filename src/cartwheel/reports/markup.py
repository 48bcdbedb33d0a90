"""Pieces of a page: whatever comes in is text, and is escaped here."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

Rows = Iterable[tuple[str, Any]]


def text(value: object) -> str:
    """A value as text of a page, in an element or in a quoted attribute: nothing in it is markup."""
    return escape(str(value), quote=True)


def number(value: float, digits: int = 6) -> str:
    """A number as people read it, of so many digits at most: "475", "-1,250.5", "1.5e+08"."""
    return f"{value:,.{digits}g}".replace("-", "\N{MINUS SIGN}")


def section(heading: str, *content: str) -> str:
    """A part of the page under its heading; "" if there is nothing in it. The content is markup."""
    inner = "\n".join(part for part in content if part)
    return f"<section>\n<h2>{text(heading)}</h2>\n{inner}\n</section>" if inner else ""


def paragraph(words: object) -> str:
    """A paragraph of plain words."""
    return f"<p>{text(words)}</p>"


def tables(groups: Mapping[str, Rows]) -> str:
    """A table of two columns for each group, under its heading; empty groups go."""
    made = []
    for heading, rows in groups.items():
        lines = [f'<tr><th scope="row">{text(name)}</th><td>{text(value)}</td></tr>' for name, value in rows]
        if lines:
            made.append("\n".join(["<table>", f"<caption>{text(heading)}</caption>", *lines, "</table>"]))
    return '<div class="tables">\n' + "\n".join(made) + "\n</div>" if made else ""


def commands(rows: Rows) -> str:
    """Command lines, each under the words that say what it does."""
    lines = [f"<dt>{text(what)}</dt><dd><code>{text(line)}</code></dd>" for what, line in rows]
    return "<dl>\n" + "\n".join(lines) + "\n</dl>"


def webp(data: bytes) -> str:
    """A WebP picture as an address that holds it whole."""
    return f"data:image/webp;base64,{b64encode(data).decode('ascii')}"
