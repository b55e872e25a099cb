"""The tables of what run.py measured, goals beside. Pure."""

import statistics

import losses

MEDIAN_MS_MAX = 60  # of a stall, beside the longest action
STALL_MS_MAX = 150  # of every one, beside it; also to the next step of the toy model
STOP_MS_MAX = 1000
JOIN_SHARE_MAX = 0.05  # of a step

TITLES = {
    "kills": "8 blocks of d-model 256, four workers, killed one after the other",
    "toy": "a model of millisecond steps, four workers, killed one after the other",
    "stops": "SIGSTOP, the same small model",
    "joins": "others join two workers of the large model",
    "torchrun": "torchrun: DDP over Gloo on four ranks, the same size, a checkpoint at every step",
}


def head(part: str, rows: list[dict], noun: str) -> list[str]:
    loads = [row["load"] for row in rows]
    return [f"{part}: {TITLES[part]}",
            f"{len(rows)} {noun}, load average before each run {min(loads):.2f} to {max(loads):.2f}",
            "", f"{'ms':44}{'median':>10}{'least':>10}{'most':>10}  goal"]


def line(name: str, values: list[float], goal: str = "") -> str:
    return (f"{name:44}{statistics.median(values):10.1f}{min(values):10.1f}{max(values):10.1f}"
            + (f"  {goal}" if goal else ""))


def verdict(value: float, limit: float) -> str:
    return "met" if value <= limit else f"missed by {value - limit:.0f}"


def to_commit_ms(row: dict) -> float:
    return row["commit_ms"] - row["from_ms"]


def stall_ms(row: dict) -> float:
    return to_commit_ms(row) - row["fresh_step_ms"]


def parts_of_loss(rows: list[dict]) -> list[str]:
    """Each from the end of the one before it."""
    return [
        line("  kill to worker_lost (detection)", [r["lost_ms"] - r["fault_ms"] for r in rows]),
        line("  to the view", [r["view_ms"] - r["lost_ms"] for r in rows]),
        line("  to everybody ready (transfer, running actions)",
             [r["begin_ms"] - r["view_ms"] for r in rows]),
        line("  kill to Begin, all of these", [r["begin_ms"] - r["fault_ms"] for r in rows]),
        line("  Begin to the commit (resume)", [r["commit_ms"] - r["begin_ms"] for r in rows]),
    ]


def agreement(rows: list[dict]) -> str:
    agreeing = sum(row["result_agrees"] for row in rows)
    return f"result.json says the same of {agreeing} of {len(rows)}"


def rolled_back(rows: list[dict]) -> str:
    """A stall ends with the next committed step, also where that is an old one."""
    found = [row["rolled_back"] for row in rows if row.get("rolled_back", 0) > 0]
    return (f"{len(found)} rolled back (killed before the last loss's layers had a second holder again): "
            f"{sum(found)} steps computed again, which no stall counts")


def kills(rows: list[dict]) -> list[str]:
    stalls = [stall_ms(row) for row in rows]
    # Under load a single action can take any time: the median of the runs' longest is the stricter.
    longest = statistics.median(row["longest_action_ms"] for row in rows
                                if row["longest_action_ms"] is not None)
    median_max, most_max = MEDIAN_MS_MAX + longest, STALL_MS_MAX + longest
    lines = head("kills", rows, "kills") + [
        line("stall", stalls, f"median {median_max:.0f} "
             f"{verdict(statistics.median(stalls), median_max)}, most {most_max:.0f} "
             f"{verdict(max(stalls), most_max)}")]
    lines += parts_of_loss(rows)
    begin = [row["begin_ms"] - row["fault_ms"] for row in rows]
    moved = [row for row in rows if row["moved_ms"] is not None]
    lines += [
        line("longest action of the run", [row["longest_action_ms"] or 0 for row in rows]),
        line("undisturbed step on the layout left", [row["fresh_step_ms"] for row in rows]),
        f"{'step behind Begin / undisturbed step':44}" + "".join(
            f"{value:10.3f}" for value in spread([(row["commit_ms"] - row["begin_ms"])
                                                  / row["fresh_step_ms"] for row in rows])),
        f"kill to Begin without the step's own noise: median "
        f"{verdict(statistics.median(begin), median_max)}, most {verdict(max(begin), most_max)}",
        f"{len(moved)} with layers to send; {agreement(rows)}",
        rolled_back(rows),
        "", f"{'struck in':14}{'count':>6}{'to Begin, median':>18}{'most':>8}{'stall, median':>15}"]
    for phase in sorted({row["phase"] for row in rows}):
        of_phase = [row for row in rows if row["phase"] == phase]
        begins = [row["begin_ms"] - row["fault_ms"] for row in of_phase]
        lines.append(f"{phase or 'unknown':14}{len(of_phase):6}{statistics.median(begins):18.1f}"
                     f"{max(begins):8.1f}{statistics.median(map(stall_ms, of_phase)):15.1f}")
    lines += ["", f"{'layout left':46}{'count':>6}{'undisturbed step':>18}"]
    for layout in sorted({losses.text_of(row["layout"]) for row in rows}):
        of_layout = [row for row in rows if losses.text_of(row["layout"]) == layout]
        lines.append(f"{layout:46}{len(of_layout):6}"
                     f"{statistics.median(row['fresh_step_ms'] for row in of_layout):18.1f}")
    return lines


def spread(values: list[float]) -> tuple[float, float, float]:
    return statistics.median(values), min(values), max(values)


def toy(rows: list[dict]) -> list[str]:
    times = [to_commit_ms(row) for row in rows]
    return head("toy", rows, "kills") + [
        line("kill to the next committed step", times,
             f"each {STALL_MS_MAX} {verdict(max(times), STALL_MS_MAX)}, "
             f"{sum(ms <= STALL_MS_MAX for ms in times)} of {len(times)} within"),
        *parts_of_loss(rows),
        line("undisturbed step on the layout left", [row["fresh_step_ms"] for row in rows]),
        rolled_back(rows), agreement(rows)]


def stops(rows: list[dict]) -> list[str]:
    times = [to_commit_ms(row) for row in rows]
    return head("stops", rows, "stops") + [
        line("stop to the next committed step", times,
             f"each {STOP_MS_MAX} {verdict(max(times), STOP_MS_MAX)}, "
             f"{sum(ms <= STOP_MS_MAX for ms in times)} of {len(times)} within"),
        *parts_of_loss(rows), agreement(rows)]


def joins(rows: list[dict]) -> list[str]:
    entering = [row for row in rows if row["newcomers"]]
    told = [join for row in entering for join in row["told"] if join is not None]
    share = [row["waited_ms"] / row["step_ms"] for row in rows]
    limit = JOIN_SHARE_MAX
    lines = head("joins", rows, "planned views") + [
        line("later than usual, every planned view", [row["waited_ms"] for row in rows])]
    if entering:
        lines.append(line("  that a newcomer enters", [row["waited_ms"] for row in entering]))
    waited = [join["waited_ms"] for join in told if join["waited_ms"] is not None]
    if waited:
        lines.append(line("  the same, told by result.json", waited))
    copying = [ms for row in rows for ms in row["copying_ms"]]
    if copying:
        lines.append(line("apply longer while states are sent, each step", copying))
    filled = [join["fill_ms"] for join in told if join["fill_ms"] is not None]
    if filled:
        lines.append(line("joined to filled", filled))
    lines += [line("first action behind a commit, usually", [row["usual_gap_ms"] for row in rows]),
              line("step", [row["step_ms"] for row in rows]),
              f"{'waited / step':44}" + "".join(f"{value:10.4f}" for value in spread(share))
              + f"  {limit} " + ("met" if max(share) <= limit
                                 else f"missed by {max(share) - limit:.3f}")]
    return lines


def torchrun(rows: list[dict]) -> list[str]:
    back = [row for row in rows if row["next_step_ms"] is not None]
    lines = head("torchrun", rows, "kills")
    if back:
        lines += [line("stall", [row["next_step_ms"] - row["step_ms"] for row in back]),
                  line("  kill to the next step", [row["next_step_ms"] for row in back]),
                  line("step", [row["step_ms"] for row in back]),
                  line("  the checkpoint in it", [row["checkpoint_ms"] for row in back])]
    lines.append(f"{len(rows) - len(back)} hung (no step within a minute)")
    return lines


def table(part: str, rows: list[dict]) -> str:
    if not rows:
        return f"{part}: {TITLES[part]}\nnothing measured"
    return "\n".join({"kills": kills, "toy": toy, "stops": stops, "joins": joins,
                      "torchrun": torchrun}[part](rows))
