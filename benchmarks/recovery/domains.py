#!/usr/bin/env python3
"""Measures what a second holder of every layer costs a step: two workers, each shadowing the other.

  benchmarks/recovery/domains.py                    seven pairs of --commit-domains 2 against 1
  benchmarks/recovery/domains.py --rounds 3 --json some.json

Two workers, one pipeline of two stages in 1F1B, 8 blocks of d-model 256. Runs come in pairs, the other
one first every other time. The shadow's own optimizer is work that any second copy costs: how much
longer `apply` takes in the same steps of the same pair (spans of timeline.json). What is beyond it
(copies of gradients, reports, waiting for the later commit) is the price of the commit; its goal is
under 3 % of a step. `spans, waits
included` is how much longer shadow, report and commit took together at the worker where each took most:
the one that is done first waits in them for the other, so it is no cost but a bound on it.
"""

import argparse
import json
import os
import pathlib
import statistics
import sys
import tempfile

import runs

COST_MAX = 0.03
WARM_UP = 2
STEPS = 10  # all of them have spans in the timeline
ARMS = ("1", "2")


class BadInput(Exception):
    pass


def read_arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="pairs of runs (7)")
    parser.add_argument("--build", type=pathlib.Path, default=runs.ROOT / "build/release",
                        help="build folder (build/release)")
    parser.add_argument("--text", type=pathlib.Path, default=runs.ROOT / ".deps/text/kjv.txt",
                        help="file to train on (.deps/text/kjv.txt)")
    parser.add_argument("--json", type=pathlib.Path, help="leave the results here, pair by pair")
    options = parser.parse_args(given)
    if options.rounds < 1:
        raise BadInput(f"--rounds: {options.rounds}, must be at least 1")
    if not (options.build / "bin/train_gpt").exists():
        raise BadInput(f"--build: {options.build}: has no bin/train_gpt; cmake --build it first")
    return options


def spans_of(timeline: dict) -> dict[str, float]:
    """Milliseconds a step of each kind of span, the median over steps, the larger of both workers."""
    sums: dict[tuple[str, int], dict[int, float]] = {}
    for event in timeline["traceEvents"]:
        if event.get("ph") != "X" or "cat" not in event or event["args"]["step"] <= WARM_UP:
            continue
        of_kind = sums.setdefault((event["cat"], event["pid"]), {})
        step = event["args"]["step"]
        of_kind[step] = of_kind.get(step, 0) + event["dur"] / 1000
    largest: dict[str, float] = {}
    for (kind, _), by_step in sums.items():
        largest[kind] = max(largest.get(kind, 0), statistics.median(by_step.values()))
    return largest


def measure_one(bench: runs.Bench, arm: str) -> dict:
    run = bench.planaria(["--workers", "2", "--width", "1", "--depth", "2", "--commit-domains", arm],
                         {**runs.MODEL, "micro-batches": 8}, STEPS)
    steps = [event["step_ms"] for event in run.events if event["event"] == "step_committed"]
    return {"steps_ms": steps[WARM_UP:], "spans_ms": spans_of(run.timeline), "load": run.load}


def costs(pair: dict) -> dict[str, float]:
    """Of one pair, in shares of its step with one domain."""
    one, two = pair["1"], pair["2"]
    step_ms = statistics.median(one["steps_ms"])

    def more(kind: str) -> float:
        return two["spans_ms"].get(kind, 0) - one["spans_ms"].get(kind, 0)

    all_ms = statistics.median(two["steps_ms"]) - step_ms
    optimizer_ms = more("apply")
    return {"all": all_ms / step_ms, "optimizer": optimizer_ms / step_ms,
            "beyond": (all_ms - optimizer_ms) / step_ms,
            "spans, waits included": (more("shadow") + more("report") + more("commit")) / step_ms}


def table(pairs: list[dict]) -> str:
    loads = [pair[arm]["load"] for pair in pairs for arm in ARMS]
    lines = [f"two workers, depth 2, 1F1B: --commit-domains 2 against 1, {len(pairs)} pairs, load "
             f"average before each run {min(loads):.2f} to {max(loads):.2f}",
             "", f"{'ms':34}{'1 domain':>10}{'2 domains':>11}"]
    both = [[statistics.median(pair[arm]["steps_ms"]) for pair in pairs] for arm in ARMS]
    lines.append(f"{'step':34}{statistics.median(both[0]):10.1f}{statistics.median(both[1]):11.1f}")
    kinds = sorted({kind for pair in pairs for arm in ARMS for kind in pair[arm]["spans_ms"]})
    for kind in kinds:
        values = [statistics.median(pair[arm]["spans_ms"].get(kind, 0) for pair in pairs)
                  for arm in ARMS]
        lines.append(f"{'  ' + kind:34}{values[0]:10.1f}{values[1]:11.1f}")
    lines += ["", f"{'% of a step, paired':34}{'median':>10}{'least':>11}{'most':>10}"]
    for name, title in (("all", "all of it"), ("optimizer", "the shadow's own optimizer"),
                        ("beyond", "beyond it"), ("spans, waits included", "spans, waits included")):
        values = [100 * costs(pair)[name] for pair in pairs]
        goal = ""
        if name == "beyond":
            met = statistics.median(values) < 100 * COST_MAX
            goal = f"  under {100 * COST_MAX:.0f} {'met' if met else 'missed'}"
        lines.append(f"{title:34}{statistics.median(values):10.2f}{min(values):11.2f}"
                     f"{max(values):10.2f}{goal}")
    return "\n".join(lines)


def main(given: list[str]) -> int:
    try:
        options = read_arguments(given)
        pairs: list[dict] = []
        with tempfile.TemporaryDirectory(prefix="planaria-bench-") as folder:
            bench = runs.Bench((options.build / "bin").resolve(), options.text.resolve(),
                               pathlib.Path(folder))
            for number in range(options.rounds):
                order = ARMS if number % 2 == 0 else ARMS[::-1]
                pairs.append({arm: measure_one(bench, arm) for arm in order})
                said = ", ".join(f"{name} {100 * share:.2f} %"
                                 for name, share in costs(pairs[-1]).items())
                print(f"pair {number + 1} of {options.rounds}: {said}, load {os.getloadavg()[0]:.2f}",
                      file=sys.stderr)
                if options.json:
                    options.json.write_text(json.dumps({"version": 1, "pairs": pairs}) + "\n")
    except BadInput as why:
        print(f"domains.py: {why}", file=sys.stderr)
        return 2
    except runs.Failed as why:
        print(f"domains.py: {why}", file=sys.stderr)
        return 1
    print(table(pairs))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
