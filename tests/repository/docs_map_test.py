"""The documentation's map of this repository, and that the check would see a hole in it."""

import unittest

import planted


class ThisRepository(unittest.TestCase):
    def test_the_map_is_complete_and_every_link_leads_somewhere(self) -> None:
        self.assertEqual(planted.load("docs_map").check(planted.ROOT), [])


class PlantedMistakes(planted.Planted):
    script = "docs_map"

    def test_a_sound_repository_has_no_findings(self) -> None:
        self.assert_found()

    def test_a_page_that_the_map_does_not_show(self) -> None:
        self.plant("docs/secret.md", "# secret\n")
        self.append("docs/design.md", "[secret](secret.md)\n")
        self.assert_found("README.md: the map does not link docs/secret.md")

    def test_a_link_that_leads_nowhere(self) -> None:
        self.append("docs/design.md", "[gone](gone.md) ![picture](gone.svg)\n")
        self.assert_found("docs/design.md: link gone.md leads nowhere",
                          "docs/design.md: link gone.svg leads nowhere")

    def test_a_link_out_of_the_repository(self) -> None:
        self.append("docs/design.md", "[out](../../elsewhere.md)\n")
        self.assert_found("docs/design.md: link ../../elsewhere.md leads out of the repository")

    def test_a_link_to_a_heading_that_is_not_there(self) -> None:
        self.append("docs/design.md", "[good](hacking.md#the-table) [bad](hacking.md#the-chair)\n")
        self.assert_found("docs/design.md: link hacking.md#the-chair: no heading of that name")

    def test_links_to_other_sites_are_theirs(self) -> None:
        self.append("docs/design.md", "[paper](https://example.org/x.pdf) [mail](mailto:a@b.org)\n")
        self.assert_found()

    def test_a_readme_without_a_map(self) -> None:
        self.plant("README.md", "# it\n\n[design](docs/design.md)\n")
        self.assert_found('README.md: no section "Documentation", the documentation\'s map')

    def test_no_readme(self) -> None:
        (self.root / "README.md").unlink()
        self.assert_found("README.md: missing, it holds the documentation's map")


if __name__ == "__main__":
    unittest.main()
