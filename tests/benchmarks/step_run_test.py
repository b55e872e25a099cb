#!/usr/bin/env python3
"""benchmarks/step: what it makes of measured times, and what it refuses. Nothing is timed here."""

import array
import contextlib
import io
import json
import pathlib
import struct
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "benchmarks" / "step"))
import contenders  # noqa: E402
import figures  # noqa: E402
import run  # noqa: E402


def round_of(ideal: float | None = None, **steady: float) -> dict:
    """A round in which every step behind a slow warm-up took the same time."""
    round_ = {"order": list(steady), "load": 0.5,
              "step_ms": {name.replace("_", "-"): [900.0, 900.0, ms, ms, ms]
                          for name, ms in steady.items()}}
    if ideal is not None:
        round_["ideal_ms"] = ideal
    return round_


def said(words: list[str]) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = run.main(words)
    return status, out.getvalue(), err.getvalue()


class Figures(unittest.TestCase):
    def test_warm_up_counts_for_nothing(self):
        self.assertEqual(figures.step_ms([1000.0, 500.0, 3.0, 1.0, 2.0]), 2.0)
        with self.assertRaisesRegex(ValueError, "2 steps, must be more than the 2"):
            figures.step_ms([1.0, 2.0])

    def test_ratios_are_taken_within_a_round(self):
        # The second round met a load that halved everybody: unpaired, the ratio would be nonsense.
        rounds = [round_of(plain=100.0, alone=100.0), round_of(plain=220.0, alone=200.0),
                  round_of(plain=99.0, alone=100.0)]
        (alone,) = figures.ratios("example", rounds)
        self.assertEqual((alone.goal.ours, alone.goal.baseline), ("alone", "plain"))
        self.assertAlmostEqual(alone.median, 1.0)
        self.assertAlmostEqual(alone.least, 0.99)
        self.assertAlmostEqual(alone.most, 1.1)
        self.assertTrue(alone.met)

    def test_a_goal_belongs_to_its_size(self):
        rounds = [round_of(torch_1f1b=120.0, stages=100.0)]
        (example,) = figures.ratios("example", rounds)
        (small,) = figures.ratios("small", rounds)
        self.assertEqual((example.at_least, example.met), (1.02, True))
        self.assertEqual((small.at_least, small.met), (1.5, False))

    def test_the_ideal_is_a_baseline_of_its_own_round(self):
        (ratio, _) = figures.ratios("example", [round_of(ideal=97.0, stages=100.0, plain=200.0)])
        self.assertEqual(ratio.goal.baseline, "ideal")
        self.assertAlmostEqual(ratio.median, 0.97)

    def test_kernels_are_medians_without_waits_and_warm_up(self):
        def event(pid: int, cat: str, step: int, ms: float) -> dict:
            return {"name": "F3", "cat": cat, "ph": "X", "pid": pid, "tid": 0, "ts": 0,
                    "dur": ms * 1000, "args": {"step": step, "micro_batch": 3}}

        events = [event(w, cat, step, ms + w) for w in (0, 1) for step in (3, 4, 5)
                  for cat, ms in (("forward", 40.0 + step), ("backward", 80.0 + step),
                                  ("wait", 500.0), ("reduce", 9.0))]
        events += [event(0, "forward", 1, 4000.0), {"ph": "M", "pid": 0, "name": "process_name"}]
        timeline = {"traceEvents": events}
        self.assertEqual(figures.kernel_ms(timeline, [1, 0]), ([45.0, 44.0], [85.0, 84.0]))
        with self.assertRaisesRegex(ValueError, "no forward of worker 2"):
            figures.kernel_ms(timeline, [0, 2])


    def test_without_bubbles_a_step_takes_its_busier_worker(self):
        def event(pid: int, cat: str, step: int, ms: float) -> dict:
            return {"cat": cat, "ph": "X", "pid": pid, "dur": ms * 1000, "args": {"step": step}}

        events = [event(0, "forward", 3, 10.0), event(0, "backward_weight", 3, 20.0),
                  event(1, "backward_input", 3, 29.0), event(1, "wait", 3, 500.0),
                  event(0, "forward", 4, 50.0), event(1, "backward", 4, 40.0),
                  event(1, "recompute", 4, 20.0), event(0, "forward", 5, 41.0),
                  event(0, "forward", 1, 9000.0), event(0, "predicted", 4, 900.0)]
        self.assertEqual(figures.no_bubble_ms({"traceEvents": events}), 41.0)
        with self.assertRaisesRegex(ValueError, "no kernels"):
            figures.no_bubble_ms({"traceEvents": events[-2:]})
        round_ = round_of(zero_bubble=100.0) | {"no_bubble_ms": 94.5}
        (ratio,) = figures.ratios("example", [round_])
        self.assertEqual((ratio.goal.baseline, ratio.met), ("no-bubble", True))


class Order(unittest.TestCase):
    def test_it_rotates_so_that_everybody_comes_first_once(self):
        names = list(figures.CONTENDERS)
        orders = [run.order_of(names, number) for number in range(len(names))]
        self.assertEqual([order[0] for order in orders], names)
        for order in orders:
            self.assertEqual(sorted(order), sorted(names))


class Weights(unittest.TestCase):
    def test_stages_are_put_together_and_the_worst_tensor_named(self):
        with tempfile.TemporaryDirectory() as folder:
            whole = self.write(folder, "whole", {"a": [1.0, 2.0], "b": [3.0]})
            first = self.write(folder, "first", {"a": [1.0, 2.5]})
            second = self.write(folder, "second", {"b": [3.25]})
            a = contenders.read_weights([whole])
            b = contenders.read_weights([first, second])
            self.assertEqual(contenders.largest_difference(a, b), (0.5, "a"))
            with self.assertRaisesRegex(contenders.Failed, "other tensors: b"):
                contenders.largest_difference(a, contenders.read_weights([first]))

    def test_beyond_the_limit_the_benchmark_fails(self):
        with tempfile.TemporaryDirectory() as folder:
            outcomes = {name: contenders.Outcome([], [self.write(folder, name, {"a": [value]})])
                        for name, value in (("plain", 1.0), ("alone", 1.0), ("stages", 1.01))}
            with self.assertRaisesRegex(contenders.Failed, "stages: weights differ from plain's by"):
                run.compare_weights(outcomes)
            del outcomes["stages"]
            self.assertEqual(run.compare_weights(outcomes), {"alone": 0.0})

    @staticmethod
    def write(folder: str, name: str, tensors: dict[str, list[float]]) -> pathlib.Path:
        header, data = {"__metadata__": {"x": "y"}}, b""
        for key, values in tensors.items():
            piece = array.array("f", values).tobytes()
            header[key] = {"dtype": "F32", "shape": [len(values)],
                           "data_offsets": [len(data), len(data) + len(piece)]}
            data += piece
        text = json.dumps(header).encode()
        path = pathlib.Path(folder) / name
        path.write_bytes(struct.pack("<Q", len(text)) + text + data)
        return path


class Arguments(unittest.TestCase):
    def test_what_cannot_be_is_refused_by_a_sentence(self):
        for words, sentence in (
                (["--rounds", "0"], "--rounds: 0, must be at least 1"),
                (["--steps", "2"], "--steps: 2, must be at least 3"),
                (["--only", "plain,jax"], "--only: jax, must be of plain, two-plain, alone"),
                (["--cpus", "0-3"], "--cpus: 0-3, must be numbers"),
                (["--from", "/no/such.json"], "--from: /no/such.json"),
                (["--build", "/no/such"], "--build: /no/such: has no bin/planaria")):
            with self.subTest(words=words):
                status, out, err = said(words)
                self.assertEqual((status, out), (2, ""))
                self.assertIn(sentence, err)
                self.assertEqual(err.count("\n"), 1)

    def test_without_a_python_with_torch_its_contenders_are_left_out(self):
        err = io.StringIO()
        with contextlib.redirect_stderr(err):
            left = run.without_torch(["plain", "ddp", "width"], pathlib.Path("/no/python3"))
        self.assertEqual(left, ["plain", "width"])
        self.assertIn("ddp left out: /no/python3 cannot import torch", err.getvalue())

    def test_a_results_file_prints_the_table_again(self):
        results = {"version": 1, "cpus": "0,1", "machine": {}, "sizes": {"small": {
            "options": {**run.SIZES["small"], "steps": 5}, "weights_differ": {"alone": 4e-7},
            "rounds": [round_of(torch_1f1b=160.0, stages=100.0)]}}}
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "results.json"
            path.write_text(json.dumps(results))
            status, out, err = said(["--from", str(path)])
            path.write_text("{}")
            refused = said(["--from", str(path)])
        self.assertEqual((status, err), (0, ""))
        self.assertRegex(out, r"planaria 1F1B, 2 stages +100\.00 ")
        self.assertRegex(out, r"stages / torch-1f1b +1\.600 +1\.600 +1\.600  1\.50 met")
        self.assertIn("at most 4.0e-07 apart", out)
        self.assertNotIn("plain LibTorch", out)  # it did not run
        self.assertEqual(refused[0], 2)


if __name__ == "__main__":
    unittest.main()
