"""The learning curve as SVG, which works offline and without scripts."""

from collections.abc import Sequence
from typing import Any

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 60, 16, 14, 34


def learning_curve(points: Sequence[dict[str, Any]]) -> str:
    """An <svg> of `value` with the band from `low` to `high` over `labels`; "" without points.

    All values lie in [0, 1]; `labels` grow from point to point.
    """
    if not points:
        return ""
    most = max(points[-1]["labels"], 1)

    def place(labels: float, value: float) -> str:
        x = LEFT + (WIDTH - LEFT - RIGHT) * labels / most
        y = TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - value)
        return f"{x:.1f},{y:.1f}"

    line = " ".join(place(p["labels"], p["value"]) for p in points)
    upper = [place(p["labels"], p["high"]) for p in points]
    lower = [place(p["labels"], p["low"]) for p in points]
    last = place(points[-1]["labels"], points[-1]["value"]).split(",")
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Learning curve">'
        f"{_grid(most)}"
        f'<polygon class="band" points="{" ".join([*upper, *reversed(lower)])}"/>'
        f'<polyline class="curve" points="{line}"/>'
        f'<circle class="dot" cx="{last[0]}" cy="{last[1]}" r="4"/>'
        "</svg>"
    )


def _grid(most: int) -> str:
    parts = []
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{value:g}</text>')
    for labels in sorted({0, most // 2, most}):
        x = LEFT + (WIDTH - LEFT - RIGHT) * labels / most
        parts.append(f'<text x="{x}" y="{HEIGHT - 10}" text-anchor="middle">{labels}</text>')
    return "".join(parts)
