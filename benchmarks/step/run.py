#!/usr/bin/env python3
"""Measures a training step beside plain LibTorch and Python PyTorch, interleaved in one run.

  benchmarks/step/run.py                        both sizes, five rounds
  benchmarks/step/run.py --size small --rounds 9 --json small.json
  benchmarks/step/run.py --from small.json      prints the table of an earlier run

In each round every contender trains the same model from the same weights on the same samples, in an
order that rotates from round to round. A contender's time is the median of its steps without the
first two; ratios are taken within a round, and the median, least and most over the rounds printed.
A ratio is speed: 1.02 means 2 % faster. Final weights are compared in the first round.

Contenders: plain, two-plain, alone, torch-1f1b, torch-zbv, stages, zero-bubble, zero-bubble-v, ddp,
width. two-plain is the plain loop twice
at once: where it is slower than plain, two processes do not get two whole cores, and ratios of two
processes to one say little. torch-1f1b, torch-zbv and ddp need a Python with torch:
scripts/setup --python-torch brings it. Build first: cmake --workflow --preset dev, or
cmake --preset release && cmake --build --preset release.
"""

import argparse
import json
import os
import pathlib
import platform
import random
import subprocess
import sys
import tempfile

import contenders
import figures

SIZES = {
    "example": {"blocks": 8, "d-model": 256, "heads": 4, "context": 128, "micro-batches": 8,
                "micro-batch-size": 4},
    "small": {"blocks": 4, "d-model": 64, "heads": 4, "context": 48, "micro-batches": 8,
              "micro-batch-size": 4},
}
STEPS = {"example": 12, "small": 60}
DIFFERENCE_MAX = 1e-4


class BadInput(Exception):
    pass


def read_arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of all contenders (5)")
    parser.add_argument("--steps", type=int, help="steps of a run, at least 3 (12 and 60)")
    parser.add_argument("--size", choices=(*SIZES, "both"), default="both")
    parser.add_argument("--only", help="contenders to run, comma-separated (all)")
    parser.add_argument("--build", type=pathlib.Path,
                        help="build folder (build/release if it is there, else build/dev)")
    parser.add_argument("--python", type=pathlib.Path,
                        default=contenders.ROOT / ".deps/python-torch/bin/python3",
                        help="Python with torch (.deps/python-torch's)")
    parser.add_argument("--text", type=pathlib.Path,
                        help="file to train on (.deps/text/kjv.txt, else words drawn at random)")
    parser.add_argument("--cpus", help="processors for everything, like 0,1 (all: no pinning)")
    parser.add_argument("--json", type=pathlib.Path, help="leave the results here")
    parser.add_argument("--from", type=pathlib.Path, dest="results",
                        help="print the table of these results instead of measuring")
    options = parser.parse_args(words)
    if options.rounds < 1:
        raise BadInput(f"--rounds: {options.rounds}, must be at least 1")
    if options.steps is not None and options.steps <= figures.WARM_UP:
        raise BadInput(f"--steps: {options.steps}, must be at least {figures.WARM_UP + 1}: the "
                       f"first {figures.WARM_UP} are warm-up")
    if options.cpus is not None and not all(cpu.isdigit() for cpu in options.cpus.split(",")):
        raise BadInput(f"--cpus: {options.cpus}, must be numbers of processors, comma-separated")
    chosen = list(figures.CONTENDERS) if options.only is None else options.only.split(",")
    for name in chosen:
        if name not in figures.CONTENDERS:
            raise BadInput(f"--only: {name}, must be of {', '.join(figures.CONTENDERS)}")
    options.only = [name for name in figures.CONTENDERS if name in chosen]
    return options


def order_of(chosen: list[str], number: int) -> list[str]:
    """Round `number` starts one contender further, so that nobody always comes first."""
    start = number % len(chosen)
    return chosen[start:] + chosen[:start]


def programs_of(build: pathlib.Path | None) -> pathlib.Path:
    if build is None:
        release = contenders.ROOT / "build/release"
        build = release if (release / "bin/train_gpt").exists() else contenders.ROOT / "build/dev"
    for name in ("planaria", "train_gpt", "bench_step_plain", "bench_step_ideal"):
        if not (build / "bin" / name).exists():
            raise BadInput(f"--build: {build}: has no bin/{name}; cmake --build it first")
    return build / "bin"


def without_torch(chosen: list[str], python: pathlib.Path) -> list[str]:
    """Leaves out what cannot run here, and says so."""
    needing = [name for name in chosen if name in contenders.TORCH_WAYS]
    if not needing:
        return chosen
    asked = [str(python), "-c", "import torch, numpy, safetensors.torch"]
    if python.exists() and subprocess.run(asked, capture_output=True, check=False).returncode == 0:
        return chosen
    print(f"{' and '.join(needing)} left out: {python} cannot import torch, numpy and safetensors; "
          "scripts/setup --python-torch brings them", file=sys.stderr)
    return [name for name in chosen if name not in needing]


def text_in(folder: pathlib.Path, given: pathlib.Path | None) -> pathlib.Path:
    bible = contenders.ROOT / ".deps/text/kjv.txt"
    if given is not None or bible.exists():
        return given or bible
    draw = random.Random(3)
    words = "and the of light was water earth day evening it divided".split()
    drawn = folder / "words.txt"
    drawn.write_text(" ".join(draw.choice(words) for _ in range(400000)))
    return drawn


def ideal_ms(bench: contenders.Bench, run_dir: pathlib.Path) -> float | None:
    """The simulated 1F1B step of a run from its own kernels, or None where it left no times."""
    try:
        workers, _ = contenders.stage_workers(run_dir)
        forward, backward = figures.kernel_ms(json.loads((run_dir / "timeline.json").read_text()),
                                              workers)
    except (OSError, KeyError, ValueError) as why:
        print(f"no ideal: {run_dir / 'timeline.json'}: {why}", file=sys.stderr)
        return None
    done = subprocess.run(
        [bench.programs / "bench_step_ideal", "--schedule", "1f1b",
         "--micro-batches", str(bench.size["micro-batches"]),
         "--forward-ms", *map(str, forward), "--backward-ms", *map(str, backward)],
        capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["makespan_ms"]


def compare_weights(outcomes: dict[str, contenders.Outcome]) -> dict[str, float]:
    """How far every contender's final weights are from the first one's; Failed beyond 1e-4."""
    first, *others = outcomes
    expected = contenders.read_weights(outcomes[first].weights)
    differences = {}
    for name in others:
        largest, tensor = contenders.largest_difference(
            expected, contenders.read_weights(outcomes[name].weights))
        differences[name] = largest
        if largest > DIFFERENCE_MAX:
            raise contenders.Failed(f"{name}: weights differ from {first}'s by {largest:.2e} in "
                                    f"{tensor}, must be at most {DIFFERENCE_MAX}")
    return differences


def run_round(bench: contenders.Bench, order: list[str],
              folder: pathlib.Path) -> tuple[dict, dict[str, contenders.Outcome]]:
    round_: dict = {"order": order, "load": os.getloadavg()[0], "step_ms": {}}
    outcomes = {}
    for name in order:
        outcomes[name] = bench.run(name, folder / name)
        round_["step_ms"][name] = outcomes[name].step_ms
    if "stages" in outcomes:
        workers, cut = contenders.stage_workers(outcomes["stages"].run_dir)
        if cut != bench.first_stage_ends:
            raise contenders.Failed(f"stages: the first of {len(workers)} ends with layer {cut}, "
                                    f"torch-1f1b's with layer {bench.first_stage_ends}")
        ideal = ideal_ms(bench, outcomes["stages"].run_dir)
        if ideal is not None:
            round_["ideal_ms"] = ideal
    if "zero-bubble" in outcomes:
        timeline = outcomes["zero-bubble"].run_dir / "timeline.json"
        round_["no_bubble_ms"] = figures.no_bubble_ms(json.loads(timeline.read_text()))
    return round_, outcomes


def measure(options: argparse.Namespace, size: str, chosen: list[str]) -> dict:
    steps = options.steps or STEPS[size]
    result: dict = {"options": {**SIZES[size], "steps": steps}, "rounds": []}
    with tempfile.TemporaryDirectory(prefix="planaria-bench-") as temporary:
        folder = pathlib.Path(temporary)
        bench = contenders.Bench(
            programs=programs_of(options.build), python=options.python,
            text=text_in(folder, options.text), folder=folder, size=SIZES[size], steps=steps,
            first_stage_ends=SIZES[size]["blocks"] // 2)
        bench.prepare()
        for number in range(options.rounds):
            order = order_of(chosen, number)
            with tempfile.TemporaryDirectory(dir=folder) as of_round:
                round_, outcomes = run_round(bench, order, pathlib.Path(of_round))
                if number == 0:
                    result["weights_differ"] = compare_weights(outcomes)
            result["rounds"].append(round_)
            times = ", ".join(f"{name} {figures.milliseconds(round_, name):.2f}" for name in chosen)
            print(f"{size}, round {number + 1} of {options.rounds}: {times}", file=sys.stderr)
    return result


def read_results(path: pathlib.Path) -> dict:
    try:
        results = json.loads(path.read_text())
    except (OSError, ValueError) as why:
        raise BadInput(f"--from: {path}: {why}") from None
    if not isinstance(results, dict) or results.get("version") != 1 or "sizes" not in results:
        raise BadInput(f"--from: {path}: must be a results file of version 1")
    return results


def measure_all(options: argparse.Namespace) -> dict:
    if options.cpus:
        try:
            os.sched_setaffinity(0, {int(cpu) for cpu in options.cpus.split(",")})
        except OSError as why:
            raise BadInput(f"--cpus: {options.cpus}: {why.strerror}") from None
    programs_of(options.build)
    chosen = without_torch(options.only, options.python)
    if not chosen:
        raise BadInput("--only: nothing is left to run")
    sizes = list(SIZES) if options.size == "both" else [options.size]
    return {"version": 1,
            "machine": {"cpus": os.cpu_count(), "kind": platform.machine()},
            "cpus": options.cpus or "not pinned",
            "sizes": {size: measure(options, size, chosen) for size in sizes}}


def main(words: list[str]) -> int:
    try:
        options = read_arguments(words)
        results = read_results(options.results) if options.results else measure_all(options)
    except BadInput as why:
        print(f"run.py: {why}", file=sys.stderr)
        return 2
    except contenders.Failed as why:
        print(f"run.py: {why}", file=sys.stderr)
        return 1
    if options.json:
        options.json.write_text(json.dumps(results) + "\n")
    for size, of_size in results["sizes"].items():
        print(figures.table(size, of_size))
        differences = of_size.get("weights_differ")
        if differences:
            print(f"weights after {of_size['options']['steps']} steps: at most "
                  f"{max(differences.values()):.1e} apart")
        print()
    print(f"processors: {results['cpus']}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
