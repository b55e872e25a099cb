"""How each contender of a training step is started and what it leaves. run.py decides the order.

Every contender starts from the same weights, sees the same samples in the same micro-batches, runs
one thread of kernels per process, and leaves its step times and its final weights.
"""

import array
import dataclasses
import json
import operator
import os
import pathlib
import struct
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]

OPTIMIZER = {"learning-rate": "3e-4", "weight-decay": "0.01", "clip-norm": "1.0"}
TORCH_WAYS = {"torch-1f1b": "1f1b", "torch-zbv": "zbv", "ddp": "ddp"}

SECONDS_MAX = 1800  # of one run: a contender that hangs ends the benchmark with a sentence

# One thread of kernels each, and no host name to resolve.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}


class Failed(Exception):
    """A contender that did not run; the sentence says which and what it said."""


@dataclasses.dataclass
class Outcome:
    step_ms: list[float]
    weights: list[pathlib.Path]
    run_dir: pathlib.Path | None = None  # planaria's


def words(options: dict[str, object]) -> list[str]:
    return [word for name, value in options.items() for word in (f"--{name}", str(value))]


@dataclasses.dataclass
class Bench:
    """One size of the benchmark: programs, the model's options, and where its files go."""

    programs: pathlib.Path  # the build's bin/
    python: pathlib.Path  # that has torch
    text: pathlib.Path
    folder: pathlib.Path
    size: dict[str, int]
    steps: int
    first_stage_ends: int  # last layer of planaria's first stage

    @property
    def init(self) -> pathlib.Path:
        return self.folder / "init.safetensors"

    @property
    def samples(self) -> pathlib.Path:
        return self.folder / "samples.jsonl"

    def prepare(self) -> None:
        """Writes the weights and samples that everybody starts from."""
        self.wait("preparation", [self.start(
            [self.programs / "bench_step_plain", "--text", self.text, *words(self.size),
             "--steps", "0", "--weights", self.init, "--samples", self.samples,
             "--sample-steps", str(self.steps)])])

    def run(self, contender: str, folder: pathlib.Path) -> Outcome:
        folder.mkdir(parents=True)
        if contender in ("plain", "two-plain"):
            return self.plain(contender, 2 if contender == "two-plain" else 1, folder)
        if contender in TORCH_WAYS:
            return self.torch(contender, folder)
        two_stages = ["--workers", "2", "--width", "1", "--depth", "2", "--schedule"]
        layout = {"alone": ["--workers", "1", "--width", "1", "--depth", "1"],
                  "stages": [*two_stages, "1f1b"],
                  "zero-bubble": [*two_stages, "zb-h2"],
                  "zero-bubble-v": [*two_stages, "zb-v"],
                  "width": ["--workers", "2", "--width", "2", "--depth", "1"]}[contender]
        return self.planaria(contender, layout, folder)

    def plain(self, contender: str, copies: int, folder: pathlib.Path) -> Outcome:
        times = [folder / f"times-{copy}.json" for copy in range(copies)]
        weights = [folder / f"weights-{copy}.safetensors" for copy in range(copies)]
        self.wait(contender, [self.start(
            [self.programs / "bench_step_plain", "--text", self.text, *words(self.size),
             *words(OPTIMIZER), "--steps", str(self.steps), "--init", self.init,
             "--times", times[copy], "--weights", weights[copy]]) for copy in range(copies)])
        step_ms = [json.loads(path.read_text())["step_ms"] for path in times]
        return Outcome([max(of_step) for of_step in zip(*step_ms)], weights[:1])

    def torch(self, contender: str, folder: pathlib.Path) -> Outcome:
        way = TORCH_WAYS[contender]
        ranks = range(2)
        times = [folder / f"times-{rank}.json" for rank in ranks]
        weights = [folder / f"weights-{rank}.safetensors" for rank in ranks]
        self.wait(contender, [self.start(
            [self.python, pathlib.Path(__file__).with_name("torch_step.py"), "--way", way,
             "--rank", str(rank), "--ranks", "2", "--rendezvous", folder / "rendezvous",
             "--text", self.text, "--init", self.init, "--ledger", self.samples,
             "--last-layer-of-first-stage", str(self.first_stage_ends),
             "--times", times[rank], "--weights", weights[rank], "--steps", str(self.steps),
             *words(self.size), *words(OPTIMIZER)]) for rank in ranks])
        # The ranks meet in every step; the first one's clock is as good as the other's.
        return Outcome(json.loads(times[0].read_text())["step_ms"],
                       weights[:1] if way == "ddp" else weights)

    def planaria(self, contender: str, layout: list[str], folder: pathlib.Path) -> Outcome:
        run_dir = folder / "run"
        self.wait(contender, [self.start(
            [self.programs / "planaria", "run", *layout, "--run-dir", run_dir, "--",
             self.programs / "train_gpt", "--text", self.text, *words(self.size),
             *words(OPTIMIZER), "--steps", str(self.steps), "--init", self.init])])
        events = (json.loads(line) for line in (run_dir / "events.jsonl").open())
        step_ms = [e["step_ms"] for e in events if e["event"] == "step_committed"]
        return Outcome(step_ms, [run_dir / "model.safetensors"], run_dir)

    def start(self, command: list) -> subprocess.Popen:
        return subprocess.Popen([str(word) for word in command], env={**os.environ, **ENVIRONMENT},
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True)

    def wait(self, contender: str, processes: list[subprocess.Popen]) -> None:
        """Waits for all of them; the first that fails ends the others."""
        try:
            said = [process.communicate(timeout=SECONDS_MAX)[1] for process in processes]
        except subprocess.TimeoutExpired:
            raise Failed(f"{contender}: not done after {SECONDS_MAX} s") from None
        finally:
            for process in processes:
                if process.poll() is None:
                    process.kill()
                    process.wait()
        for process, text in zip(processes, said):
            if process.returncode != 0:
                raise Failed(f"{contender}: exit status {process.returncode}: "
                             f"{(text.strip().splitlines() or ['it said nothing'])[-1]}")


def stage_workers(run_dir: pathlib.Path) -> tuple[list[int], int]:
    """The workers of a one-pipeline run in order of their stages, and the first stage's last layer."""
    for line in (run_dir / "events.jsonl").open():
        event = json.loads(line)
        if event["event"] == "view":
            stages = event["layout"]["pipelines"][0]["stages"]
            return [stage["worker"] for stage in stages], stages[0]["last_layer"]
    raise Failed(f"{run_dir}/events.jsonl: no view")


def read_weights(paths: list[pathlib.Path]) -> dict[str, array.array]:
    """The fp32 tensors of safetensors files, by name."""
    tensors = {}
    for path in paths:
        data = path.read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        for name, entry in json.loads(data[8:8 + length]).items():
            if name == "__metadata__":
                continue
            first, last = (8 + length + offset for offset in entry["data_offsets"])
            tensors[name] = array.array("f", data[first:last])
    return tensors


def largest_difference(a: dict[str, array.array], b: dict[str, array.array]) -> tuple[float, str]:
    """The largest difference between two models' weights, and the tensor it is in."""
    if sorted(a) != sorted(b):
        raise Failed(f"other tensors: {', '.join(sorted(set(a) ^ set(b)))}")
    worst = (0.0, "")
    for name, values in a.items():
        if len(values) != len(b[name]):
            raise Failed(f"{name}: {len(values)} and {len(b[name])} numbers")
        largest = max(map(abs, map(operator.sub, values, b[name])), default=0.0)
        worst = max(worst, (largest, name))
    return worst
