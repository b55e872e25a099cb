"""The floors of this repository, and that the check would see it if they were broken."""

import unittest

import planted


class ThisRepository(unittest.TestCase):
    def test_includes_go_down_only_and_cmake_says_what_is_true(self) -> None:
        self.assertEqual(planted.load("floors").check(planted.ROOT), [])


class PlantedMistakes(planted.Planted):
    script = "floors"

    def test_a_sound_repository_has_no_findings(self) -> None:
        self.assert_found()

    def test_an_include_of_a_higher_floor(self) -> None:
        self.append("include/planaria/base/text.hpp", "#include <planaria/model/lanes.hpp>\n")
        self.assert_found(
            "include/planaria/base/text.hpp: base (floor 0) includes planaria/model/lanes.hpp, model "
            "is on floor 1, must be lower",
            "lib/base/CMakeLists.txt: USES lacks model, which its files include")

    def test_an_include_of_the_same_floor(self) -> None:
        self.plant("include/planaria/observe/events.hpp",
                   "#pragma once\n#include <planaria/model/lanes.hpp>\n")
        self.plant("lib/observe/CMakeLists.txt",
                   "planaria_module(observe HEADERS events.hpp USES model)\n")
        self.assert_found(
            "include/planaria/observe/events.hpp: observe (floor 1) includes planaria/model/lanes.hpp,"
            " model is on floor 1, must be lower")

    def test_an_include_with_odd_spaces_and_quotes(self) -> None:
        self.append("lib/base/text.cpp", '  #  include "planaria/model/lanes.hpp"\n')
        self.assertIn("lib/base/text.cpp: base (floor 0) includes planaria/model/lanes.hpp, model is "
                      "on floor 1, must be lower", self.findings())

    def test_an_include_in_a_comment_is_none(self) -> None:
        self.append("lib/base/text.cpp", "// #include <planaria/model/lanes.hpp>\n/*\n"
                                         "#include <planaria/model/lanes.hpp>\n*/\n")
        self.assert_found()

    def test_a_private_header_of_another_module(self) -> None:
        self.append("lib/transport/frame.cpp", '#include "model/tree.hpp"\n')
        self.assert_found(
            "lib/transport/frame.cpp: includes model/tree.hpp, a private header of model",
            "lib/transport/CMakeLists.txt: USES lacks model, which its files include")

    def test_a_module_nobody_knows(self) -> None:
        self.append("lib/model/lanes.cpp", "#include <planaria/magic/wand.hpp>\n")
        self.assert_found(
            "lib/model/lanes.cpp: includes planaria/magic/wand.hpp, and magic is no module",
            "lib/model/CMakeLists.txt: USES lacks magic, which its files include")

    def test_a_module_without_a_floor(self) -> None:
        self.plant("lib/magic/wand.cpp", "\n")
        self.plant("lib/magic/CMakeLists.txt", "planaria_module(magic SOURCES wand.cpp)\n")
        self.assert_found(
            "lib/magic/wand.cpp: module magic has no floor, give it one in scripts/floors.py")

    def test_what_is_not_pure_below_the_purity_line(self) -> None:
        for header, what in {"torch/torch.h": "LibTorch", "ATen/ATen.h": "LibTorch",
                             "asio.hpp": "Asio", "asio/ip/tcp.hpp": "Asio", "sodium.h": "libsodium",
                             "thread": "threads", "mutex": "threads", "chrono": "a clock",
                             "sys/socket.h": "sockets", "netinet/in.h": "sockets"}.items():
            with self.subTest(header):
                self.append("lib/model/lanes.cpp", f"#include <{header}>\n")
                self.assert_found(
                    f"lib/model/lanes.cpp: model is pure (floor 1) and includes <{header}>: {what}")

    def test_a_clock_or_chance_reached_by_another_header(self) -> None:
        self.append("lib/model/lanes.cpp", "auto now = std::chrono::steady_clock::now();\n")
        self.assert_found("lib/model/lanes.cpp: model is pure (floor 1) and says steady_clock")
        self.append("lib/model/lanes.cpp", "std::random_device chance;  // steady_clock\n")
        self.assert_found("lib/model/lanes.cpp: model is pure (floor 1) and says random_device")

    def test_a_used_module_that_is_not_listed(self) -> None:
        self.plant("lib/model/CMakeLists.txt",
                   "planaria_module(model HEADERS lanes.hpp SOURCES lanes.cpp)\n")
        self.assert_found("lib/model/CMakeLists.txt: USES lacks base, which its files include")

    def test_a_listed_module_that_is_not_used(self) -> None:
        self.plant("lib/transport/CMakeLists.txt",
                   "planaria_module(transport HEADERS frame.hpp SOURCES frame.cpp USES base model)\n")
        self.assert_found("lib/transport/CMakeLists.txt: USES model, which no file includes")

    def test_files_that_cmake_does_not_name(self) -> None:
        self.plant("lib/model/stray.cpp", "\n")
        self.plant("include/planaria/model/stray.hpp", "\n")
        self.plant("lib/cli/stray.cpp", "\n")
        self.plant("lib/model/alone.hpp", "\n")
        self.assert_found(
            "lib/model/stray.cpp: not listed in lib/model/CMakeLists.txt",
            "include/planaria/model/stray.hpp: not listed in lib/model/CMakeLists.txt",
            "lib/cli/stray.cpp: not listed in lib/cli/CMakeLists.txt",
            'lib/model/alone.hpp: a private header that nobody includes as "model/alone.hpp"')

    def test_files_that_only_cmake_names(self) -> None:
        self.plant("lib/base/CMakeLists.txt",
                   "planaria_module(base HEADERS clock.hpp text.hpp gone.hpp SOURCES text.cpp x.cpp)\n")
        self.assert_found(
            "lib/base/CMakeLists.txt: HEADERS has gone.hpp, which is not in include/planaria/base",
            "lib/base/CMakeLists.txt: SOURCES has x.cpp, which is not in lib/base")

    def test_a_name_in_a_cmake_comment_lists_nothing(self) -> None:
        self.plant("lib/base/CMakeLists.txt",
                   "planaria_module(base  # text.cpp\n HEADERS clock.hpp text.hpp)\n")
        self.assert_found("lib/base/text.cpp: not listed in lib/base/CMakeLists.txt")


if __name__ == "__main__":
    unittest.main()
