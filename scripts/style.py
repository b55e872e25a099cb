#!/usr/bin/env python3
"""Holds the sources to what clang-format and clang-tidy cannot see.

style.py [ROOT]: prints what it finds, one line each, and fails if there is anything. Exceptions stand
below with their reason; one that is not needed any more is a finding too.
"""

import pathlib
import re
import sys

LINES_MAX = 400
# path: reason. Longer than LINES_MAX.
LONG_FILES: dict[str, str] = {}
# path: reason. Tests that sleep because sleeping is what they are about, not to wait for something.
SLEEPING_TESTS: dict[str, str] = {}

# Names that say nothing about what belongs in them, so that everything ends up there.
EMPTY_NAMES = {"util", "utils", "helper", "helpers", "common", "misc", "manager", "managers"}
TOPS = ("include", "lib", "examples", "benchmarks", "tests", "scripts", "cmake", "docs")
CODE = {".hpp", ".cpp", ".cu", ".h", ".cc"}
SLEEP = re.compile(r"\b(sleep_for|sleep_until|usleep|nanosleep)\b|(?<![\w.:])sleep\s*\(")
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


def check_code(name: str, text: str) -> list[str]:
    findings = []
    plain = COMMENT.sub("", text)
    if re.search(r"\busing\s+namespace\s+std\s*;", plain):
        findings.append(f"{name}: using namespace std")
    if name.endswith(".hpp"):
        if "#pragma once" not in text:
            findings.append(f"{name}: no #pragma once")
        public = re.match(r"include/planaria/(.*)", name)
        if public and not text.startswith(f"// {public.group(1)}: "):
            findings.append(f"{name}: must open with \"// {public.group(1)}: \" and what it is")
    if name.startswith("tests/") and SLEEP.search(plain) and name not in SLEEPING_TESTS:
        findings.append(f"{name}: sleeps; wait for what must happen, or list it with a reason in "
                        "scripts/style.py")
    return findings


def check_name(path: pathlib.PurePosixPath) -> list[str]:
    findings = []
    for part in path.parts[:-1] + (path.name.split(".")[0],):
        if part.lower() in EMPTY_NAMES:
            findings.append(f"{path}: the name {part} says nothing about what belongs in it")
    if path.suffix in CODE and not re.fullmatch(r"[a-z0-9_]+(\.[a-z]+)+", path.name):
        findings.append(f"{path}: file names are snake_case")
    return findings


def files_of(root: pathlib.Path) -> list[pathlib.Path]:
    return [path for top in TOPS for path in sorted((root / top).rglob("*"))
            if path.is_file() and "__pycache__" not in path.parts]


def check_exceptions(root: pathlib.Path) -> list[str]:
    findings = []
    for name in LONG_FILES:
        path = root / name
        if not path.exists() or path.read_text().count("\n") <= LINES_MAX:
            findings.append(f"scripts/style.py: LONG_FILES has {name}, which needs no exception")
    for name in SLEEPING_TESTS:
        path = root / name
        if not path.exists() or not SLEEP.search(COMMENT.sub("", path.read_text())):
            findings.append(f"scripts/style.py: SLEEPING_TESTS has {name}, which needs no exception")
    return findings


def check(root: pathlib.Path) -> list[str]:
    findings = []
    for path in files_of(root):
        name = path.relative_to(root).as_posix()
        findings += check_name(pathlib.PurePosixPath(name))
        if path.suffix not in CODE | {".py"}:
            continue
        text = path.read_text()
        lines = text.count("\n")
        if lines > LINES_MAX and name not in LONG_FILES:
            findings.append(f"{name}: {lines} lines, at most {LINES_MAX}: split it by idea, or list it "
                            "with a reason in scripts/style.py")
        if path.suffix in CODE:
            findings += check_code(name, text)
    return findings + check_exceptions(root)


if __name__ == "__main__":
    where = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    found = check(where.resolve())
    print("\n".join(found) if found else "style: nothing found")
    sys.exit(1 if found else 0)
