"""What the measured steps say: medians, paired ratios, the table. Pure; run.py measures.

A results file is {"version": 1, "machine": {...}, "cpus": "...", "sizes": {"example": {"options":
{...}, "rounds": [{"order": [...], "load": 0.4, "step_ms": {"plain": [...], ...}, "ideal_ms": 312.0,
"no_bubble_ms": 290.0}]}}}.
The first WARM_UP steps of every run count for nothing.
"""

import dataclasses
import statistics

WARM_UP = 2

CONTENDERS = {
    "plain": "plain LibTorch loop, 1 process",
    "two-plain": "plain LibTorch loop, two at once, each",
    "alone": "planaria, 1 worker",
    "torch-1f1b": "torch.distributed.pipelining 1F1B, 2 stages",
    "torch-zbv": "torch.distributed.pipelining ZBV, 2 ranks",
    "stages": "planaria 1F1B, 2 stages",
    "zero-bubble": "planaria ZB-H2, 2 stages",
    "zero-bubble-v": "planaria ZB-V, 2 workers",
    "ddp": "DistributedDataParallel, 2 processes",
    "width": "planaria, width 2",
}
IDEAL = "ideal 1F1B of the same kernels, 2 stages"
NO_BUBBLE = "ZB-H2's kernels without any bubble"


KERNELS = ("forward", "backward", "backward_input", "backward_weight", "recompute")


@dataclasses.dataclass(frozen=True)
class Goal:
    """Speed of `ours` as a multiple of `baseline`: baseline's milliseconds by ours."""

    ours: str
    baseline: str  # a contender, "ideal" or "no-bubble"
    at_least: dict[str, float]  # by size


GOALS = (
    Goal("alone", "plain", {"example": 0.98}),
    Goal("stages", "ideal", {"example": 0.97}),
    Goal("stages", "torch-1f1b", {"example": 1.02, "small": 1.5}),
    Goal("zero-bubble", "torch-1f1b", {"example": 1.10}),
    Goal("zero-bubble", "torch-zbv", {"example": 1.02}),
    Goal("zero-bubble", "no-bubble", {"example": 0.94}),
    Goal("zero-bubble", "stages", {}),
    Goal("zero-bubble-v", "torch-zbv", {}),
    Goal("width", "ddp", {"example": 0.98}),
    # Below 1, two processes do not get two whole cores: others compute, or the cores are shared.
    Goal("two-plain", "plain", {}),
    Goal("stages", "plain", {}),
    Goal("width", "plain", {}),
)


@dataclasses.dataclass(frozen=True)
class Ratio:
    goal: Goal
    median: float
    least: float
    most: float
    rounds: int
    at_least: float | None

    @property
    def met(self) -> bool | None:
        return None if self.at_least is None else self.median >= self.at_least


def step_ms(steps: list[float]) -> float:
    """The median step of one run, without its warm-up."""
    if len(steps) <= WARM_UP:
        raise ValueError(f"{len(steps)} steps, must be more than the {WARM_UP} of the warm-up")
    return statistics.median(steps[WARM_UP:])


def milliseconds(round_: dict, contender: str) -> float | None:
    """What `contender` took in a round, or None where it did not run."""
    if contender in ("ideal", "no-bubble"):
        return round_.get(contender.replace("-", "_") + "_ms")
    steps = round_["step_ms"].get(contender)
    return None if steps is None else step_ms(steps)


def medians(rounds: list[dict], contender: str) -> list[float]:
    found = (milliseconds(round_, contender) for round_ in rounds)
    return [ms for ms in found if ms is not None]


def ratios(size: str, rounds: list[dict]) -> list[Ratio]:
    """Paired: both sides of a ratio are of one round, minutes apart at most."""
    result = []
    for goal in GOALS:
        pairs = [(milliseconds(r, goal.baseline), milliseconds(r, goal.ours)) for r in rounds]
        values = [base / ours for base, ours in pairs if base is not None and ours is not None]
        if values:
            result.append(Ratio(goal, statistics.median(values), min(values), max(values),
                                len(values), goal.at_least.get(size)))
    return result


def kernel_ms(timeline: dict, stages: list[int]) -> tuple[list[float], list[float]]:
    """Median forward and backward of one micro-batch by stage, from a run's timeline.json (Chrome
    trace events; `stages` are the workers in order of their stages). Waits, sends and sums have
    categories of their own and are left out, and so are the steps of the warm-up."""
    found: dict[tuple[int, str], list[float]] = {}
    for event in timeline["traceEvents"]:
        category = event.get("cat")
        if category not in ("forward", "backward") or event.get("ph") != "X":
            continue
        if event["args"]["step"] > WARM_UP:
            found.setdefault((event["pid"], category), []).append(event["dur"] / 1000)
    for worker in stages:
        for category in ("forward", "backward"):
            if (worker, category) not in found:
                raise ValueError(f"no {category} of worker {worker} behind the warm-up")
    return ([statistics.median(found[worker, "forward"]) for worker in stages],
            [statistics.median(found[worker, "backward"]) for worker in stages])


def no_bubble_ms(timeline: dict) -> float:
    """The median over steps of the busier worker's kernels: no schedule of two stages is faster."""
    busy: dict[tuple[int, int], float] = {}
    for event in timeline["traceEvents"]:
        if event.get("ph") == "X" and event.get("cat") in KERNELS:
            if event["args"]["step"] > WARM_UP:
                place = (event["args"]["step"], event["pid"])
                busy[place] = busy.get(place, 0.0) + event["dur"] / 1000
    if not busy:
        raise ValueError("no kernels behind the warm-up")
    return statistics.median(max(ms for (step, _), ms in busy.items() if step == wanted)
                             for wanted in sorted({step for step, _ in busy}))


def title(contender: str) -> str:
    return {"ideal": IDEAL, "no-bubble": NO_BUBBLE}.get(contender) or CONTENDERS[contender]


def table(size: str, of_size: dict) -> str:
    rounds = of_size["rounds"]
    loads = [round_["load"] for round_ in rounds]
    shape = " ".join(f"{name} {value}" for name, value in of_size["options"].items())
    lines = [f"{size}: {shape}",
             f"rounds {len(rounds)}, load average before each {min(loads):.2f} to {max(loads):.2f}",
             "",
             f"{'':46}{'ms per step':>12}{'least':>10}{'most':>10}"]
    for contender in (*CONTENDERS, "ideal", "no-bubble"):
        values = medians(rounds, contender)
        if values:
            lines.append(f"{title(contender):46}{statistics.median(values):12.2f}"
                         f"{min(values):10.2f}{max(values):10.2f}")
    lines += ["", f"{'speed, paired by round':46}{'median':>12}{'least':>10}{'most':>10}  goal"]
    for ratio in ratios(size, rounds):
        goal = ""
        if ratio.at_least is not None:
            goal = f"  {ratio.at_least:.2f} {'met' if ratio.met else 'missed'}"
        name = f"{ratio.goal.ours} / {ratio.goal.baseline}"
        lines.append(f"{name:46}{ratio.median:12.3f}{ratio.least:10.3f}{ratio.most:10.3f}{goal}")
    return "\n".join(lines)
