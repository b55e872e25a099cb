#!/usr/bin/env python3
"""benchmarks/recovery: what it reads from the events of a run, and what it refuses. Nothing is timed."""

import contextlib
import io
import json
import pathlib
import random
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "benchmarks" / "recovery"))
import domains  # noqa: E402
import losses  # noqa: E402
import run  # noqa: E402
import runs  # noqa: E402
import tables  # noqa: E402


def pipeline(micro_batches: int, *stages: tuple[int, int, int]) -> dict:
    return {"micro_batches": micro_batches,
            "stages": [{"worker": worker, "first_layer": first, "last_layer": last}
                       for worker, first, last in stages]}


def event(t_ms: float, name: str, step: int = 0, **fields: object) -> dict:
    return {"t_ms": t_ms, "event": name, "step": step, "view": 1, **fields}


def view(t_ms: float, first_step: int, layout: dict, members: list[int], planned: bool) -> dict:
    return event(t_ms, "view", first_step, first_step=first_step, layout=layout, planned=planned,
                 members=[{"worker": worker, "address": ""} for worker in members])


def commit(t_ms: float, step: int, step_ms: float = 100.0) -> dict:
    return event(t_ms, "step_committed", step, step_ms=step_ms)


def kill(t_ms: float, worker: int, step: int) -> dict:
    return event(t_ms, "fault_injected", step, kind="kill", worker=worker, order=f"kill {worker}",
                 phase="backward")


TWO = {"pipelines": [pipeline(4, (0, 0, 4), (1, 5, 9))]}


def one_loss(*between: dict) -> list[losses.Loss]:
    """Worker 1 of two is killed in step 3 at 350 ms; `between` comes before anybody notices."""
    alone = {"pipelines": [pipeline(4, (0, 0, 9))]}
    return losses.losses_of([
        view(0, 1, TWO, [0, 1, 2], False), commit(100, 1), commit(200, 2), kill(350, 1, 3), *between,
        event(360, "worker_lost", 3, worker=1), view(361, 3, alone, [0, 2], False),
        event(370, "resumed", 3), commit(480, 3)])


class Losses(unittest.TestCase):
    def test_a_stall_lasts_from_the_kill_to_the_next_commit(self):
        (loss,) = one_loss()
        self.assertTrue(loss.whole)
        self.assertEqual((loss.from_ms, loss.lost_ms, loss.view_ms, loss.begin_ms, loss.commit_ms),
                         (350, 360, 361, 370, 480))
        self.assertEqual((loss.layout, loss.members),
                         ({"pipelines": [pipeline(4, (0, 0, 9))]}, 2))

    def test_a_step_committed_before_the_loss_was_noticed_lost_nothing(self):
        (loss,) = one_loss(commit(355, 3))
        self.assertEqual((loss.fault_ms, loss.from_ms, loss.commit_ms), (350, 355, 480))

    def test_steps_that_a_roll_back_takes_away_are_counted_beside_the_stall(self):
        (loss,) = one_loss(event(355, "rolled_back", 3, **{"from": 2, "to": 0}))
        self.assertEqual(loss.rolled_back, 2)
        self.assertIn("1 rolled back", tables.rolled_back([vars(loss)]))
        self.assertIn("2 steps computed again", tables.rolled_back([vars(loss)]))

    def test_who_computes_nothing_is_no_loss_and_two_at_once_are_not_told_apart(self):
        # Worker 2 is a spare; worker 0 goes before the others have gone on.
        self.assertEqual(len(one_loss(kill(352, 2, 3))), 1)
        first, second = one_loss(kill(355, 0, 3))
        self.assertTrue(first.overlapped and second.overlapped)
        self.assertFalse(first.whole or second.whole)

    def test_a_layout_is_renumbered_for_a_run_of_its_own(self):
        layout = {"pipelines": [pipeline(8, (5, 0, 4), (2, 5, 9))],
                  "shadows": [{"worker": 1, "layers": [0]}, {"worker": 7, "layers": [9]}]}
        self.assertEqual(losses.renumbered(layout, [1, 2, 5]),
                         {"pipelines": [pipeline(8, (1, 0, 4), (0, 5, 9))],
                          "shadows": [{"worker": 2, "layers": [0]}]})

    def test_the_longest_action_is_of_kernels_behind_the_warm_up(self):
        def slice_(category: str, step: int, ms: float) -> dict:
            return {"ph": "X", "cat": category, "dur": ms * 1000, "args": {"step": step}, "pid": 0}

        timeline = {"traceEvents": [slice_("forward", 1, 900), slice_("wait", 3, 500),
                                    slice_("forward", 3, 40), slice_("backward", 4, 88)]}
        self.assertEqual(losses.longest_action_ms(timeline), 88)
        self.assertIsNone(losses.longest_action_ms({"traceEvents": []}))


class Joins(unittest.TestCase):
    def test_others_wait_by_how_much_later_they_begin_than_usual(self):
        def action(t_ms: float, step: int) -> dict:
            return event(t_ms, "computed", step, worker=0)

        events = [view(0, 1, TWO, [0, 1], False), commit(100, 1), action(130, 2), commit(200, 2),
                  action(202, 3), action(210, 3), commit(300, 3), action(304, 4), commit(400, 4),
                  view(400, 5, TWO, [0, 1, 2], True), action(411, 5), commit(500, 5)]
        (entered,) = losses.planned_views(events)
        self.assertEqual((entered.newcomers, entered.step, entered.step_ms), ([2], 5, 100))
        self.assertEqual((entered.gap_ms, entered.usual_gap_ms, entered.waited_ms), (11, 3, 8))

    def test_copies_are_counted_against_the_steps_before_the_first_join(self):
        def apply(worker: int, step: int, ms: float) -> dict:
            return {"ph": "X", "cat": "apply", "dur": ms * 1000, "args": {"step": step},
                    "pid": worker}

        events = [event(0, "fault_injected", 5, kind="join"), event(1, "migration_begin", 6),
                  event(2, "migration_end", 7), commit(3, 8)]
        filling, before = losses.filling_steps(events)
        self.assertEqual((filling, before), ({6, 7}, {3, 4}))
        timeline = {"traceEvents": [apply(0, 1, 99), apply(0, 3, 10), apply(0, 4, 10), apply(1, 3, 20),
                                    apply(0, 6, 17), apply(1, 6, 21), apply(0, 7, 11), apply(0, 8, 50),
                                    apply(2, 7, 70)]}  # the newcomer: nobody's usual
        self.assertEqual(losses.copying_ms(timeline, filling, before), [7, 1])


class Domains(unittest.TestCase):
    def test_the_shadows_own_optimizer_is_taken_out(self):
        pair = {"1": {"steps_ms": [100, 100], "spans_ms": {"apply": 5, "report": 1}, "load": 0},
                "2": {"steps_ms": [112, 112], "spans_ms": {"apply": 13, "report": 1.5, "shadow": 2},
                      "load": 0}}
        costs = domains.costs(pair)
        self.assertAlmostEqual(costs["all"], 0.12)
        self.assertAlmostEqual(costs["optimizer"], 0.08)
        self.assertAlmostEqual(costs["beyond"], 0.04)
        self.assertAlmostEqual(costs["spans, waits included"], 0.025)
        self.assertIn("under 3 missed", domains.table([pair]))


def row(stall_ms: float) -> dict:
    (loss,) = one_loss()
    return {**vars(loss), "shape": "2x2", "load": 1.0, "result_agrees": True,
            "longest_action_ms": 90.0, "fresh_step_ms": loss.commit_ms - loss.from_ms - stall_ms}


class Tables(unittest.TestCase):
    def test_goals_stand_beside_and_a_missed_one_says_by_how_much(self):
        met = tables.table("kills", [row(100), row(150), row(240)])
        self.assertIn("median 150 met, most 240 met", met)
        missed = tables.table("kills", [row(100), row(160), row(250)])
        self.assertIn("median 150 missed by 10, most 240 missed by 10", missed)
        self.assertIn("each 150 met, 1 of 1 within", tables.table("toy", [row(0)]))

    def test_a_hang_under_torchrun_is_told(self):
        rows = [{"next_step_ms": ms, "step_ms": 100, "checkpoint_ms": 9, "load": 1}
                for ms in (4100, None)]
        said = tables.table("torchrun", rows)
        self.assertRegex(said, r"stall +4000\.0 ")
        self.assertIn("1 hung", said)


class Arguments(unittest.TestCase):
    def said(self, words: list[str]) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = run.main(words)
        return status, out.getvalue(), err.getvalue()

    def test_what_cannot_be_is_refused_by_a_sentence(self):
        for words, sentence in ((["--kills", "0"], "--kills: 0, must be at least 1"),
                                (["--only", "kills,raids"], "--only: raids, must be of kills, toy"),
                                (["--from", "/no/such.json"], "--from: /no/such.json"),
                                (["--build", "/no/such"], "--build: /no/such: has no bin/planaria")):
            with self.subTest(words=words):
                status, out, err = self.said(words)
                self.assertEqual((status, out), (2, ""))
                self.assertIn(sentence, err)

    def test_without_a_python_with_torch_the_rest_is_measured(self):
        err = io.StringIO()
        with contextlib.redirect_stderr(err):
            left = run.without_torch(["kills", "torchrun"], pathlib.Path("/no/python3"))
        self.assertEqual(left, ["kills"])
        self.assertIn("torchrun left out: /no/python3 cannot import torch", err.getvalue())

    def test_a_results_file_prints_its_tables_again(self):
        results = {"version": 1, "machine": {"cpus": 2, "kind": "x"}, "seed": 1,
                   "parts": {"kills": [row(100)], "toy": []}}
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "results.json"
            path.write_text(json.dumps(results))
            status, out, err = self.said(["--from", str(path)])
        self.assertEqual((status, err), (0, ""))
        self.assertIn("1 kills, load average", out)
        self.assertIn("nothing measured", out)

    def test_faults_follow_from_the_seed_and_strike_three_of_four(self):
        first, second = (run.kills_in_turn(random.Random(5), 3, 3, None) for _ in range(2))
        self.assertEqual(first, second)
        workers = [item.split("worker=")[1][0] for item in first.split(",")]
        self.assertEqual(len(set(workers)), 3)
        self.assertIn("kill@s=", run.kills_in_turn(random.Random(5), 3, 3, 1.5))
        self.assertEqual(runs.words({"d-model": 8}), ["--d-model", "8"])


if __name__ == "__main__":
    unittest.main()
