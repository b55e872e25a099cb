#!/usr/bin/env python3
"""Chooses tests of a build folder, runs them with ctest and remembers which passed with what.

run_tests.py --build build/dev [--label L]... [--changed]

Without --label everything runs but what is labelled slow. --changed leaves out a test that passed
here before with the very same inputs: its program, the programs it starts, the files beside its sources
that are not C++ (scripts, scenarios), and those it names as REQUIRED_FILES. Tests that run no program of the build folder, such as
the repository's own checks, always run. What passed with what is kept in BUILD/passed.json.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree


def known_tests(build: pathlib.Path) -> list[dict]:
    text = subprocess.run(["ctest", "--test-dir", str(build), "--show-only=json-v1"],
                          check=True, capture_output=True, text=True).stdout
    return json.loads(text)["tests"]


def source_of(build: pathlib.Path) -> pathlib.Path:
    cache = (build / "CMakeCache.txt").read_text()
    return pathlib.Path(re.search(r"^CMAKE_HOME_DIRECTORY:\w+=(.*)$", cache, re.MULTILINE).group(1))


def properties(test: dict) -> dict:
    return {entry["name"]: entry["value"] for entry in test.get("properties", [])}


def started_programs(build: pathlib.Path, program: pathlib.Path) -> list[pathlib.Path]:
    """The programs that ninja builds before `program` without linking them into it (DEPENDS)."""
    name = program.relative_to(build).as_posix()
    text = subprocess.run(["ninja", "-C", str(build), "-t", "query", name],
                          capture_output=True, text=True).stdout  # nothing for what ninja does not make
    inputs = text.split("  outputs:")[0]
    names = re.findall(r"^\s*\|\|\s+(bin/\S+)$", inputs, re.MULTILINE)
    return [build / name for name in names]


def inputs_of(test: dict, source: pathlib.Path, build: pathlib.Path) -> list[pathlib.Path] | None:
    """The files whose change makes the test worth running again, or None: it always runs."""
    if not test.get("command"):
        return None
    program = pathlib.Path(test["command"][0])
    if not program.is_relative_to(build / "bin"):
        return None
    inputs = [program, *started_programs(build, program)]
    inputs += [pathlib.Path(name) for name in properties(test).get("REQUIRED_FILES", [])]
    folder = pathlib.Path(properties(test).get("WORKING_DIRECTORY", build))
    if folder.is_relative_to(build):
        beside = source / folder.relative_to(build)
        inputs += [path for path in sorted(beside.rglob("*"))
                   if path.is_file() and path.suffix not in {".cpp", ".hpp", ".pyc"}]
    return inputs


def fingerprint(inputs: list[pathlib.Path]) -> list[list]:
    found = []
    for path in inputs:
        status = path.stat() if path.exists() else None
        found.append([str(path), status and status.st_size, status and status.st_mtime_ns])
    return found


def read_passed(path: pathlib.Path) -> dict:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def choose(tests: list[dict], labels: list[str]) -> list[dict]:
    def wanted(test: dict) -> bool:
        own = properties(test).get("LABELS", [])
        return any(label in own for label in labels) if labels else "slow" not in own

    return [test for test in tests if wanted(test)]


def run(build: pathlib.Path, names: list[str]) -> tuple[int, set[str], set[str]]:
    """Runs the tests named; returns ctest's status, the names that passed and those skipped."""
    report = build / "tests.xml"
    report.unlink(missing_ok=True)
    pattern = "^(" + "|".join(re.escape(name) for name in names) + ")$"
    status = subprocess.run(
        ["ctest", "--test-dir", str(build), "--output-on-failure", "--no-tests=error",
         "--parallel", str(os.cpu_count() or 1), "--output-junit", str(report),
         "--tests-regex", pattern]).returncode
    if not report.exists():
        return status or 1, set(), set()
    good, skipped = set(), set()
    for case in xml.etree.ElementTree.parse(report).getroot().iter("testcase"):
        reason = case.find("skipped")
        if case.get("status") == "run":
            good.add(case.get("name"))
        elif reason is not None and reason.get("message", "").startswith("SKIP_"):
            skipped.add(case.get("name"))
    return status, good, skipped


def report_of(names: list[str], good: set[str], skipped: set[str]) -> tuple[list[str], int]:
    """The last lines, worded as ctest words them, and how many failed. Nothing skipped is hidden."""
    failed = [name for name in names if name not in good and name not in skipped]
    lines = [f"skipped: {name}" for name in sorted(skipped)]
    lines += [f"failed: {name}" for name in failed]
    share = 100 * (len(names) - len(failed)) // len(names)
    lines.append(f"{share}% tests passed, {len(failed)} tests failed out of {len(names)}"
                 + (f", {len(skipped)} skipped" if skipped else ""))
    return lines, len(failed)


def main() -> int:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--build", required=True, type=pathlib.Path)
    parser.add_argument("--label", action="append", default=[])
    parser.add_argument("--changed", action="store_true")
    options = parser.parse_args()
    build = options.build.resolve()
    source = source_of(build)
    summary = build / "last_tests.txt"
    summary.unlink(missing_ok=True)

    tests = known_tests(build)
    for label in options.label:
        if not choose(tests, [label]):
            print(f"no test is labelled {label}: a label that runs nothing fails", file=sys.stderr)
            return 1
    chosen = choose(tests, options.label)
    passed_path = build / "passed.json"
    passed = read_passed(passed_path)
    prints = {}
    for test in chosen:
        inputs = inputs_of(test, source, build)
        prints[test["name"]] = None if inputs is None else fingerprint(inputs)
    names = [test["name"] for test in chosen]
    if options.changed:
        names = [name for name in names if prints[name] is None or passed.get(name) != prints[name]]
        print(f"{len(names)} of {len(chosen)} tests are new or changed since they last passed here")
        if not names:
            summary.write_text("0 tests run, none changed\n")
            return 0
    if not names:
        print("no tests are registered", file=sys.stderr)
        return 1

    status, good, skipped = run(build, names)
    for name in names:
        passed.pop(name, None)
        if name in good and prints[name] is not None:
            passed[name] = prints[name]
    passed_path.write_text(json.dumps(passed, indent=1) + "\n")
    lines, failed = report_of(names, good, skipped)
    summary.write_text("\n".join(lines) + "\n")
    return 1 if status or failed or not good else 0


if __name__ == "__main__":
    sys.exit(main())
