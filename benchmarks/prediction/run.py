#!/usr/bin/env python3
"""Holds plans against runs: what a step takes and what each worker holds, predicted and measured.

  benchmarks/prediction/run.py                            1 and 2 stages, micro-batches of 1 and 4
  benchmarks/prediction/run.py --rounds 5 --json some.json

A round measures a profile for each number of stages (planaria profile, as many processes computing
beside as there are other stages), asks planaria plan for the pipelines of each case, and lets planaria
run train by them, so that all three meet the same load. Printed are medians over
rounds, with their range: of step times predicted over measured (a run's is the median of its steps
but for the first three); and for each worker the peak of its resident bytes beside what is allowed:
what was predicted, a tenth of it, and the process's base, which is the peak of a worker of a model
of next to nothing. The layers' states are not shadowed (--commit-domains 1): the plan has none.
Build planaria and train_gpt first. Exit status 1 where a worker's peak is above what is allowed.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECONDS_MAX = 900  # of one command: one that hangs ends the benchmark with a sentence
SIZES = (1, 4)
STAGES = (1, 2)
MODEL = {"blocks": 8, "d-model": 256, "heads": 4, "context": 128, "micro-batches": 8}
NOTHING = {"blocks": 1, "d-model": 8, "heads": 1, "context": 8, "micro-batches": 8}
STEPS = 12
WARM_STEPS = 3
MEBIBYTE = 1 << 20


class Failed(Exception):
    """A command that did not end well; the sentence says which and what it said."""


def words(options: dict[str, object]) -> list[str]:
    return [word for name, value in options.items() for word in (f"--{name}", str(value))]


class Bench:
    def __init__(self, programs: pathlib.Path, text: pathlib.Path, folder: pathlib.Path):
        self.planaria = programs / "planaria"
        self.train_gpt = programs / "train_gpt"
        self.text = text
        self.folder = folder
        self.runs = 0

    def call(self, command: list[object]) -> str:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                              timeout=SECONDS_MAX, env=environment, check=False)
        if done.returncode != 0:
            said = " ".join(done.stderr.split()[-40:])
            raise Failed(f"{' '.join(map(str, command[:3]))} ended with {done.returncode}: {said}")
        return done.stdout

    def program(self, model: dict[str, int], size: int) -> list[object]:
        return [self.train_gpt, "--text", self.text, *words(model), "--micro-batch-size", size]

    def profile(self, repeats: int, beside: int) -> pathlib.Path:
        file = self.folder / "profile.json"
        self.call([self.planaria, "profile", "--micro-batch-sizes", ",".join(map(str, SIZES)),
                   "--repeats", repeats, "--beside", beside, "-o", file, "--",
                   *self.program(MODEL, SIZES[0])])
        return file

    def plan(self, profile: pathlib.Path, stages: int, size: int) -> dict:
        return json.loads(self.call(
            [self.planaria, "plan", "--profile", profile, "--workers", stages, "--memory-gib", 1000,
             "--micro-batches", MODEL["micro-batches"], "--micro-batch-size", size, "--width", 1,
             "--depth", stages, "--schedule", "1f1b", "--recompute", "never", "--json"]))

    def run(self, layout: dict | None, model: dict[str, int], stages: int, size: int) -> dict:
        """Returns the run's median step and each worker's peak."""
        self.runs += 1
        run_dir = self.folder / f"run-{self.runs}"
        shape: list[object] = ["--width", 1, "--depth", stages]
        if layout is not None:
            file = self.folder / "layout.json"
            file.write_text(json.dumps(layout))
            shape = ["--layout", file]
        self.call([self.planaria, "run", "--workers", stages, *shape, "--commit-domains", 1,
                   "--schedule", "1f1b", "--run-dir", run_dir, "--", *self.program(model, size),
                   "--steps", STEPS])
        steps = []
        for line in (run_dir / "events.jsonl").read_text().splitlines():
            event = json.loads(line)
            if event["event"] == "step_committed":
                steps.append(event["step_ms"])
        result = json.loads((run_dir / "result.json").read_text())
        return {"step_ms": statistics.median(steps[WARM_STEPS:]),
                "peaks": [worker["peak_resident_bytes"] for worker in result["workers"]]}


def layout_of(plan: dict) -> dict:
    return {"version": 1,
            "pipelines": [{"micro_batches": pipeline["micro_batches"],
                           "stages": [{key: stage[key]
                                       for key in ("first_layer", "last_layer", "worker")}
                                      for stage in pipeline["stages"]]}
                          for pipeline in plan["pipelines"]],
            "shadows": []}


def measured_round(bench: Bench, repeats: int) -> dict:
    found: dict = {"load": os.getloadavg()[0], "cases": {}}
    for stages in STAGES:
        profile = bench.profile(repeats, stages - 1)
        for size in SIZES:
            plan = bench.plan(profile, stages, size)
            run = bench.run(layout_of(plan), MODEL, stages, size)
            base = bench.run(None, NOTHING, stages, size)
            found["cases"][f"{stages} x {size}"] = {
                "predicted_ms": plan["step_ms"], "measured_ms": run["step_ms"],
                "predicted_bytes": [stage["peak_memory_bytes"]
                                    for stage in plan["pipelines"][0]["stages"]],
                "peak_bytes": run["peaks"], "base_bytes": base["peaks"]}
    return found


def spread(numbers: list[float], form: str) -> str:
    middle, least, most = statistics.median(numbers), min(numbers), max(numbers)
    return f"{middle:{form}} ({least:{form}} to {most:{form}})"


def tables(rounds: list[dict]) -> tuple[str, bool]:
    """Returns the tables, and whether every worker's peak was within what is allowed."""
    loads = [one["load"] for one in rounds]
    lines = [f"{len(rounds)} rounds, load before them {spread(loads, '.1f')}", "",
             "| stages | micro-batch of | predicted, ms | measured, ms | predicted / measured |",
             "|---|---|---|---|---|"]
    for case in rounds[0]["cases"]:
        of = [one["cases"][case] for one in rounds]
        stages, size = case.split(" x ")
        ratios = [one["predicted_ms"] / one["measured_ms"] for one in of]
        lines.append(f"| {stages} | {size} | {spread([one['predicted_ms'] for one in of], '.0f')} "
                     f"| {spread([one['measured_ms'] for one in of], '.0f')} "
                     f"| {spread(ratios, '.3f')} |")
    lines += ["", "| stages | micro-batch of | worker | predicted, MiB | base, MiB | peak, MiB "
              "| allowed, MiB |", "|---|---|---|---|---|---|---|"]
    within = True
    for case in rounds[0]["cases"]:
        of = [one["cases"][case] for one in rounds]
        stages, size = case.split(" x ")
        for worker in range(len(of[0]["peak_bytes"])):
            predicted = statistics.median(one["predicted_bytes"][worker] for one in of)
            base = statistics.median(one["base_bytes"][worker] for one in of)
            peaks = [one["peak_bytes"][worker] / MEBIBYTE for one in of]
            allowed = (1.1 * predicted + base) / MEBIBYTE
            within = within and max(peaks) <= allowed
            lines.append(f"| {stages} | {size} | {worker} | {predicted / MEBIBYTE:.0f} "
                         f"| {base / MEBIBYTE:.0f} | {spread(peaks, '.0f')} | {allowed:.0f} |")
    return "\n".join(lines), within


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often all is measured (3)")
    parser.add_argument("--repeats", type=int, default=9, help="of planaria profile (9)")
    parser.add_argument("--build", type=pathlib.Path,
                        help="build folder (build/release if it is there, else build/dev)")
    parser.add_argument("--text", type=pathlib.Path, default=ROOT / ".deps/text/kjv.txt",
                        help="file to train on (.deps/text/kjv.txt)")
    parser.add_argument("--json", type=pathlib.Path, help="leave the results here, round by round")
    options = parser.parse_args()
    release = ROOT / "build/release"
    build = options.build or (release if (release / "bin/train_gpt").exists() else ROOT / "build/dev")
    programs = (build / "bin").resolve()
    if options.rounds < 1 or not (programs / "train_gpt").exists():
        print("benchmarks/prediction/run.py: "
              + (f"--rounds: {options.rounds}, must be at least 1" if options.rounds < 1
                 else f"--build: {build}: has no bin/train_gpt; cmake --build it first"),
              file=sys.stderr)
        return 2
    rounds: list[dict] = []
    with tempfile.TemporaryDirectory(prefix="planaria-prediction-") as folder:
        bench = Bench(programs, options.text, pathlib.Path(folder))
        try:
            for _ in range(options.rounds):
                rounds.append(measured_round(bench, options.repeats))
                if options.json:
                    options.json.write_text(json.dumps(rounds))
                print(f"round {len(rounds)} of {options.rounds}", file=sys.stderr)
        except Failed as failure:
            print(f"benchmarks/prediction/run.py: {failure}", file=sys.stderr)
            return 1
    text, within = tables(rounds)
    print(text)
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
