"""The results as a picture: for each query lango's rate over each other peer's, as bars on a logarithmic scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import log
from xml.sax.saxutils import escape

from benchmarks.measure import FLOOR, Series
from benchmarks.places import HERE, WORK, console
from benchmarks.report import TITLES, load_title, loads, lone, ratios
from benchmarks.servers import LANGO

PICTURE = WORK / "results.svg"
# Beside the page that shows it.
SHOWN = HERE / "results.svg"
TITLE = "lango's requests a second over each peer's"
# All in pixels: the names of the queries, where bars begin and end, and a bar.
WIDTH, LEFT, RIGHT, MARGIN = 860, 210, 830, 24
BAR, GAP, BETWEEN, LINE = 10, 3, 14, 20
# A value stands beside its bar.
ROOM = 40
TICKS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
# Readable on light and on dark; pgbench, which is no gateway, is grey.
COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#b279a2", "#e45756", "#72b7b2")
GREY = "#8b949e"
STYLE = """
    text { font: 11px system-ui, sans-serif; fill: #24292f } .title { font-size: 16px; font-weight: 600 }
    .name { font-weight: 600 } .end { text-anchor: end } .middle { text-anchor: middle }
    .faint { fill: #57606a } line { stroke: #d0d7de } .one { stroke: #57606a } .paper { fill: #ffffff }
    @media (prefers-color-scheme: dark) {
        text { fill: #e6edf3 } .faint { fill: #9198a1 } line { stroke: #30363d } .one { stroke: #9198a1 }
        .paper { fill: #0d1117 }
    }
"""


class Scale:
    """Where a ratio lies: 1, where both are as fast, is a line; each doubling is as wide."""

    def __init__(self, found: Sequence[float]) -> None:
        self.least, self.most = min([0.5, *found]), max([2, *found])

    def __call__(self, ratio: float) -> float:
        part = log(ratio / self.least) / log(self.most / self.least)
        return round(LEFT + ROOM + part * (RIGHT - LEFT - 2 * ROOM), 1)

    def ticks(self) -> list[float]:
        return [tick for tick in TICKS if self.least <= tick <= self.most]


def save(measured: Sequence[Series], *, write: bool) -> None:
    """Beside the results; with `write` also beside the page."""
    for path in (PICTURE, SHOWN) if write else (PICTURE,):
        path.write_text(drawn(measured))
        console.print(f"[dim]written to {path}[/]")


def drawn(measured: Sequence[Series]) -> str:
    """The picture as SVG: the same for the same results."""
    peers = list(dict.fromkeys(each.peer for each in measured if each.peer != LANGO.name))
    colours = dict(zip((peer for peer in peers if peer != FLOOR), COLOURS, strict=False)) | {FLOOR: GREY}
    groups = list(loads(measured))
    scale = Scale([ratio for *_, group in groups for ratio in ratios(group).values()])
    lines = [f'<text class="title" x="{MARGIN}" y="36">{escape(TITLE)}</text>']
    below = "to the right of 1 lango answers more, to the left the peer does"
    lines.append(f'<text class="faint" x="{MARGIN}" y="56">Medians, on a logarithmic scale: {below}.</text>')
    height = 80
    for number, peer in enumerate(peers):
        x, y = MARGIN + number % 4 * 200, height + number // 4 * LINE
        lines.append(f'<rect x="{x}" y="{y - BAR + 1}" width="{BAR}" height="{BAR}" fill="{colours[peer]}"/>')
        lines.append(f'<text x="{x + 16}" y="{y}">{escape(TITLES.get(peer, peer))}</text>')
    height += (len(peers) + 3) // 4 * LINE
    for workers, connections in dict.fromkeys((workers, connections) for _, workers, connections, _ in groups):
        chosen = [(query, group) for query, at, loaded, group in groups if (at, loaded) == (workers, connections)]
        lines.append(f'<text class="name" x="{MARGIN}" y="{height + LINE}">{load_title(workers, connections)}</text>')
        part, height = panel(chosen, scale, colours, height + 2 * LINE)
        lines += part
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(TITLE)}">'
    paper = f'<rect class="paper" width="{WIDTH}" height="{height}"/>'
    return "\n".join([head, f"<style>{STYLE}</style>", paper, *lines, "</svg>", ""])


def panel(
    groups: Sequence[tuple[str, list[Series]]], scale: Scale, colours: dict[str, str], top: int
) -> tuple[list[str], int]:
    """The bars under one load, from `top` on; and where they end."""
    lines: list[str] = []
    y = top
    for query, group in groups:
        part = list(bars(query, group, scale, colours, y))
        lines += part
        y += max(2, len(ratios(group))) * (BAR + GAP) + BETWEEN
    grid = []
    for tick in scale.ticks():
        x, kind = scale(tick), ' class="one"' if tick == 1 else ""
        grid.append(f'<line{kind} x1="{x}" x2="{x}" y1="{top - 6}" y2="{y}"/>')
        grid.append(f'<text class="middle faint" x="{x}" y="{y + 14}">{tick:g}</text>')
    axis = f'<text class="end faint" x="{RIGHT}" y="{y + 30}">times the peer\'s rate</text>'
    return [*grid, *lines, axis], y + 2 * LINE


def bars(query: str, group: Sequence[Series], scale: Scale, colours: dict[str, str], y: int) -> Iterator[str]:
    """A query's name with lango's own rate, and a bar for each peer."""
    lango = next((each for each in group if each.peer == LANGO.name), None)
    yield f'<text class="name end" x="{LEFT}" y="{y + BAR}">{escape(query)}</text>'
    if lango is None:
        return
    yield f'<text class="end faint" x="{LEFT}" y="{y + BAR + 13}">lango: {lango.rate:,.0f}/s</text>'
    one, found = scale(1), ratios(group)
    if lone(group) and not found:
        yield f'<text class="faint" x="{one + 6:g}" y="{y + BAR}">no other gateway has this rule</text>'
    for peer, ratio in found.items():
        end = scale(ratio)
        width = round(abs(end - one), 1)
        shape = f'x="{min(one, end)}" y="{y}" width="{width}" height="{BAR}"'
        yield f'<rect {shape} fill="{colours[peer]}"/>'
        side, x = ("", end + 4) if ratio >= 1 else (' class="end"', end - 4)
        yield f'<text{side} x="{x:g}" y="{y + BAR - 1}">{ratio:.2f}</text>'
        y += BAR + GAP
