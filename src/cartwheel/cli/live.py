"""The live bar of a terminal: one line that is drawn again at most ten times a second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.text import Text

from cartwheel.cli.progress import View
from cartwheel.cli.wording import figures, place
from cartwheel.training.hooks import Plan

_WIDEST = 30  # columns of the bar itself


class LiveBar(View):
    """Shows the newest row in place of the one before; what is printed meanwhile scrolls by above it."""

    interval = 0.1

    def __init__(self) -> None:
        super().__init__()
        self._live = Live(BarLine(0.0, ["starting"]), auto_refresh=False, transient=True)

    def start(self, plan: Plan) -> None:
        """Show the plan and an empty bar."""
        super().start(plan)
        with self.tolerant():
            self._live.start(refresh=True)

    def show_row(self, row: Mapping[str, float]) -> None:
        """Draw the bar."""
        parts = [*figures(row, self.pace), place(row, self.pace)]
        with self.tolerant():
            self._live.update(BarLine(self.pace.fraction, parts), refresh=True)

    def close(self) -> None:
        """Take the bar away and show the cursor again."""
        with self.tolerant():
            self._live.stop()


class BarLine:
    """A bar and some texts on one line of any width: where they do not fit, the last of the texts go."""

    def __init__(self, fraction: float, parts: Sequence[str]) -> None:
        self.fraction, self.parts = fraction, parts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width - 1  # a full line would wrap on some terminals
        if width > 50:
            columns = min(_WIDEST, width // 5)  # not what the texts leave, lest it jump about
            bar = console.render(ProgressBar(total=1.0, completed=self.fraction, width=columns), options)
            yield from Segment.adjust_line_length(list(bar), columns + 2)  # without colours a bar has no right part
            width -= columns + 2
        yield Text(_fitting(self.parts, width), no_wrap=True)


def _fitting(parts: Sequence[str], width: int) -> str:
    """As many of the parts as fit into `width` columns; the first one at least, cut if it has to be."""
    text = parts[0][:width]
    for part in parts[1:]:
        if len(text) + 2 + len(part) > width:
            break
        text += "  " + part
    return text
