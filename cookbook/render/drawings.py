"""Sequence diagrams and timelines of what a run recorded: inline SVG that takes its colors from the page.

All lengths are in pixels, all times in seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from math import ceil, floor, log10
from typing import TypedDict

# Sequence diagrams
SIDE = 80  # from the edge of the drawing to the outer lifelines
GAP = 156  # between two lifelines, at least
MESSAGE_LETTER, MESSAGE_SPACE = 7.3, 32  # the width of a letter of a message, and the space around its text
BOX_WIDTH, BOX_HEIGHT, BOX_TOP = 132, 30, 6  # the box with the name of a lifeline
BOX_BASELINE = 20  # of the name, below the top of its box
HEADER, ROW, FOOTER = 56, 34, 16  # above the row of the first arrow, each row, below the last one
IN_ROW = 20  # from the top of its row to the line of an arrow
BELOW_LAST = 6  # from the end of the lifelines to the bottom
TIP, TIP_HALF, TIP_GAP = 8, 4, 6  # the tip of an arrow: length, half its height, and where its line ends before it
ABOVE_LINE = 6  # the text of a message above its line

# Timelines
LABELS, PLOT, MARGIN, AXIS = 116, 580, 24, 30  # lane names, the width of all time, margin right, axis below
LANE_ROW, BAR_HEIGHT, PAD = 30, 24, 6  # a row of bars, a bar, the space above and below a lane
CENTER = 4  # from the middle of a bar or lane down to the baseline of its text
BAR_LETTER, SHORTEST = 7.5, 2.0  # the width of a letter of a bar's text, and of the shortest bar
ROUNDING = 3  # of a bar's corners, at most
TOUCH = 4.0  # bars that overlap by less follow one another, as far as clocks can tell
TICK, TICK_BASELINE = 4, 20  # below the lanes: the end of a tick, and the baseline of its text
TICKS = 8  # on the axis, at most


class Message(TypedDict):
    """One arrow: seconds since the first one, who sends, who receives, what."""

    at: float
    source: str
    target: str
    text: str


class Bar(TypedDict):
    """What one lane did from *start* to *end*."""

    lane: str
    start: float
    end: float
    text: str


def sequence(messages: Sequence[Message], actors: Mapping[str, str], title: str) -> str:
    """The SVG of *messages*, in order; *actors* gives the lifelines from left to right and their names on the page."""
    gap = _gap(messages, list(actors))
    x = {actor: SIDE + index * gap for index, actor in enumerate(actors)}
    width = 2 * SIDE + (len(actors) - 1) * gap
    height = HEADER + ROW * len(messages) + FOOTER
    box_end = BOX_TOP + BOX_HEIGHT
    parts = [
        f'<g class="actor actor-{number}"><rect x="{x[actor] - BOX_WIDTH // 2}" y="{BOX_TOP}" width="{BOX_WIDTH}" '
        f'height="{BOX_HEIGHT}" rx="4"/>{_centered(x[actor], BOX_TOP + BOX_BASELINE, name)}'
        f'<line x1="{x[actor]}" y1="{box_end}" x2="{x[actor]}" y2="{height - BELOW_LAST}"/></g>'
        for number, (actor, name) in enumerate(actors.items(), start=1)
    ]
    parts += [_arrow(message, x, HEADER + ROW * row + IN_ROW) for row, message in enumerate(messages)]
    return _svg("sequence", width, height, title, parts)


def messages_as_list(messages: Sequence[Message], actors: Mapping[str, str]) -> str:
    """The same messages as an ordered list, for readers who cannot see the drawing."""
    items = []
    for message in messages:
        who = f"{escape(actors[message['source']])} → {escape(actors[message['target']])}"
        items.append(f"<li>{_milliseconds(message)}: {who}: <code>{escape(message['text'])}</code></li>")
    return f"<ol>{''.join(items)}</ol>"


def timeline(bars: Sequence[Bar], lanes: Mapping[str, str], title: str, decimal: str = ".") -> str:
    """The SVG of *bars*; *lanes* gives the lanes from top to bottom and their names on the page.

    Bars of one lane that overlap are in rows one below the other. Numbers have the *decimal* sign.
    """
    step, last = _scale(max((bar["end"] for bar in bars), default=0.0))
    pixels = PLOT / (step * last)  # for a second
    packed = {lane: _rows([bar for bar in bars if bar["lane"] == lane], TOUCH / pixels) for lane in lanes}
    heights = {lane: 2 * PAD + LANE_ROW * max(1, len(rows)) for lane, rows in packed.items()}
    height, width = sum(heights.values()), LABELS + PLOT + MARGIN
    ticks = ((LABELS + number * step * pixels, _number(number * step, "g", decimal)) for number in range(last + 1))
    parts = [
        f'<g class="tick"><line x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{height + TICK}"/>'
        f"{_centered(f'{x:.1f}', height + TICK_BASELINE, f'{seconds} s')}</g>"
        for x, seconds in ticks
    ]
    y = 0
    for number, (lane, name) in enumerate(lanes.items(), start=1):
        middle = y + heights[lane] / 2 + CENTER
        parts.append(f'<g class="lane lane-{number}"><text x="0" y="{middle:g}">{escape(name)}</text>')
        for index, row in enumerate(packed[lane]):
            top = y + PAD + index * LANE_ROW + (LANE_ROW - BAR_HEIGHT) // 2
            parts += [_bar(bar, pixels, top, decimal) for bar in row]
        y += heights[lane]
        parts.append(f'<line x1="0" y1="{y}" x2="{width}" y2="{y}"/></g>')
    return _svg("timeline", width, height + AXIS, title, parts)


def bars_as_table(bars: Sequence[Bar], lanes: Mapping[str, str], decimal: str = ".") -> str:
    """The same bars as a table with a row for each lane, for readers who cannot see the drawing."""
    lines = []
    for lane, name in lanes.items():
        own = sorted((bar for bar in bars if bar["lane"] == lane), key=lambda bar: bar["start"])
        spans = ", ".join(f"<code>{escape(bar['text'])}</code> {_span(bar, decimal)}" for bar in own)
        lines.append(f'<tr><th scope="row">{escape(name)}</th><td>{spans or "—"}</td></tr>')
    return f"<table><tbody>{''.join(lines)}</tbody></table>"


def _svg(kind: str, width: int, height: int, title: str, parts: Iterable[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}" class="{kind}" '
        f'width="{width}" height="{height}">{"".join(parts)}</svg>'
    )


def _centered(x: float | str, y: float, text: str) -> str:
    return f'<text x="{x}" y="{y:g}" text-anchor="middle">{escape(text)}</text>'


def _gap(messages: Sequence[Message], actors: Sequence[str]) -> int:
    """The distance of two lifelines: as short as the texts allow, because the page shrinks a wide drawing."""
    places = {actor: index for index, actor in enumerate(actors)}
    needed = (
        (len(message["text"]) * MESSAGE_LETTER + MESSAGE_SPACE)
        / max(1, abs(places[message["source"]] - places[message["target"]]))
        for message in messages
    )
    return ceil(max([GAP, *needed]))


def _arrow(message: Message, x: Mapping[str, int], y: int) -> str:
    start, end = x[message["source"]], x[message["target"]]
    towards = 1 if end > start else -1
    back = end - towards * TIP
    return (
        f'<g class="message"><title>{_milliseconds(message)}</title><line x1="{start}" y1="{y}" '
        f'x2="{end - towards * TIP_GAP}" y2="{y}"/>'
        f'<polygon points="{end},{y} {back},{y - TIP_HALF} {back},{y + TIP_HALF}"/>'
        f"{_centered(f'{(start + end) / 2:g}', y - ABOVE_LINE, message['text'])}</g>"
    )


def _milliseconds(message: Message) -> str:
    return f"{message['at'] * 1000:.0f} ms"


def _scale(end: float) -> tuple[float, int]:
    """The seconds from one tick to the next (1, 2 or 5 times a power of ten), and the number of the last tick."""
    if end <= 0:
        return 1.0, 1
    power = 10.0 ** floor(log10(end / TICKS))
    step = next(factor * power for factor in (1, 2, 5, 10) if end <= factor * power * TICKS)
    return step, ceil(round(end / step, 6))  # rounded first: 0.3 / 0.1 is a little more than 3


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
    x, width = LABELS + bar["start"] * pixels, max(SHORTEST, (bar["end"] - bar["start"]) * pixels)
    fits = len(bar["text"]) * BAR_LETTER < width
    text = _centered(f"{x + width / 2:.1f}", y + BAR_HEIGHT / 2 + CENTER, bar["text"]) if fits else ""
    return (
        f'<g class="bar"><title>{escape(bar["text"])} {_span(bar, decimal)}</title><rect x="{x:.1f}" y="{y}" '
        f'width="{width:.1f}" height="{BAR_HEIGHT}" rx="{min(ROUNDING, width / 2):g}"/>{text}</g>'
    )
