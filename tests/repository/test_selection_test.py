"""What scripts/test runs: a label that runs nothing fails, --changed leaves out only what is the same.

A build folder of its own, made with CMake from three tests that are shell scripts, so that nothing has
to be compiled.
"""

import pathlib
import subprocess
import sys
import tempfile
import unittest

import planted

TOP = """
cmake_minimum_required(VERSION 3.25)
project(four NONE)
enable_testing()
add_subdirectory(tests/here)
add_subdirectory(tests/there)
add_test(NAME always COMMAND sh -c "exit 0")
"""
HERE = """
add_test(NAME one COMMAND "${CMAKE_BINARY_DIR}/bin/one")
add_test(NAME two COMMAND "${CMAKE_BINARY_DIR}/bin/two")
set_tests_properties(one PROPERTIES LABELS unit)
set_tests_properties(two PROPERTIES LABELS unit SKIP_RETURN_CODE 77)
"""
THERE = """
add_test(NAME three COMMAND "${CMAKE_BINARY_DIR}/bin/three")
add_test(NAME four COMMAND "${CMAKE_BINARY_DIR}/bin/four")
set_tests_properties(three PROPERTIES LABELS "unit;faults")
set_tests_properties(four PROPERTIES LABELS slow)
"""


class Selection(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="planaria_")
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name).resolve()
        self.build = self.root / "build"
        for name, text in {".": TOP, "tests/here": HERE, "tests/there": THERE}.items():
            (self.root / name).mkdir(parents=True, exist_ok=True)
            (self.root / name / "CMakeLists.txt").write_text(text)
        for name in ("one", "two", "three", "four"):
            self.program(name, "exit 0")
        subprocess.run(["cmake", "-S", self.root, "-B", self.build, "-G", "Ninja"], check=True,
                       capture_output=True)

    def program(self, name: str, body: str) -> None:
        path = self.build / "bin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def run_tests(self, *options: str) -> tuple[int, list[str], str]:
        done = subprocess.run([sys.executable, planted.ROOT / "scripts" / "run_tests.py", "--build",
                               self.build, *options], capture_output=True, text=True)
        summary = self.build / "last_tests.txt"
        lines = summary.read_text().splitlines() if summary.exists() else []
        return done.returncode, lines, done.stdout + done.stderr

    def test_everything_runs_but_what_is_slow(self) -> None:
        status, lines, output = self.run_tests()
        self.assertEqual((status, lines), (0, ["100% tests passed, 0 tests failed out of 4"]), output)

    def test_labels_choose(self) -> None:
        status, lines, output = self.run_tests("--label", "slow", "--label", "faults")
        self.assertEqual((status, lines), (0, ["100% tests passed, 0 tests failed out of 2"]), output)

    def test_a_label_that_runs_nothing_fails(self) -> None:
        status, lines, output = self.run_tests("--label", "unit", "--label", "gpu")
        self.assertEqual((status, lines), (1, []))
        self.assertIn("no test is labelled gpu", output)

    def test_a_label_whose_tests_are_all_skipped_ran_nothing(self) -> None:
        self.program("three", "exit 77")
        (self.root / "tests/there/CMakeLists.txt").write_text(
            THERE + "set_tests_properties(three PROPERTIES SKIP_RETURN_CODE 77)\n")
        subprocess.run(["cmake", self.build], check=True, capture_output=True)
        status, lines, _ = self.run_tests("--label", "faults")
        self.assertEqual((status, lines), (1, [
            "skipped: three", "100% tests passed, 0 tests failed out of 1, 1 skipped"]))

    def test_a_failure_is_named_and_fails(self) -> None:
        self.program("one", "exit 3")
        status, lines, _ = self.run_tests()
        self.assertEqual((status, lines),
                         (1, ["failed: one", "75% tests passed, 1 tests failed out of 4"]))

    def test_what_was_skipped_is_said(self) -> None:
        self.program("two", "exit 77")
        status, lines, output = self.run_tests()
        self.assertEqual((status, lines), (0, [
            "skipped: two", "100% tests passed, 0 tests failed out of 4, 1 skipped"]), output)

    def test_changed_runs_what_is_not_as_it_was_when_it_passed(self) -> None:
        status, _, output = self.run_tests()
        self.assertEqual(status, 0, output)
        self.program("two", "exit 0 # another")
        status, lines, output = self.run_tests("--changed")
        # Two, and the one that runs no program of the build folder.
        self.assertEqual((status, lines), (0, ["100% tests passed, 0 tests failed out of 2"]), output)
        self.assertIn("2 of 4 tests are new or changed", output)

    def test_changed_runs_again_what_failed(self) -> None:
        self.program("one", "exit 3")
        self.run_tests()
        for _ in range(2):
            status, lines, _ = self.run_tests("--changed")
            self.assertEqual((status, lines),
                             (1, ["failed: one", "50% tests passed, 1 tests failed out of 2"]))

    def test_a_script_beside_the_sources_counts_as_a_change(self) -> None:
        self.run_tests()
        (self.root / "tests/there/scenario.txt").write_text("kill\n")
        status, _, output = self.run_tests("--changed")
        self.assertEqual(status, 0, output)
        self.assertIn("2 of 4 tests are new or changed", output)

    def test_a_file_that_a_test_requires_counts_as_its_own(self) -> None:
        library = self.build / "libx.a"
        library.write_text("old\n")
        (self.root / "tests/there/CMakeLists.txt").write_text(
            THERE + f'set_tests_properties(three PROPERTIES REQUIRED_FILES "{library}")\n')
        subprocess.run(["cmake", self.build], check=True, capture_output=True)
        self.run_tests()
        library.write_text("new and longer\n")
        status, _, output = self.run_tests("--changed")
        self.assertEqual(status, 0, output)
        self.assertIn("2 of 4 tests are new or changed", output)

    def test_a_program_that_a_test_starts_counts_as_its_own(self) -> None:
        (self.build / "build.ninja").write_text(
            "rule cp\n  command = cp $in $out\n"
            "build bin/train: cp a\n"
            "build bin/test: cp b | c || bin/train lib/libx.a\n")
        module = planted.load("run_tests")
        self.assertEqual(module.started_programs(self.build, self.build / "bin/test"),
                         [self.build / "bin/train"])
        self.assertEqual(module.started_programs(self.build, self.build / "bin/train"), [])


if __name__ == "__main__":
    unittest.main()
