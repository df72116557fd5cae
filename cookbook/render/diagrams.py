"""Sequence diagrams drawn from what a run recorded: inline SVG that takes its colours from the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil
from typing import TypedDict

TOP, ROW, SIDE = 56, 34, 80  # pixels: header, one arrow, margin
GAP, LETTER, ROOM = 156, 7.3, 32  # pixels: between two lifelines at least, a letter of a message, around its text


class Message(TypedDict):
    """One arrow: seconds since the first one, who sends, who receives, what."""

    at: float
    source: str
    target: str
    text: str


def sequence(messages: Sequence[Message], actors: Mapping[str, str], title: str) -> str:
    """The SVG of *messages*, in order; *actors* gives the lifelines from left to right and their names on the page."""
    gap = _gap(messages, list(actors))
    x = {actor: SIDE + index * gap for index, actor in enumerate(actors)}
    width = 2 * SIDE + (len(actors) - 1) * gap
    height = TOP + ROW * len(messages) + 16
    parts = [
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}" class="sequence" '
        f'width="{width}" height="{height}">'
    ]
    for number, (actor, name) in enumerate(actors.items(), start=1):
        parts.append(
            f'<g class="actor actor-{number}"><rect x="{x[actor] - 66}" y="6" width="132" height="30" rx="4"/>'
            f'<text x="{x[actor]}" y="26" text-anchor="middle">{escape(name)}</text>'
            f'<line x1="{x[actor]}" y1="36" x2="{x[actor]}" y2="{height - 6}"/></g>'
        )
    for row, message in enumerate(messages):
        parts.append(_arrow(message, x, TOP + ROW * row + 20))
    return "".join([*parts, "</svg>"])


def steps(messages: Sequence[Message], actors: Mapping[str, str]) -> str:
    """The same messages as an ordered list, for those who read rather than look."""
    items = []
    for message in messages:
        who = f"{escape(actors[message['source']])} → {escape(actors[message['target']])}"
        items.append(f"<li>{message['at'] * 1000:.0f} ms: {who}: <code>{escape(message['text'])}</code></li>")
    return f"<ol>{''.join(items)}</ol>"


def _gap(messages: Sequence[Message], actors: Sequence[str]) -> int:
    """The distance of two lifelines: as short as the texts allow, for the page scales a wide drawing down."""
    places = {actor: index for index, actor in enumerate(actors)}
    needed = (
        (len(message["text"]) * LETTER + ROOM) / max(1, abs(places[message["source"]] - places[message["target"]]))
        for message in messages
    )
    return ceil(max([GAP, *needed]))


def _arrow(message: Message, x: Mapping[str, int], y: int) -> str:
    start, end = x[message["source"]], x[message["target"]]
    towards = 1 if end > start else -1
    tip = f"{end},{y} {end - towards * 8},{y - 4} {end - towards * 8},{y + 4}"
    return (
        f'<g class="message"><title>{message["at"] * 1000:.0f} ms</title>'
        f'<line x1="{start}" y1="{y}" x2="{end - towards * 6}" y2="{y}"/><polygon points="{tip}"/>'
        f'<text x="{(start + end) / 2:g}" y="{y - 6}" text-anchor="middle">{escape(message["text"])}</text></g>'
    )
