"""Timelines drawn from what a run recorded: inline SVG that takes its colours from the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, floor, log10
from typing import TypedDict

LABELS, PLOT, SIDE, AXIS = 116, 580, 24, 30  # pixels: lane names, the width of all time, margin right, axis below
ROW, BAR, PAD = 30, 24, 6  # pixels: one row of bars, the height of a bar, the space above and below a lane
LETTER, LEAST = 7.5, 2.0  # pixels: a letter of a bar's text, and the width of the shortest bar
TOUCH = 4.0  # pixels: bars that overlap by less follow one another, as far as clocks can tell
TICKS = 8  # on the axis, at most


class Bar(TypedDict):
    """What one lane did from *start* to *end*, in seconds."""

    lane: str
    start: float
    end: float
    text: str


def timeline(bars: Sequence[Bar], lanes: Mapping[str, str], title: str, decimal: str = ".") -> str:
    """The SVG of *bars*; *lanes* gives the lanes from top to bottom and their names on the page.

    Bars of one lane that overlap stand in rows one below the other. Seconds are written with the *decimal* sign.
    """
    step, last = _scale(max((bar["end"] for bar in bars), default=0.0))
    pixels = PLOT / (step * last)
    packed = {lane: _rows([bar for bar in bars if bar["lane"] == lane], TOUCH / pixels) for lane in lanes}
    height = sum(2 * PAD + ROW * max(1, len(rows)) for rows in packed.values())
    width = LABELS + PLOT + SIDE
    parts = [
        f'<svg viewBox="0 0 {width} {height + AXIS}" role="img" aria-label="{escape(title)}" class="timeline" '
        f'width="{width}" height="{height + AXIS}">',
        *(
            _tick(LABELS + number * step * pixels, height, _number(number * step, "g", decimal))
            for number in range(last + 1)
        ),
    ]
    y = 0
    for number, (lane, name) in enumerate(lanes.items(), start=1):
        rows = packed[lane]
        tall = 2 * PAD + ROW * max(1, len(rows))
        parts.append(f'<g class="lane lane-{number}"><text x="0" y="{y + tall / 2 + 4:g}">{escape(name)}</text>')
        for index, row in enumerate(rows):
            parts += [_bar(bar, pixels, y + PAD + index * ROW + (ROW - BAR) // 2, decimal) for bar in row]
        y += tall
        parts.append(f'<line x1="0" y1="{y}" x2="{width}" y2="{y}"/></g>')
    return "".join([*parts, "</svg>"])


def rows(bars: Sequence[Bar], lanes: Mapping[str, str], decimal: str = ".") -> str:
    """The same bars as a table, one row for each lane, for those who read rather than look."""
    lines = []
    for lane, name in lanes.items():
        told = [
            f"<code>{escape(bar['text'])}</code> {_span(bar, decimal)}"
            for bar in sorted(bars, key=lambda bar: bar["start"])
            if bar["lane"] == lane
        ]
        lines.append(f'<tr><th scope="row">{escape(name)}</th><td>{", ".join(told) or "—"}</td></tr>')
    return f"<table><tbody>{''.join(lines)}</tbody></table>"


def _scale(end: float) -> tuple[float, int]:
    """The seconds from one tick to the next (1, 2 or 5 times a power of ten), and the number of the last tick."""
    if end <= 0:
        return 1.0, 1
    power = 10.0 ** floor(log10(end / TICKS))
    step = next(factor * power for factor in (1, 2, 5, 10) if end <= factor * power * TICKS)
    return step, ceil(round(end / step, 6))


def _rows(bars: Sequence[Bar], touch: float) -> list[list[Bar]]:
    """Each bar in the first row whose last one has ended, give or take *touch* seconds."""
    packed: list[list[Bar]] = []
    for bar in sorted(bars, key=lambda bar: bar["start"]):
        free = next((row for row in packed if row[-1]["end"] <= bar["start"] + touch), None)
        if free is None:
            packed.append([bar])
        else:
            free.append(bar)
    return packed


def _span(bar: Bar, decimal: str) -> str:
    return f"{_number(bar['start'], '.2f', decimal)}–{_number(bar['end'], '.2f', decimal)} s"


def _number(seconds: float, form: str, decimal: str) -> str:
    return format(seconds, form).replace(".", decimal)


def _bar(bar: Bar, pixels: float, y: int, decimal: str) -> str:
    x, width = LABELS + bar["start"] * pixels, max(LEAST, (bar["end"] - bar["start"]) * pixels)
    text = escape(bar["text"])
    shown = (
        f'<text x="{x + width / 2:.1f}" y="{y + BAR / 2 + 4:g}" text-anchor="middle">{text}</text>'
        if len(bar["text"]) * LETTER < width
        else ""
    )
    return (
        f'<g class="bar"><title>{text} {_span(bar, decimal)}</title>'
        f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BAR}" rx="{min(3, width / 2):g}"/>{shown}</g>'
    )


def _tick(x: float, height: int, seconds: str) -> str:
    return (
        f'<g class="tick"><line x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{height + 4}"/>'
        f'<text x="{x:.1f}" y="{height + 20}" text-anchor="middle">{seconds} s</text></g>'
    )
