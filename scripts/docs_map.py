#!/usr/bin/env python3
"""Compares the documentation's map with the files: README.md's section "Documentation" is the map.

docs_map.py [ROOT]: prints what it finds, one line each, and fails if there is anything. Every
docs/*.md is linked in the map, and every relative link of every Markdown file leads to a file, its
#anchor to a heading.
"""

import pathlib
import re
import subprocess
import sys

LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1[^\n]*$", re.DOTALL | re.MULTILINE)
MAP_TITLE = "Documentation"


def prose(text: str) -> str:
    """The text without code, in which brackets are no links."""
    return re.sub(r"`[^`\n]*`", "``", FENCE.sub("", text))


def links(text: str) -> list[str]:
    return [first or second for first, second in LINK.findall(prose(text))]


def section(text: str, title: str) -> str:
    match = re.search(rf"^(#+)\s+{re.escape(title)}\s*$(.*?)(?=^#|\Z)", text,
                      re.DOTALL | re.MULTILINE)
    return match.group(2) if match else ""


def anchors(text: str) -> set[str]:
    found = set()
    for heading in re.findall(r"^#+\s+(.*?)\s*$", FENCE.sub("", text), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(plain.replace(" ", "-"))
    return found


def markdown_files(root: pathlib.Path) -> list[pathlib.Path]:
    listed = subprocess.run(["git", "-C", str(root), "ls-files", "--cached", "--others",
                             "--exclude-standard", "-z", "--", "*.md"],
                            capture_output=True, text=True)
    if listed.returncode == 0 and listed.stdout:
        names = [name for name in listed.stdout.split("\0") if name]
    else:  # a copy outside git
        names = [path.relative_to(root).as_posix() for path in root.rglob("*.md")
                 if not {".git", ".deps", "build"} & set(path.relative_to(root).parts)]
    return [root / name for name in sorted(names) if (root / name).is_file()]


def check_links(root: pathlib.Path, path: pathlib.Path) -> list[str]:
    findings = []
    name = path.relative_to(root).as_posix()
    for link in links(path.read_text()):
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue  # another site's
        target, _, anchor = link.partition("#")
        file = (root / target[1:]) if target.startswith("/") else path.parent / target
        if not target:
            file = path
        if not file.resolve().is_relative_to(root.resolve()):
            findings.append(f"{name}: link {link} leads out of the repository")
        elif not file.exists():
            findings.append(f"{name}: link {link} leads nowhere")
        elif anchor and file.suffix == ".md" and anchor not in anchors(file.read_text()):
            findings.append(f"{name}: link {link}: no heading of that name")
    return findings


def check(root: pathlib.Path) -> list[str]:
    findings = []
    for path in markdown_files(root):
        findings += check_links(root, path)
    readme = root / "README.md"
    if not readme.exists():
        return findings + ["README.md: missing, it holds the documentation's map"]
    listed = section(readme.read_text(), MAP_TITLE)
    if not listed:
        return findings + [f"README.md: no section \"{MAP_TITLE}\", the documentation's map"]
    mapped = {link.partition("#")[0] for link in links(listed)}
    for path in sorted((root / "docs").glob("*.md")):
        name = path.relative_to(root).as_posix()
        if name not in mapped:
            findings.append(f"README.md: the map does not link {name}")
    return findings


if __name__ == "__main__":
    where = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    found = check(where.resolve())
    print("\n".join(found) if found else "docs map: complete, every link leads somewhere")
    sys.exit(1 if found else 0)
