"""The style of this repository, and that the check would see it if it slipped."""

import unittest

import planted


class ThisRepository(unittest.TestCase):
    def test_nothing_is_found(self) -> None:
        self.assertEqual(planted.load("style").check(planted.ROOT), [])


class PlantedMistakes(planted.Planted):
    script = "style"

    def test_a_sound_repository_has_no_findings(self) -> None:
        self.assert_found()

    def test_a_file_that_is_too_long(self) -> None:
        self.plant("lib/model/lanes.cpp", "\n" * 400)
        self.assert_found()
        self.plant("lib/model/lanes.cpp", "\n" * 401)
        self.assert_found("lib/model/lanes.cpp: 401 lines, at most 400: split it by idea, or list it "
                          "with a reason in scripts/style.py")
        self.module.LONG_FILES["lib/model/lanes.cpp"] = "a table"
        self.assert_found()

    def test_an_exception_that_nobody_needs(self) -> None:
        self.module.LONG_FILES["lib/model/lanes.cpp"] = "a table"
        self.module.SLEEPING_TESTS["tests/model/gone_test.cpp"] = "sleeps"
        self.assert_found(
            "scripts/style.py: LONG_FILES has lib/model/lanes.cpp, which needs no exception",
            "scripts/style.py: SLEEPING_TESTS has tests/model/gone_test.cpp, which needs no exception")

    def test_names_that_say_nothing(self) -> None:
        self.plant("lib/utils/text.cmake", "\n")
        self.plant("tests/support/helper.py", "\n")
        self.assert_found("lib/utils/text.cmake: the name utils says nothing about what belongs in it",
                          "tests/support/helper.py: the name helper says nothing about what belongs "
                          "in it")

    def test_a_file_name_in_another_case(self) -> None:
        self.plant("lib/model/LaneTree.cpp", "\n")
        self.assert_found("lib/model/LaneTree.cpp: file names are snake_case")

    def test_using_namespace_std(self) -> None:
        self.append("lib/model/lanes.cpp", "// using namespace std;\n")
        self.assert_found()
        self.append("lib/model/lanes.cpp", "using  namespace std ;\n")
        self.assert_found("lib/model/lanes.cpp: using namespace std")

    def test_a_header_that_does_not_say_what_it_is(self) -> None:
        self.plant("include/planaria/model/lanes.hpp", "#pragma once\n")
        self.assert_found("include/planaria/model/lanes.hpp: must open with \"// model/lanes.hpp: \" "
                          "and what it is")

    def test_a_header_without_pragma_once(self) -> None:
        self.plant("lib/model/tree.hpp", "// private\n")
        self.assert_found("lib/model/tree.hpp: no #pragma once")

    def test_a_test_that_sleeps(self) -> None:
        for call in ("std::this_thread::sleep_for(wait);", "usleep(3);", "sleep(1);"):
            with self.subTest(call):
                self.append("tests/model/lanes_test.cpp", call + "\n")
                self.assert_found("tests/model/lanes_test.cpp: sleeps; wait for what must happen, or "
                                  "list it with a reason in scripts/style.py")
        self.module.SLEEPING_TESTS["tests/model/lanes_test.cpp"] = "it is about sleeping"
        self.assert_found()


if __name__ == "__main__":
    unittest.main()
