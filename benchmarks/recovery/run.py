#!/usr/bin/env python3
"""Measures what losses and joins cost, and beside it what torchrun's users pay, interleaved.

  benchmarks/recovery/run.py                        all parts until 20 kills are measured
  benchmarks/recovery/run.py --kills 4 --only kills,torchrun --json some.json
  benchmarks/recovery/run.py --from some.json       prints the tables of an earlier run

Parts: kills (8 blocks of d-model 256, four workers as 2x2 and as 1x4, killed one after the other),
toy (the same with a model of millisecond steps), stops (SIGSTOP, the toy model), joins (two workers
of the large model, others come), torchrun (DistributedDataParallel of the large model's size over Gloo
on four ranks, a checkpoint at every step, one rank killed now and then). Each round has some of each.

A stall is the time from the kill to the next committed step without a median step of an undisturbed
run on the layout that the loss left; that run follows at once, so that both meet the same load. A step
that was committed after the kill, but before it was noticed, lost nothing: the stall counts from there.
Seeds make the same faults again, not the same times. torchrun needs a Python with torch:
scripts/setup --python-torch brings it. Build planaria and train_gpt first.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import platform
import random
import subprocess
import sys
import tempfile

import losses
import runs
import tables

PARTS = ("kills", "toy", "stops", "joins", "torchrun")
PHASES = ("forward", "backward", "reduce", "reported", "committed", None)
SHAPES = {"2x2": ["--width", "2", "--depth", "2"], "1x4": ["--width", "1", "--depth", "4"]}
FRESH_STEPS = 6
ROUNDS_MAX = 40


class BadInput(Exception):
    pass


def read_arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="losses to measure at least (20)")
    parser.add_argument("--only", help=f"parts, comma-separated, of {', '.join(PARTS)} (all)")
    parser.add_argument("--seed", type=int, default=1, help="of victims and moments (1)")
    parser.add_argument("--build", type=pathlib.Path,
                        help="build folder (build/release if it is there, else build/dev)")
    parser.add_argument("--python", type=pathlib.Path,
                        default=runs.ROOT / ".deps/python-torch/bin/python3",
                        help="Python with torch (.deps/python-torch's)")
    parser.add_argument("--text", type=pathlib.Path, default=runs.ROOT / ".deps/text/kjv.txt",
                        help="file to train on (.deps/text/kjv.txt)")
    parser.add_argument("--json", type=pathlib.Path, help="leave the results here, round by round")
    parser.add_argument("--from", type=pathlib.Path, dest="results",
                        help="print the tables of these results instead of measuring")
    options = parser.parse_args(given)
    if options.kills < 1:
        raise BadInput(f"--kills: {options.kills}, must be at least 1")
    chosen = list(PARTS) if options.only is None else options.only.split(",")
    for name in chosen:
        if name not in PARTS:
            raise BadInput(f"--only: {name}, must be of {', '.join(PARTS)}")
    options.only = [name for name in PARTS if name in chosen]
    return options


def programs_of(build: pathlib.Path | None) -> pathlib.Path:
    if build is None:
        release = runs.ROOT / "build/release"
        build = release if (release / "bin/train_gpt").exists() else runs.ROOT / "build/dev"
    for name in ("planaria", "train_gpt"):
        if not (build / "bin" / name).exists():
            raise BadInput(f"--build: {build}: has no bin/{name}; cmake --build it first")
    return (build / "bin").resolve()


def without_torch(chosen: list[str], python: pathlib.Path) -> list[str]:
    if "torchrun" not in chosen:
        return chosen
    asked = [str(python), "-c", "import torch, numpy"]
    if python.exists() and subprocess.run(asked, capture_output=True, check=False).returncode == 0:
        return chosen
    print(f"torchrun left out: {python} cannot import torch and numpy; scripts/setup --python-torch "
          "brings them", file=sys.stderr)
    return [name for name in chosen if name != "torchrun"]


def kills_in_turn(draw: random.Random, first: int, apart: int, by_clock_s: float | None) -> str:
    """Three of four workers, one after the other: in a phase of a step, or by the clock where
    `by_clock_s` says about how long a step takes."""
    faults = []
    for number, worker in enumerate(draw.sample(range(4), 3)):
        step = first + number * apart + draw.randrange(max(1, apart // 3))
        phase = draw.choice(PHASES)
        if by_clock_s is not None:
            faults.append(f"kill@s={(step + draw.random()) * by_clock_s:.3f}:worker={worker}")
        else:
            faults.append(f"kill@step={step}:worker={worker}"
                          + (f":phase={phase}" if phase else ""))
    return ",".join(faults)


class Measuring:
    def __init__(self, options: argparse.Namespace, bench: runs.Bench):
        self.options, self.bench = options, bench
        self.draw = random.Random(options.seed)
        self.step_s = {"kills": 0.0, "toy": 0.0}  # about, from the runs so far

    def row_of(self, loss: losses.Loss, run: runs.Run, shape: str) -> dict:
        """A loss as it goes into the results."""
        told = [each for each in run.result["recoveries"] if each["worker"] == loss.worker]
        agrees = bool(told) and all(
            abs(told[-1][key] - value) < 1 for key, value in
            (("detect_ms", loss.lost_ms - loss.fault_ms), ("view_ms", loss.view_ms - loss.fault_ms)))
        return {"shape": shape, **dataclasses.asdict(loss), "longest_action_ms":
                run.longest_action_ms, "load": run.load, "result_agrees": agrees}

    def lossy(self, part: str, shape: str, by_clock: bool) -> list[dict]:
        """A run in which workers are killed one after the other, and fresh ones on what was left."""
        model, steps, first, apart = ((runs.MODEL, 11, 3, 3) if part == "kills"
                                      else (runs.TOY, 700, 150, 150))
        clock_s = self.step_s[part] if by_clock and self.step_s[part] > 0 else None
        faults = kills_in_turn(self.draw, first, apart, clock_s)
        run = self.bench.planaria(["--workers", "4", *SHAPES[shape]], model, steps, faults)
        self.step_s[part] = losses.step_ms(run.events) / 1000
        fresh: dict[str, float] = {}
        rows = []
        for loss in losses.losses_of(run.events):
            if not loss.whole:
                print(f"{part}: {loss.order}: left out, another fault came before the next commit",
                      file=sys.stderr)
                continue
            key = json.dumps([loss.layout, loss.members], sort_keys=True)
            if key not in fresh:
                fresh[key] = self.bench.fresh(loss.layout, loss.members, model,
                                              FRESH_STEPS if part == "kills" else 200)
            rows.append({**self.row_of(loss, run, shape), "fresh_step_ms": fresh[key]})
        return rows

    def stops(self, shape: str) -> list[dict]:
        faults = f"stop@step={150 + self.draw.randrange(100)}:worker={self.draw.randrange(4)}:for_s=2"
        run = self.bench.planaria(["--workers", "4", *SHAPES[shape]], runs.TOY, 500, faults)
        return [self.row_of(loss, run, shape) for loss in losses.losses_of(run.events)
                if loss.whole]

    def joins(self) -> list[dict]:
        """Two workers, others come: a row for each planned view, the whole run's beside it."""
        # Without a shape asked for, so that what comes is given layers: two pipelines become four.
        run = self.bench.planaria(["--workers", "2"], runs.MODEL, 20, "join@step=5:count=2")
        told = {join["worker"]: join for join in run.result["joins"]}
        filling, before = losses.filling_steps(run.events)
        copying = losses.copying_ms(run.timeline, filling, before)
        return [{**dataclasses.asdict(view), "waited_ms": view.waited_ms, "load": run.load,
                 "copying_ms": copying if number == 0 else [],
                 "told": [told.get(worker) for worker in view.newcomers]}
                for number, view in enumerate(losses.planned_views(run.events))]

    def torchrun(self, number: int) -> list[dict]:
        load = os.getloadavg()[0]
        restarts, step_ms, checkpoint_ms = runs.torchrun(
            self.options.python, self.bench.folder / f"torchrun-{number}", runs.MODEL, 2, self.draw)
        return [{**dataclasses.asdict(restart), "step_ms": step_ms, "checkpoint_ms": checkpoint_ms,
                 "load": load} for restart in restarts]

    def round(self, number: int, chosen: list[str], enough: set[str]) -> dict[str, list[dict]]:
        found: dict[str, list[dict]] = {}
        for part in chosen:
            if part in enough:
                continue
            if part in ("kills", "toy"):
                # By the clock every other time, so that each shape meets both.
                found[part] = [row for place, shape in enumerate(SHAPES)
                               for row in self.lossy(part, shape, (number + place) % 2 == 1)]
            elif part == "stops":
                found[part] = [row for shape in SHAPES for row in self.stops(shape)]
            elif part == "joins":
                found[part] = self.joins()
            else:
                found[part] = self.torchrun(number)
            print(f"round {number + 1}: {part}: {len(found[part])} measured, load "
                  f"{os.getloadavg()[0]:.2f}", file=sys.stderr)
        return found


def measure(options: argparse.Namespace) -> dict:
    programs = programs_of(options.build)
    chosen = without_torch(options.only, options.python)
    if not chosen:
        raise BadInput("--only: nothing is left to run")
    wanted = {"kills": options.kills, "toy": options.kills, "stops": max(1, options.kills // 4),
              "joins": max(1, options.kills // 2), "torchrun": max(1, options.kills // 4)}
    results = {"version": 1, "machine": {"cpus": os.cpu_count(), "kind": platform.machine()},
               "seed": options.seed, "parts": {part: [] for part in chosen}}
    with tempfile.TemporaryDirectory(prefix="planaria-bench-") as temporary:
        measuring = Measuring(options, runs.Bench(programs, options.text.resolve(),
                                                  pathlib.Path(temporary)))
        for number in range(ROUNDS_MAX):
            enough = {part for part in chosen if len(results["parts"][part]) >= wanted[part]}
            if enough == set(chosen):
                break
            for part, rows in measuring.round(number, chosen, enough).items():
                results["parts"][part] += rows
            if options.json:
                options.json.write_text(json.dumps(results) + "\n")
    return results


def read_results(path: pathlib.Path) -> dict:
    try:
        results = json.loads(path.read_text())
    except (OSError, ValueError) as why:
        raise BadInput(f"--from: {path}: {why}") from None
    if not isinstance(results, dict) or results.get("version") != 1 or "parts" not in results:
        raise BadInput(f"--from: {path}: must be a results file of version 1")
    return results


def main(given: list[str]) -> int:
    try:
        options = read_arguments(given)
        results = read_results(options.results) if options.results else measure(options)
    except BadInput as why:
        print(f"run.py: {why}", file=sys.stderr)
        return 2
    except runs.Failed as why:
        print(f"run.py: {why}", file=sys.stderr)
        return 1
    for part, rows in results["parts"].items():
        print(tables.table(part, rows))
        print()
    print(f"machine: {results['machine']['cpus']} processors, {results['machine']['kind']}; "
          f"seed {results['seed']}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
