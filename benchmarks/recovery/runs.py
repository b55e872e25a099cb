"""How the runs of this benchmark are started, and torchrun beside them. run.py decides the order."""

import dataclasses
import json
import os
import pathlib
import random
import signal
import statistics
import subprocess
import time

import losses

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECONDS_MAX = 900  # of one run: one that hangs ends the benchmark with a sentence
RESTART_SECONDS_MAX = 60  # torchrun: what takes longer is told as a hang

# Four micro-batches: an action is as long as with eight, but a step, whose noise ends up in every stall,
# is half as long.
MODEL = {"blocks": 8, "d-model": 256, "heads": 4, "context": 128, "micro-batches": 4,
         "micro-batch-size": 4}
TOY = {"blocks": 2, "d-model": 32, "heads": 2, "context": 16, "micro-batches": 4,
       "micro-batch-size": 2}

# One thread of kernels each, no host name to resolve.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}


class Failed(Exception):
    """A run that did not end well; the sentence says which and what it said."""


@dataclasses.dataclass
class Run:
    events: list[dict]
    result: dict
    timeline: dict
    longest_action_ms: float | None
    load: float  # before it began
    unstruck: list[str]  # faults that came too late


def words(options: dict[str, object]) -> list[str]:
    return [word for name, value in options.items() for word in (f"--{name}", str(value))]


@dataclasses.dataclass
class Bench:
    programs: pathlib.Path
    text: pathlib.Path
    folder: pathlib.Path
    count: int = 0

    def planaria(self, layout: list[str], model: dict[str, int], steps: int,
                 faults: str | None = None) -> Run:
        self.count += 1
        run_dir = self.folder / f"run-{self.count}"
        load = os.getloadavg()[0]
        command = [self.programs / "planaria", "run", *layout, "--schedule", "1f1b",
                   *(["--faults", faults] if faults else []), "--run-dir", run_dir, "--",
                   self.programs / "train_gpt", "--text", self.text, *words(model),
                   "--steps", steps, "--dropout", "0"]
        process = subprocess.Popen([str(word) for word in command],
                                   env={**os.environ, **ENVIRONMENT}, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            said = process.communicate(timeout=SECONDS_MAX)[1]
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            raise Failed(f"{' '.join(map(str, command))}: not done after {SECONDS_MAX} s") from None
        lines = said.strip().splitlines() or ["it said nothing"]
        unstruck = [line for line in lines if "never struck" in line]
        if process.returncode != 0 and not unstruck:
            raise Failed(f"{' '.join(map(str, command))}: exit status {process.returncode}: "
                         f"{lines[-1]}")
        timeline = json.loads((run_dir / "timeline.json").read_text())
        return Run(losses.read(run_dir / "events.jsonl"),
                   json.loads((run_dir / "result.json").read_text()), timeline,
                   losses.longest_action_ms(timeline), load, unstruck)

    def fresh(self, layout: dict, members: int, model: dict[str, int], steps: int) -> float:
        """The median step of an undisturbed run on a layout that a loss left."""
        self.count += 1
        path = self.folder / f"layout-{self.count}.json"
        path.write_text(json.dumps(layout))
        workers = sum(len(pipeline["stages"]) for pipeline in layout["pipelines"])
        # A view without shadows must not get any here.
        domains = [] if layout.get("shadows") else ["--commit-domains", "1"]
        run = self.planaria(["--layout", str(path), "--spares", str(members - workers), *domains],
                            model, steps)
        return losses.step_ms(run.events)


@dataclasses.dataclass
class Restart:
    """One rank killed under torchrun: what it took until the next step was done."""

    rank: int
    next_step_ms: float | None  # from the kill, or from the last step done after it; None: hung
    lost_steps: int  # steps done before it that were done again


def torchrun(python: pathlib.Path, folder: pathlib.Path, model: dict[str, int], kills: int,
             draw: random.Random) -> tuple[list[Restart], float, float]:
    """DistributedDataParallel on four processes, a checkpoint at every step, one rank killed now
    and then. Also the median step and the median checkpoint in it, in milliseconds."""
    folder.mkdir(parents=True)
    command = [python, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "4",
               "--max-restarts", "100", pathlib.Path(__file__).with_name("torch_restart.py"),
               "--folder", folder, *words(model)]
    environment = {**os.environ, **ENVIRONMENT, "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    with (folder / "said.txt").open("w") as said:
        process = subprocess.Popen([str(word) for word in command], env=environment, stdout=said,
                                   stderr=said, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        restarts = []
        for _ in range(kills):
            restarts.append(kill_one(process, folder, draw))
            if restarts[-1].next_step_ms is None:
                break
        entries = read_log(folder)
        steady = [b for a, b in zip(entries, entries[1:])
                  if a["event"] == b["event"] == "step"]
        return (restarts, statistics.median(entry["ms"] for entry in steady),
                statistics.median(entry["checkpoint_ms"] for entry in steady))
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for path in folder.glob("rank-*.pid"):  # torchrun's workers lead sessions of their own
            try:
                os.kill(int(path.read_text()), signal.SIGKILL)
            except (ProcessLookupError, ValueError):
                pass


def read_log(folder: pathlib.Path) -> list[dict]:
    path = folder / "log.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines(True) if line.endswith("\n")]


def wait_for(process: subprocess.Popen, folder: pathlib.Path, seconds: float, reached) -> list[dict]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        entries = read_log(folder)
        if reached(entries):
            return entries
        if process.poll() is not None:
            lines = (folder / "said.txt").read_text().strip().splitlines() or ["it said nothing"]
            raise Failed(f"torchrun: exit status {process.returncode}: {lines[-1]}")
        time.sleep(0.01)
    return []


def kill_one(process: subprocess.Popen, folder: pathlib.Path, draw: random.Random) -> Restart:
    """Three steps after the last start, somewhere within the next."""
    def steady(entries: list[dict]) -> bool:
        return len(entries) > 3 and all(entry["event"] == "step" for entry in entries[-3:])

    entries = wait_for(process, folder, 4 * RESTART_SECONDS_MAX, steady)
    if not entries:
        raise Failed("torchrun: three steps take too long")
    time.sleep(draw.random() * entries[-1]["ms"] / 1000)
    rank = draw.randrange(4)
    killed_ms = time.monotonic() * 1000
    os.kill(int((folder / f"rank-{rank}.pid").read_text()), signal.SIGKILL)

    def goes_on(now: list[dict]) -> bool:
        return len(now) > 1 and now[-2]["event"] == "began" and now[-2]["t_ms"] > killed_ms

    after = wait_for(process, folder, RESTART_SECONDS_MAX, goes_on)
    if not after:
        return Restart(rank, None, 0)
    before = [entry for entry in after[:-1] if entry["event"] == "step"][-1]
    from_ms = max(killed_ms, before["t_ms"])
    return Restart(rank, after[-1]["t_ms"] - from_ms, before["step"] + 1 - after[-1]["step"])
