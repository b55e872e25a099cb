"""Draws how the planner's time grows with layers and workers, from bench_planner's own figures.

  build/release/bin/bench_planner --benchmark_repetitions=5 --benchmark_out=planner.json --benchmark_out_format=json
  benchmarks/planner_growth.py planner.json docs/planner_growth.svg

Of repetitions the least counts: whatever else runs on the machine only adds.
Both axes are logarithmic; a dashed line grows as fast as its label says.
"""

import json
import math
import sys

# Title, benchmark, the argument that is kept, the one that grows, and the slope drawn beside.
PANELS = [
    ("best plan, 72 layers", "best_plan_of", ("layers", 72), "workers", 1),
    ("best plan, 300 workers", "best_plan_of", ("workers", 300), "layers", 2),
    ("reaction to a loss, 72 layers", "reaction_to_a_loss", ("layers", 72), "workers", 1),
    ("all templates of 1 to 64 nodes", "templates_up_to", ("nodes_max", 64), "layers", 2),
]
WIDTH, HEIGHT, MARGIN = 330, 250, 48
TO_MS = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3}


def points_of(report, name, kept, grows):
    """(argument, milliseconds of processor time), ascending."""
    points = {}
    for run in report["benchmarks"]:
        parts = run["name"].split("/")
        if parts[0] != name or run.get("run_type") == "aggregate":
            continue
        arguments = dict(part.split(":") for part in parts[1:] if ":" in part)
        if int(arguments.get(kept[0], -1)) != kept[1]:
            continue
        argument, ms = int(arguments[grows]), run["cpu_time"] * TO_MS[run["time_unit"]]
        points[argument] = min(ms, points.get(argument, ms))
    return sorted(points.items())


def ticks(least, most):
    """Powers of ten in the range, and with them 3 times these where they are few."""
    first, last = math.floor(math.log10(least)), math.ceil(math.log10(most))
    tens = [10.0**power for power in range(first, last + 1)]
    all_ticks = tens if last - first > 2 else sorted(tens + [3 * ten for ten in tens])
    return [tick for tick in all_ticks if least <= tick <= most]


class Panel:
    def __init__(self, left, top, points):
        self.left, self.top, self.points = left, top, points
        xs, ys = zip(*points)
        self.x_range = (min(xs) / 1.2, max(xs) * 1.2)
        self.y_range = (min(ys) / 2, max(ys) * 2)

    def x(self, value):
        low, high = map(math.log, self.x_range)
        return self.left + MARGIN + (math.log(value) - low) / (high - low) * (WIDTH - MARGIN - 20)

    def y(self, value):
        low, high = map(math.log, self.y_range)
        part = (math.log(value) - low) / (high - low)
        return self.top + HEIGHT - MARGIN - part * (HEIGHT - MARGIN - 40)

    def line(self, points, style):
        path = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        return f'<polyline points="{path}" fill="none" {style}/>'

    def draw(self, title, grows, slope):
        left, bottom = self.left + MARGIN, self.top + HEIGHT - MARGIN
        yield f'<text x="{left}" y="{self.top + 22}" class="title">{title}</text>'
        yield f'<path d="M{left} {self.top + 40}V{bottom}H{self.left + WIDTH - 20}" class="axis"/>'
        for tick in ticks(*self.y_range):
            yield f'<text x="{left - 6}" y="{self.y(tick) + 4:.1f}" class="y">{tick:g} ms</text>'
        for value, _ in self.points:
            yield f'<text x="{self.x(value):.1f}" y="{bottom + 16}" class="x">{value}</text>'
        yield f'<text x="{self.left + WIDTH - 20}" y="{bottom + 34}" class="y">{grows}</text>'
        first, last = self.points[0], self.points[-1]
        guide = [(x, first[1] * (x / first[0]) ** slope) for x in (first[0], last[0])]
        guide = [(x, min(max(y, self.y_range[0]), self.y_range[1])) for x, y in guide]
        yield self.line(guide, 'class="guide"')
        label = "linear" if slope == 1 else "square"
        x, y = self.x(guide[1][0]), self.y(guide[1][1])
        yield f'<text x="{x:.1f}" y="{y - 6:.1f}" class="y">{label}</text>'
        yield self.line(self.points, 'class="line"')
        for x, y in self.points:
            yield f'<circle cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="3" class="dot"/>'


def svg_of(report):
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * WIDTH}" height="{2 * HEIGHT}" '
        f'viewBox="0 0 {2 * WIDTH} {2 * HEIGHT}">',
        "<style>text{font:11px sans-serif;fill:#333}.title{font-size:13px;font-weight:600}"
        ".x{text-anchor:middle}.y{text-anchor:end}.axis{fill:none;stroke:#999}"
        ".guide{stroke:#bbb;stroke-dasharray:4 4}.line{stroke:#1f6f8b;stroke-width:2}"
        ".dot{fill:#1f6f8b}</style>",
        f'<rect width="{2 * WIDTH}" height="{2 * HEIGHT}" fill="#fff"/>',
    ]
    for index, (title, name, kept, grows, slope) in enumerate(PANELS):
        points = points_of(report, name, kept, grows)
        if len(points) < 2:
            sys.exit(f"planner_growth: {name} with {kept[0]} {kept[1]}: fewer than two figures")
        panel = Panel(index % 2 * WIDTH, index // 2 * HEIGHT, points)
        parts.extend(panel.draw(title, grows, slope))
    return "\n".join([*parts, "</svg>", ""])


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        report = json.load(file)
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write(svg_of(report))


if __name__ == "__main__":
    main()
