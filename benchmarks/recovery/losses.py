"""What the events of a run say about its losses and joins. Pure; runs.py leaves the events.

All times are the run's own, in milliseconds on the machine's monotonic clock. result.json counts the
same things; this reading shares no code with it, and where the two differ run.py says so.
"""

import dataclasses
import json
import pathlib
import statistics

WARM_UP = 2  # steps that count for nothing


@dataclasses.dataclass
class Loss:
    """A fault that took a computing worker away, and what came after it until the next commit."""

    worker: int
    kind: str  # kill or stop
    order: str
    phase: str
    step: int  # in flight
    fault_ms: float
    from_ms: float  # the later of fault and last commit before it was noticed: that step lost nothing
    lost_ms: float | None = None
    view_ms: float | None = None
    moved_ms: float | None = None  # migration_end, where layers had to be sent
    begin_ms: float | None = None  # everybody may compute again
    commit_ms: float | None = None
    layout: dict | None = None  # of the view that training went on in, workers renumbered
    members: int = 0
    rolled_back: int = 0  # steps that all had to compute again, since nobody was left with a layer
    overlapped: bool = False  # another fault came before the next commit

    @property
    def whole(self) -> bool:
        return not self.overlapped and None not in (self.lost_ms, self.view_ms, self.begin_ms,
                                                    self.commit_ms)


@dataclasses.dataclass
class PlannedView:
    """A view that rode on a record: from its commit to the next step's first action."""

    view: int
    step: int
    newcomers: list[int]
    gap_ms: float
    usual_gap_ms: float  # median of the run's other steps
    step_ms: float  # median step of the run

    @property
    def waited_ms(self) -> float:
        return max(0.0, self.gap_ms - self.usual_gap_ms)


def read(path: pathlib.Path) -> list[dict]:
    return [json.loads(line) for line in path.open()]


def renumbered(layout: dict, members: list[int]) -> dict:
    """The layout as a run of its own would be given it: workers 0, 1, ... in order of number, those
    that compute first (others are spares there)."""
    computing = {stage["worker"] for pipeline in layout["pipelines"]
                 for stage in pipeline["stages"]}
    order = sorted(members, key=lambda worker: (worker not in computing, worker))
    place = {worker: number for number, worker in enumerate(order)}
    pipelines = [{"micro_batches": pipeline["micro_batches"],
                  "stages": [{**stage, "worker": place[stage["worker"]]}
                             for stage in pipeline["stages"]]}
                 for pipeline in layout["pipelines"]]
    shadows = [{"worker": place[shadow["worker"]], "layers": shadow["layers"]}
               for shadow in layout.get("shadows", []) if shadow["worker"] in place]
    return {"pipelines": pipelines, **({"shadows": shadows} if shadows else {})}


def text_of(layout: dict) -> str:
    """`8x(0-4 5-9)`: a pipeline's micro-batches and its stages' layers; shadows are left out."""
    return " + ".join(
        f"{pipeline['micro_batches']}x("
        + " ".join(f"{s['first_layer']}-{s['last_layer']}" for s in pipeline["stages"]) + ")"
        for pipeline in layout["pipelines"])


def losses_of(events: list[dict]) -> list[Loss]:
    """In order; a fault on somebody that computed nothing then is left out: nobody waits for it."""
    found: list[Loss] = []
    open_: list[Loss] = []
    computing: set[int] = set()
    commit_ms = 0.0
    for event in events:
        name, t_ms = event["event"], event["t_ms"]
        if name == "fault_injected" and event["kind"] in ("kill", "stop"):
            if event["worker"] in computing:
                loss = Loss(event["worker"], event["kind"], event["order"], event.get("phase") or "",
                            event["step"], t_ms, t_ms)
                for other in open_:
                    other.overlapped = loss.overlapped = True
                open_.append(loss)
                found.append(loss)
        elif name == "worker_lost":
            for loss in open_:
                if loss.worker == event["worker"]:
                    loss.lost_ms = t_ms
                    loss.from_ms = max(loss.from_ms, commit_ms)
        elif name == "view":
            computing = {stage["worker"] for pipeline in event["layout"]["pipelines"]
                         for stage in pipeline["stages"]}
            members = [member["worker"] for member in event["members"]]
            for loss in open_:
                if loss.lost_ms is not None and not event["planned"]:
                    loss.view_ms = t_ms if loss.view_ms is None else loss.view_ms
                    loss.layout = renumbered(event["layout"], members)
                    loss.members = len(members)
        elif name == "migration_end":
            for loss in open_:
                loss.moved_ms = t_ms
        elif name == "rolled_back":
            for loss in open_:
                loss.rolled_back += event["from"] - event["to"]
        elif name == "resumed":
            for loss in open_:
                loss.begin_ms = t_ms
        elif name == "step_committed":
            commit_ms = t_ms
            for loss in open_:
                if loss.begin_ms is not None:
                    loss.commit_ms = t_ms
            open_ = [loss for loss in open_ if loss.commit_ms is None]
    return found


def step_ms(events: list[dict]) -> float:
    """The median step without warm-up."""
    steps = [event["step_ms"] for event in events if event["event"] == "step_committed"]
    return statistics.median(steps[WARM_UP:])


def longest_action_ms(timeline: dict) -> float | None:
    """The longest forward or backward of one micro-batch: what cannot be interrupted."""
    actions = [event["dur"] / 1000 for event in timeline["traceEvents"]
               if event.get("cat") in ("forward", "backward") and event.get("ph") == "X"
               and event["args"]["step"] > WARM_UP]
    return max(actions, default=None)


def filling_steps(events: list[dict]) -> tuple[set[int], set[int]]:
    """The steps while states are on their way to newcomers, and those before the first of them."""
    filling: set[int] = set()
    began: int | None = None
    last = 0
    for event in events:
        last = max(last, event["step"])
        if event["event"] == "migration_begin" and began is None:
            began = event["step"]
        elif event["event"] == "migration_end" and began is not None:
            filling |= set(range(began, event["step"] + 1))
            began = None
    if began is not None:
        filling |= set(range(began, last + 1))
    joined = [event["step"] for event in events
              if event["event"] == "fault_injected" and event["kind"] == "join"]
    before = set(range(WARM_UP + 1, min(joined, default=0)))
    return filling, before


def copying_ms(timeline: dict, filling: set[int], before: set[int]) -> list[float]:
    """For each step while states are on their way: by how much longer than before the joins its
    `apply` took at the worker where that is most. It holds the copies that others are sent and the
    roles of a new view, but also the optimizer of what the worker has begun to shadow. Only the
    first steps of a run have spans."""
    spans: dict[int, dict[int, float]] = {}
    for event in timeline["traceEvents"]:
        if event.get("cat") == "apply" and event.get("ph") == "X":
            spans.setdefault(event["pid"], {})[event["args"]["step"]] = event["dur"] / 1000
    usual = {worker: statistics.median(ms for step, ms in of_worker.items() if step in before)
             for worker, of_worker in spans.items() if before & of_worker.keys()}
    steps = sorted({step for worker in usual for step in spans[worker] if step in filling})
    return [max(spans[worker][step] - usual[worker] for worker in usual if step in spans[worker])
            for step in steps]


def planned_views(events: list[dict]) -> list[PlannedView]:
    """Every planned view: by how much later than usual the others began their next step."""
    commits: dict[int, float] = {}
    first_action: dict[int, float] = {}
    views: list[tuple[dict, list[int]]] = []
    unplanned_steps: set[int] = set()
    before: set[int] = set()
    for event in events:
        if event["event"] == "step_committed":
            commits[event["step"]] = event["t_ms"]
        elif event["event"] == "computed":
            step = event["step"]
            if step - 1 in commits and event["t_ms"] >= commits[step - 1]:
                first_action.setdefault(step, event["t_ms"])
        elif event["event"] == "view":
            members = {member["worker"] for member in event["members"]}
            if event["planned"]:
                views.append((event, sorted(members - before)))
            else:
                unplanned_steps.add(event["first_step"])
            before = members
    gaps = {step: t_ms - commits[step - 1] for step, t_ms in first_action.items()}
    planned_steps = {event["first_step"] for event, _ in views}
    usual = [gap for step, gap in gaps.items()
             if step > WARM_UP and step not in planned_steps | unplanned_steps]
    if not usual:
        return []
    return [PlannedView(event["view"], event["first_step"], newcomers, gaps[event["first_step"]],
                        statistics.median(usual), step_ms(events))
            for event, newcomers in views if event["first_step"] in gaps]
