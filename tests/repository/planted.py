"""A small repository in a temporary folder, right in every way, for planting one mistake at a time."""

import importlib.util
import pathlib
import tempfile
import types
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

GOOD = {
    "README.md": "# it\n\nWhat it is.\n\n## Documentation\n\n- [design](docs/design.md): why\n"
                 "- [hacking](docs/hacking.md#the-table): how\n\n## License\n",
    "docs/design.md": "# design\n\nSee [hacking](hacking.md) and [the code](../lib/base/text.cpp).\n",
    "docs/hacking.md": "# hacking\n\n## The table\n\n`[no](link.md)`\n\n```\n[no](link.md)\n```\n",
    "include/planaria/base/text.hpp": "// base/text.hpp: text. Floor 0.\n#pragma once\n#include <string>\n",
    "include/planaria/base/clock.hpp":
        "// base/clock.hpp: time. Floor 0.\n#pragma once\n#include <chrono>\n",
    "include/planaria/model/lanes.hpp": "// model/lanes.hpp: lanes. Floor 1.\n#pragma once\n"
                                        "#include <planaria/base/text.hpp>\n",
    "include/planaria/transport/frame.hpp": "// transport/frame.hpp: frames. Floor 6.\n#pragma once\n"
                                            "#include <planaria/base/text.hpp>\n",
    "lib/base/CMakeLists.txt": "planaria_module(base  # floor 0\n  HEADERS clock.hpp text.hpp\n"
                               "  SOURCES text.cpp)\n",
    "lib/base/text.cpp": "#include <planaria/base/text.hpp>\n",
    "lib/model/CMakeLists.txt": "planaria_module(model  # floor 1\n  HEADERS lanes.hpp\n"
                                "  SOURCES lanes.cpp\n  USES    base\n  LINKS   fmt::fmt)\n",
    "lib/model/lanes.cpp": '#include <planaria/model/lanes.hpp>\n#include "model/tree.hpp"\n',
    "lib/model/tree.hpp": "// private\n#pragma once\n",
    "lib/transport/CMakeLists.txt": "planaria_module(transport\n  HEADERS frame.hpp\n"
                                    "  SOURCES frame.cpp\n  USES base\n  LINKS planaria_asio)\n",
    "lib/transport/frame.cpp": "#include <planaria/transport/frame.hpp>\n#include <asio.hpp>\n"
                               "#include <thread>\n",
    "lib/cli/CMakeLists.txt": "add_executable(planaria main.cpp)\n",
    "lib/cli/main.cpp": "#include <planaria/transport/frame.hpp>\n",
    "tests/model/lanes_test.cpp": "// no sleep_for here\n#include <planaria/model/lanes.hpp>\n",
}


def load(script: str) -> types.ModuleType:
    """Loads scripts/NAME.py, which is a program and no package."""
    specification = importlib.util.spec_from_file_location(script, ROOT / "scripts" / f"{script}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


class Planted(unittest.TestCase):
    """Plants files into a copy of GOOD and asks a check what it finds."""

    script = ""

    def setUp(self) -> None:
        self.module = load(self.script)
        folder = tempfile.TemporaryDirectory(prefix="planaria_")
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name).resolve()
        for name, text in GOOD.items():
            self.plant(name, text)

    def plant(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def append(self, name: str, text: str) -> None:
        self.plant(name, GOOD[name] + text)

    def findings(self) -> list[str]:
        return self.module.check(self.root)

    def assert_found(self, *sentences: str) -> None:
        """Exactly these and nothing else: a check that shouts at everything proves nothing."""
        self.assertEqual(sorted(self.findings()), sorted(sentences))
