#!/usr/bin/env python3
"""Prints the demo's last lines from two run directories; fails unless both have the same bits,
three workers were lost and one more joined.

demo_summary.py --layout TEXT --compared STATUS PIPELINES ALONE

STATUS is the exit status of `planaria compare`. The hashes are read here once more: two witnesses.
"""

import argparse
import json
import pathlib
import sys

LOSS_MAX = 2.7  # nats per byte, mean of the last ten steps: it has learnt something
LAST = 10
LOST = 3
JOINED = 1


def losses_of(run: pathlib.Path) -> list[float]:
    losses = {}
    for line in (run / "events.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "step_committed":
            losses[event["step"]] = event["loss"]
    return [losses[step] for step in sorted(losses)]


def main() -> int:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--layout", required=True)
    parser.add_argument("--compared", required=True, type=int)
    parser.add_argument("pipelines", type=pathlib.Path)
    parser.add_argument("alone", type=pathlib.Path)
    options = parser.parse_args()
    results = [json.loads((run / "result.json").read_text())
               for run in (options.pipelines, options.alone)]
    losses = losses_of(options.pipelines)
    last = losses[-LAST:]
    mean = sum(last) / len(last)
    hashes = {kind: [result[f"{kind}_xxh3_128"] for result in results]
              for kind in ("weights", "state")}
    same = options.compared == 0 and all(a == b for a, b in hashes.values())

    print(f"runs       {options.pipelines} {options.alone}")
    print(f"layout     {options.layout}, and one process alone")
    for loss in results[0]["recoveries"]:
        print(f"lost       worker {loss['worker']}: {loss['resume_ms']:.0f} ms to the next step")
    for join in results[0]["joins"]:
        print(f"joined     worker {join['worker']}: the others waited {join['waited_ms']:.1f} ms")
    print(f"again      {results[0]['redone_micro_batches']} layers of micro-batches were computed "
          "more than once")
    print(f"steps      {results[0]['steps']}, {results[0]['samples']} samples")
    print(f"loss       {losses[0]:.3f} at the start, {losses[-1]:.3f} at the end, "
          f"{mean:.3f} the mean of the last {len(last)} (nats per byte)")
    for kind, (pipelines, alone) in hashes.items():
        print(f"{kind:<10} {pipelines} as pipelines")
        print(f"{'':<10} {alone} alone")
    print(f"same bits: {'yes' if same else 'no'}")
    if mean > LOSS_MAX:
        print(f"it did not learn: the mean of the last losses must be at most {LOSS_MAX}",
              file=sys.stderr)
    survived = results[0]["workers_lost"] == LOST and len(results[0]["joins"]) == JOINED
    if not survived:
        print(f"must be {LOST} workers lost and {JOINED} joined, were {results[0]['workers_lost']} "
              f"and {len(results[0]['joins'])}", file=sys.stderr)
    return 0 if same and survived and mean <= LOSS_MAX else 1


sys.exit(main())
