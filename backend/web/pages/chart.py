"""Pictures as SVG, which work offline and without scripts: the learning curve, how well the model
fits the labels, and what it can label by itself."""

import math
from collections.abc import Callable, Sequence
from html import escape
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
        f"{_grid(most, 1.0)}"
        f'<polygon class="band" points="{" ".join([*upper, *reversed(lower)])}"/>'
        f'<polyline class="curve" points="{line}"/>'
        f'<circle class="dot" cx="{last[0]}" cy="{last[1]}" r="4"/>'
        "</svg>"
    )


FIT_SIDES = {"train": "curve", "validation": "curve validation"}
"""The sides of a fit -> the classes of their lines."""


def fit_curves(points: Sequence[dict[str, Any]], name: str, title: str) -> str:
    """An <svg> of one figure of the fit over `labels`, a line each for `train` and `validation`;
    "" where fewer than two points have one. Figures start at 0; `labels` grow."""
    lines = {
        side: [(one["labels"], one[side][name]) for one in points if side in one]
        for side in FIT_SIDES
    }
    values = [value for line in lines.values() for _, value in line]
    if max(map(len, lines.values())) < 2:
        return ""
    most, top = max(points[-1]["labels"], 1), _round_up(max(values))
    drawn = "".join(
        f'<polyline class="{FIT_SIDES[side]}" points="{_path(line, most, top)}"/>'
        for side, line in lines.items()
        if line
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"{_grid(most, top)}{drawn}</svg>"
    )


def _path(line: Sequence[tuple[int, float]], most: int, top: float) -> str:
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    return " ".join(
        f"{LEFT + wide * labels / most:.1f},{TOP + high * (1.0 - value / top):.1f}"
        for labels, value in line
    )


def _round_up(value: float) -> float:
    """The next of 1, 2 and 4 times a power of ten, so that a quarter of it has few digits."""
    power = 10.0 ** math.floor(math.log10(max(value, 1e-3)))
    return next(step * power for step in (1.0, 2.0, 4.0, 10.0) if step * power >= value * 0.999)


def _grid(most: int, top: float) -> str:
    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - share)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        text = f"{share * top:.3g}"
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{text}</text>')
    for labels in sorted({0, most // 2, most}):
        x = LEFT + (WIDTH - LEFT - RIGHT) * labels / most
        anchor = "end" if labels == most else "middle"  # else a phone cuts it off
        parts.append(f'<text x="{x}" y="{HEIGHT - 10}" text-anchor="{anchor}">{labels}</text>')
    return "".join(parts)


FIGURE_HEIGHT, FIGURE_LEFT, FIGURE_TOP, FIGURE_BOTTOM = 290, 84, 42, 64
"""Of the picture of the coverage: words above it, percentages beside it, and below it numbers and
words, all of them larger on phones."""


def coverage_curve(points: Sequence[dict[str, Any]], goal: float, description: str) -> str:
    """An <svg> of the share of tasks that the model can label over the precision that is asked for:
    `coverage`, which is promised, as a line, up to `likely` as a band, and the point of the goal
    with its value; "" without points. `description`: the same in a sentence.

    All values lie in [0, 1]; `precision` grows from point to point, and one of them is the goal.
    """
    if not points:
        return ""
    first, last = points[0]["precision"], points[-1]["precision"]

    def place(precision: float, share: float) -> tuple[float, float]:
        wide = WIDTH - FIGURE_LEFT - RIGHT
        x = FIGURE_LEFT + wide * (precision - first) / max(last - first, 1e-9)
        high = FIGURE_HEIGHT - FIGURE_TOP - FIGURE_BOTTOM
        return x, FIGURE_TOP + high * (1.0 - share)

    def path(name: str) -> list[str]:
        places = [place(p["precision"], p[name]) for p in points]
        return [f"{x:.1f},{y:.1f}" for x, y in places]

    promised, likely = path("coverage"), path("likely")
    return (
        f'<svg viewBox="0 0 {WIDTH} {FIGURE_HEIGHT}" role="img" '
        'aria-labelledby="by-itself by-itself-is">'
        '<title id="by-itself">What the model can label by itself, by precision</title>'
        f'<desc id="by-itself-is">{escape(description)}</desc>'
        f"{_axes(first, last, place)}"
        f'<polygon class="band" points="{" ".join([*likely, *reversed(promised)])}"/>'
        f'<polyline class="curve" points="{" ".join(promised)}"/>'
        f"{_goal(points, goal, place)}</svg>"
    )


Place = Callable[[float, float], tuple[float, float]]


def _goal(points: Sequence[dict[str, Any]], goal: float, place: Place) -> str:
    """The point of the goal, with its value beside it where there is room."""
    there = [one for one in points if abs(one["precision"] - goal) < 1e-9]
    if not there:
        return ""
    x, y = place(goal, there[0]["coverage"])
    bottom = FIGURE_HEIGHT - FIGURE_BOTTOM
    # The line falls, so above it on the right there is room, and below it on the left.
    is_right = x < WIDTH - RIGHT - 80
    is_above = y > FIGURE_TOP + 24 if is_right else y > bottom - 34
    words_x, words_y = x + 8 if is_right else x - 8, y - 8 if is_above else y + 28
    anchor = "start" if is_right else "end"
    return (
        f'<line class="goal" x1="{x:.1f}" x2="{x:.1f}" y1="{FIGURE_TOP}" y2="{bottom}"/>'
        f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
        f'<text class="value" x="{words_x:.1f}" y="{words_y:.1f}" text-anchor="{anchor}">'
        f"{100 * there[0]['coverage']:.0f} %</text>"
    )


def _axes(first: float, last: float, place: Place) -> str:
    parts = ['<text x="6" y="22">share that the model can label</text>']
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        _, y = place(first, share)
        parts.append(
            f'<line class="grid" x1="{FIGURE_LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" '
            f'y2="{y:.1f}"/>'
        )
        if share in (0.0, 0.5, 1.0):
            text = f"{100 * share:.0f} %"
            at = f'x="{FIGURE_LEFT - 6}" y="{y + 5:.1f}"'
            parts.append(f'<text {at} text-anchor="end">{text}</text>')
    for precision in _ticks(first, last):
        x, _ = place(precision, 0.0)
        anchor = "start" if precision == first else "end" if precision == last else "middle"
        text = f"{100 * precision:g} %"
        y = FIGURE_HEIGHT - FIGURE_BOTTOM + 24
        parts.append(f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}">{text}</text>')
    words = "at least this share of what it labels is right"
    x = FIGURE_LEFT + (WIDTH - FIGURE_LEFT - RIGHT) / 2
    parts.append(f'<text x="{x:.1f}" y="{FIGURE_HEIGHT - 8}" text-anchor="middle">{words}</text>')
    return "".join(parts)


def _ticks(first: float, last: float) -> list[float]:
    """Both ends, and what divides the way between them evenly: 80, 85, 90, 95 and 99 %."""
    step = 0.05 if last - first < 0.3 else 0.1
    between = [round(place * step, 2) for place in range(round(1 / step))]
    inner = [one for one in between if first + 0.6 * step < one < last - 0.6 * step]
    return [first, *inner, last]
