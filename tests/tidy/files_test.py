"""No dead files, no stray ones, no broken links."""

import re
import unittest

import tree

BINARY_BYTES_MAX = 1 << 20
# A .cc with one of these endings stands alone; the others implement a header.
STANDALONE = ("_test.cc", "_bench.cc", "_fuzz.cc")


class FilesTest(unittest.TestCase):
    def check(self, found):
        self.assertEqual(found, [], "\n".join([""] + found))

    def test_every_header_has_pragma_once(self):
        self.check([tree.name_of(path) for path in tree.cpp_files("src", "apps", "tests")
                    if path.suffix == ".h" and "#pragma once" not in path.read_text(encoding="utf-8")])

    def test_every_header_is_included_somewhere(self):
        included = set()
        for path in tree.cpp_files("src", "apps", "tests"):
            for _, _, header in tree.includes(path):
                included |= {root / header for root in (tree.ROOT / "src", tree.ROOT, path.parent)}
        self.check([tree.name_of(path) for path in tree.cpp_files("src", "apps", "tests")
                    if path.suffix == ".h" and path not in included])

    def test_every_source_belongs_to_a_header(self):
        # x.cc implements x.h; a part of a large idea (x_avx2.cc, forward_step in mlp_layer.cc) includes a
        # header of its own folder, which declares what it defines.
        found = []
        for path in tree.cpp_files("src"):
            if path.suffix != ".cc" or path.name.endswith(STANDALONE) or path.with_suffix(".h").is_file():
                continue
            module = path.parent.relative_to(tree.ROOT / "src").as_posix() + "/"
            if not any(header.startswith(module) for _, _, header in tree.includes(path)):
                found.append(f"{tree.name_of(path)}: implements no header of {module}")
        self.check(found)

    def test_a_wanted_change_has_an_issue_number(self):
        mark = "TO" + "DO"  # so that this file does not find itself
        found = []
        for path in tree.cpp_files("src", "apps", "tests"):
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                if re.search(rf"\b({mark}|FIXME|XXX)\b(?!\(#\d+\))", line):
                    found.append(f"{tree.name_of(path)}:{number}: {line.strip()}")
        self.check(found)

    def test_no_tabs_no_trailing_blanks_and_a_newline_at_the_end(self):
        found = []
        for path in tree.tracked_files():
            if path.suffix not in (".cc", ".h", ".py", ".sh", ".cmake", ".json") and path.name != "CMakeLists.txt":
                continue
            if "golden" in path.parts or "corpus" in path.parts:  # others' bytes
                continue
            text = path.read_text(encoding="utf-8")
            if "\t" in text or re.search(r"[ \t]+$", text, re.MULTILINE) or (text and not text.endswith("\n")):
                found.append(tree.name_of(path))
        self.check(found)

    def test_large_files_live_in_assets(self):
        self.check([f"{tree.name_of(path)}: {path.stat().st_size} bytes" for path in tree.tracked_files()
                    if path.stat().st_size > BINARY_BYTES_MAX
                    and path.relative_to(tree.ROOT).parts[0] != "assets"])

    def test_links_of_the_documents_resolve(self):
        found = []
        for path in tree.tracked_files():
            if path.suffix != ".md":
                continue
            text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
            for target in re.findall(r"\]\(([^)\s]+)\)", text):
                if re.match(r"[a-z]+:", target) or target.startswith("#"):
                    continue
                if not (path.parent / target.split("#")[0]).exists():
                    found.append(f"{tree.name_of(path)}: {target}")
        self.check(found)

    def test_scripts_are_executable(self):
        self.check([tree.name_of(path) for path in tree.tracked_files()
                    if (path.suffix == ".sh" or tree.name_of(path) == ".ci/run")
                    and not path.stat().st_mode & 0o100])


if __name__ == "__main__":
    unittest.main()
