#!/usr/bin/env python3
"""Prints the compiled files that clang-tidy should see, one a line.

tidy_files.py --build build/dev [--all]

Without --all: what differs from the merge base with main (uncommitted and untracked files too). For a
header one file that includes it stands in: a public header is compiled alone by the build itself, a
private one is looked for in its own folder.
"""

import argparse
import json
import pathlib
import subprocess
import sys


def git(*arguments: str) -> list[str]:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True)
    return done.stdout.splitlines() if done.returncode == 0 else []


def changed_files() -> list[str]:
    base = git("merge-base", "HEAD", "main") or git("merge-base", "HEAD", "origin/main")
    against = base[0] if base else "HEAD"
    return sorted(set(git("diff", "--name-only", against, "--"))
                  | set(git("ls-files", "--others", "--exclude-standard")))


def stand_ins(header: pathlib.Path, build: pathlib.Path, compiled: set[pathlib.Path],
              root: pathlib.Path) -> list[pathlib.Path]:
    public = root / "include" / "planaria"
    if header.is_relative_to(public):
        return [build / "alone" / header.relative_to(public).with_suffix(".alone.cpp")]
    return [path for path in compiled if path.parent == header.parent
            and f"/{header.name}\"" in path.read_text()][:1]


def main() -> int:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--build", required=True, type=pathlib.Path)
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args()
    root = pathlib.Path(__file__).resolve().parent.parent
    build = options.build.resolve()
    commands = json.loads((build / "compile_commands.json").read_text())
    compiled = {pathlib.Path(command["directory"], command["file"]) for command in commands}
    if options.all:
        files = compiled
    else:
        files = set()
        for name in changed_files():
            path = root / name
            if path.suffix == ".hpp" and path.exists():
                files.update(stand_ins(path, build, compiled, root))
            elif path.suffix == ".cpp":
                files.add(path)
        files &= compiled
    print("\n".join(str(path) for path in sorted(files)), end="\n" if files else "")
    return 0


sys.exit(main())
