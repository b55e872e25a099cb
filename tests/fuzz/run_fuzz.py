#!/usr/bin/env python3
"""Runs the libFuzzer programs of a build folder, one after another, and says what they found.

run_fuzz.py --build build/fuzz [--seconds N] READER...

Each begins with tests/fuzz/corpus/READER and what earlier runs added in BUILD/corpus/READER, where it
keeps what reaches new code. An input that ends a program goes to BUILD/found/READER. Without --seconds
each runs for PLANARIA_FUZZ_SECONDS of the environment, or 60. Status 1 where there is any finding.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys

INPUT_BYTES_MAX = 20_000
SECONDS_MAX_OF_ONE_INPUT = 10
MEMORY_MAX_MB = 2048


def last_number(pattern: str, text: str) -> int:
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def run(build: pathlib.Path, reader: str, seconds: int) -> bool:
    """Whether the reader kept its promises."""
    here = pathlib.Path(__file__).resolve().parent
    grown = build / "corpus" / reader
    found = build / "found" / reader
    for folder in (grown, found):
        folder.mkdir(parents=True, exist_ok=True)
    program = build / "bin" / f"fuzz_{reader}"
    command = [program, f"-max_total_time={seconds}", f"-max_len={INPUT_BYTES_MAX}",
               f"-timeout={SECONDS_MAX_OF_ONE_INPUT}", f"-rss_limit_mb={MEMORY_MAX_MB}",
               f"-artifact_prefix={found}/", "-print_final_stats=1", grown, here / "corpus" / reader]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE, text=True, errors="replace")
    said = ended.stderr
    counters = last_number(r"INFO: Loaded 1 modules\s+\((\d+) inline 8-bit counters\)", said)
    print(f"{reader:9} {last_number(r'stat::number_of_executed_units: *([0-9]+)', said):9} runs, "
          f"{last_number(r'cov: ([0-9]+)', said)} of {counters} edges, "
          f"{last_number(r' ft: ([0-9]+)', said)} features, "
          f"{len(list(grown.iterdir()))} inputs kept: "
          f"{'nothing found' if ended.returncode == 0 else 'FOUND SOMETHING'}", flush=True)
    if ended.returncode != 0:
        print("\n".join(line for line in said.splitlines() if not line.startswith(("#", "INFO:"))))
        print(f"again: {program} FILE of {found}")
    return ended.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--build", required=True, type=pathlib.Path)
    parser.add_argument("--seconds", type=int,
                        default=int(os.environ.get("PLANARIA_FUZZ_SECONDS", "60")))
    parser.add_argument("readers", nargs="+")
    options = parser.parse_args()
    kept = [run(options.build.resolve(), reader, options.seconds) for reader in options.readers]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
