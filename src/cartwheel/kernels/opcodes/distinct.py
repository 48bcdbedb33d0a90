"""Rows whose operands must not lie over each other: the check that their forms share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cartwheel.kernels.opcodes.registry import Span


def distinct(spans: Iterable[Span]) -> Iterator[Span]:
    """All of these; ValueError where one that is written lies over another."""
    seen: list[Span] = []
    for span in spans:
        for other in seen:
            written, same = span.written or other.written, span.of_integers == other.of_integers
            if written and same and max(span.first, other.first) < min(span.last, other.last):
                raise ValueError("an operand is written over another")
        seen.append(span)
    yield from seen
