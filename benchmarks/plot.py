"""The cost of a record against the size of the store, as an SVG that is written by hand.

What was measured stands in cost.json, run by run; a run takes the place of an earlier one of
the same length.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

COST = Path(__file__).with_name("cost.svg")
POINTS = Path(__file__).with_name("cost.json")
WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 48, 44, 56
_STYLE = """<style>
text { font: 13px sans-serif; fill: #222 } .line { fill: none; stroke: #0b62c4; stroke-width: 2 }
.dot { fill: #0b62c4 } .axis { stroke: #666 } .grid { stroke: #ccc } .bare { stroke: #a3480f;
stroke-width: 2; stroke-dasharray: 6 4 } .title { font-size: 15px }
@media (prefers-color-scheme: dark) { text { fill: #ddd } .line { stroke: #6cb2ff }
.dot { fill: #6cb2ff } .axis { stroke: #999 } .grid { stroke: #444 } .bare { stroke: #f0a060 } }
</style>"""


@dataclass(frozen=True)
class Run:
    """One mint: how many records, (records in the store, µs of processor a record) from then to
    then, and those of the bare signatures of a record, each made twice, in the same run."""

    records: int
    points: list[tuple[int, float]]
    bare: float


def add(run: Run, points: Path = POINTS, cost: Path = COST) -> None:
    """Keep a run, and draw all of them."""
    kept = [Run(**each) for each in json.loads(points.read_text())] if points.exists() else []
    runs = sorted([r for r in kept if r.records != run.records] + [run], key=lambda r: r.records)
    points.write_text(json.dumps([asdict(each) for each in runs], indent=1) + "\n")
    cost.write_text(drawn(runs))


def drawn(runs: list[Run]) -> str:
    """The plot: sizes on a logarithmic axis, the cost on one that begins at 0."""
    sizes = [size for run in runs for size, _ in run.points]
    low = 10 ** math.floor(math.log10(min(sizes)))
    high = max(10 ** math.ceil(math.log10(max(sizes))), 10 * low)
    most = max(max(cost for _, cost in run.points) for run in runs)
    step = next(each for each in (20, 50, 100, 200, 500, 1000, 5000) if most / each <= 8)
    top = step * math.ceil(max(most, max(run.bare for run in runs)) / step)

    def x(size: float) -> float:
        share = math.log10(size / low) / math.log10(high / low)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(cost: float) -> float:
        return round(HEIGHT - BOTTOM - cost / top * (HEIGHT - TOP - BOTTOM), 1)

    def parts() -> Iterator[str]:
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            'aria-label="Cost of minting a record against the size of the store">'
        )
        yield _STYLE
        yield f'<text class="title" x="{LEFT}" y="22">Bulk mint: what one more record costs</text>'
        for cost in range(0, top + 1, step):
            yield f'<path class="grid" d="M{LEFT} {y(cost)}H{WIDTH - RIGHT}"/>'
            yield f'<text x="{LEFT - 8}" y="{y(cost) + 4}" text-anchor="end">{cost}</text>'
        size = low
        while size <= high:
            yield f'<path class="axis" d="M{x(size)} {y(0)}v6"/>'
            yield f'<text x="{x(size)}" y="{y(0) + 22}" text-anchor="middle">{size:,}</text>'
            size *= 10
        yield f'<path class="axis" d="M{LEFT} {y(0)}H{WIDTH - RIGHT}"/>'
        middle = (LEFT + WIDTH - RIGHT) / 2
        place = f'x="{middle}" y="{HEIGHT - 8}"'
        yield f'<text {place} text-anchor="middle">records in the store</text>'
        yield f'<text x="{LEFT}" y="{TOP - 6}">µs of processor a record, all processes</text>'
        bare = runs[-1].bare
        yield f'<path class="bare" d="M{LEFT} {y(bare)}H{WIDTH - RIGHT}"/>'
        yield (
            f'<text x="{WIDTH - RIGHT}" y="{y(bare) - 6}" text-anchor="end">'
            "its bare signatures, each made twice</text>"
        )
        for run in runs:
            line = "L".join(f"{x(size)} {y(cost)}" for size, cost in run.points)
            yield f'<path class="line" d="M{line}"/>'
            for size, cost in run.points:
                yield f'<circle class="dot" cx="{x(size)}" cy="{y(cost)}" r="3"/>'
        yield "</svg>"

    return "\n".join(parts()) + "\n"
