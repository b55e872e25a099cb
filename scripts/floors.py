#!/usr/bin/env python3
"""Proves the floors: a module includes only lower ones, pure ones stay pure, CMake says what is true.

floors.py [ROOT]: prints what it finds, one line each, and fails if there is anything.
The modules and their floors stand in FLOORS below and nowhere else.
"""

import pathlib
import re
import sys

FLOORS = {
    "base": 0,
    "model": 1, "observe": 1,
    "schedule": 2, "availability": 2,
    "planner": 3, "migration": 3,
    "liveput": 4,
    "protocol": 5,
    "transport": 6, "checkpoint": 6,
    "host": 7,
    "runtime": 8,
    "cli": 9,
}
PURE_MAX = 5  # the purity line: from here down no LibTorch, sockets, threads or wall clock

# Time is handed in as an Instant; the one place that reads a clock is this header.
CLOCK_HEADER = pathlib.PurePosixPath("include/planaria/base/clock.hpp")

IMPURE_HEADERS = {
    "LibTorch": r"torch/.*|ATen/.*|c10/.*",
    "Asio": r"asio(\.hpp|/.*)",
    "libsodium": r"sodium(\.h|/.*)",
    "threads": r"thread|mutex|shared_mutex|condition_variable|future|semaphore|barrier|latch"
               r"|stop_token|pthread\.h",
    "a clock": r"chrono|ctime|time\.h|sys/time\.h",
    "sockets": r"sys/socket\.h|sys/un\.h|sys/epoll\.h|poll\.h|sys/select\.h|netdb\.h|netinet/.*"
               r"|arpa/inet\.h|net/if\.h|ifaddrs\.h",
}
IMPURE_WORDS = re.compile(
    r"\b(random_device|steady_clock|system_clock|high_resolution_clock|clock_gettime|gettimeofday)\b")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:<([^>]+)>|"([^"]+)")', re.MULTILINE)
MODULE = re.compile(r"planaria_module\(\s*(\w+)([^)]*)\)")
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


def without_comments(text: str) -> str:
    return COMMENT.sub("", text)


def includes_of(text: str) -> list[str]:
    return [angled or quoted for angled, quoted in INCLUDE.findall(without_comments(text))]


def module_of_include(name: str) -> str | None:
    """The module that an include names: <planaria/X/...>, or "X/..." for X's private headers."""
    parts = pathlib.PurePosixPath(name).parts
    if parts[0] == "planaria" and len(parts) > 2:
        return parts[1]
    if parts[0] in FLOORS and len(parts) > 1:
        return parts[0]
    return None


def module_of_file(path: pathlib.PurePosixPath) -> str:
    return path.parts[2] if path.parts[0] == "include" else path.parts[1]


def source_files(root: pathlib.Path) -> list[pathlib.PurePosixPath]:
    found = []
    for top in ("include/planaria", "lib"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix in {".hpp", ".cpp", ".cu", ".cuh", ".h", ".cc", ".c"}:
                found.append(pathlib.PurePosixPath(path.relative_to(root).as_posix()))
    return found


def words_after(key: str, body: str) -> list[str]:
    """The words of one list of a planaria_module() call, up to the next upper-case keyword."""
    keywords = r"HEADERS|SOURCES|USES|LINKS"
    match = re.search(rf"\b{key}\b(.*?)(?=\b(?:{keywords})\b|$)", body, re.DOTALL)
    return match.group(1).split() if match else []


def declared_modules(root: pathlib.Path) -> dict[str, dict[str, list[str]]]:
    declared = {}
    for path in sorted((root / "lib").glob("*/CMakeLists.txt")):
        text = re.sub(r"#[^\n]*", "", path.read_text())
        for name, body in MODULE.findall(text):
            declared[name] = {key: words_after(key, body)
                              for key in ("HEADERS", "SOURCES", "USES", "LINKS")}
    return declared


def check_file(path: pathlib.PurePosixPath, text: str) -> list[str]:
    module = module_of_file(path)
    if module not in FLOORS:
        return [f"{path}: module {module} has no floor, give it one in scripts/floors.py"]
    floor = FLOORS[module]
    findings = []
    for name in includes_of(text):
        other = module_of_include(name)
        if other is not None and other not in FLOORS:
            findings.append(f"{path}: includes {name}, and {other} is no module")
        elif other is not None and other != module and FLOORS[other] >= floor:
            findings.append(f"{path}: {module} (floor {floor}) includes {name}, {other} is on floor "
                            f"{FLOORS[other]}, must be lower")
        elif (other is not None and other != module
              and not name.startswith("planaria/")):
            findings.append(f"{path}: includes {name}, a private header of {other}")
        if floor <= PURE_MAX and path != CLOCK_HEADER:
            for what, pattern in IMPURE_HEADERS.items():
                if re.fullmatch(pattern, name):
                    findings.append(f"{path}: {module} is pure (floor {floor}) and includes <{name}>:"
                                    f" {what}")
    if floor <= PURE_MAX and path != CLOCK_HEADER:
        for word in sorted(set(IMPURE_WORDS.findall(without_comments(text)))):
            findings.append(f"{path}: {module} is pure (floor {floor}) and says {word}")
    return findings


def check_lists(root: pathlib.Path, files: list[pathlib.PurePosixPath],
                declared: dict[str, dict[str, list[str]]]) -> list[str]:
    """CMake names every public header and source; a private header is included by somebody."""
    findings = []
    included = set()
    for path in files:
        included.update(includes_of((root / path).read_text()))
    for path in files:
        module = module_of_file(path)
        cmake = root / "lib" / module / "CMakeLists.txt"
        name = "/".join(path.parts[3:] if path.parts[0] == "include" else path.parts[2:])
        if path.parts[0] == "include":
            listed = name in declared.get(module, {}).get("HEADERS", [])
        elif path.suffix == ".hpp":
            listed = f"{module}/{name}" in included
            if not listed:
                findings.append(f"{path}: a private header that nobody includes as "
                                f"\"{module}/{name}\"")
            continue
        elif module in declared:
            listed = name in declared[module]["SOURCES"]
        else:
            text = cmake.read_text() if cmake.exists() else ""
            listed = name in re.split(r"[\s()]+", re.sub(r"#[^\n]*", "", text))
        if not listed:
            findings.append(f"{path}: not listed in lib/{module}/CMakeLists.txt")
    known = set(files)
    for module, lists in declared.items():
        for top, key in (("include/planaria", "HEADERS"), ("lib", "SOURCES")):
            for name in lists[key]:
                if pathlib.PurePosixPath(top, module, name) not in known:
                    findings.append(f"lib/{module}/CMakeLists.txt: {key} has {name}, which is not in "
                                    f"{top}/{module}")
    return findings


def check_uses(root: pathlib.Path, files: list[pathlib.PurePosixPath],
               declared: dict[str, dict[str, list[str]]]) -> list[str]:
    real: dict[str, set[str]] = {module: set() for module in declared}
    for path in files:
        module = module_of_file(path)
        if module not in real:
            continue
        for name in includes_of((root / path).read_text()):
            other = module_of_include(name)
            if other is not None and other != module:
                real[module].add(other)
    findings = []
    for module, lists in declared.items():
        uses = set(lists["USES"])
        for other in sorted(uses - real[module]):
            findings.append(f"lib/{module}/CMakeLists.txt: USES {other}, which no file includes")
        for other in sorted(real[module] - uses):
            findings.append(f"lib/{module}/CMakeLists.txt: USES lacks {other}, which its files include")
    return findings


def check(root: pathlib.Path) -> list[str]:
    files = source_files(root)
    declared = declared_modules(root)
    findings = []
    for path in files:
        findings += check_file(path, (root / path).read_text())
    return findings + check_lists(root, files, declared) + check_uses(root, files, declared)


if __name__ == "__main__":
    where = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    found = check(where.resolve())
    print("\n".join(found) if found else "floors: every include goes down, CMake says what is true")
    sys.exit(1 if found else 0)
