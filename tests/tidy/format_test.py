"""Every C++ file is as clang-format leaves it."""

import re
import shutil
import subprocess
import unittest

import tree


class FormatTest(unittest.TestCase):
    def test_clang_format_changes_nothing(self):
        self.assertIsNotNone(shutil.which("clang-format"), "clang-format is missing: apt-get install clang-format")
        files = [str(path) for path in tree.cpp_files("src", "apps", "tests")]
        result = subprocess.run(["clang-format", "--dry-run", "-Werror", *files],
                                cwd=tree.ROOT, capture_output=True, text=True, check=False)
        wrong = sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", result.stderr, re.MULTILINE)))
        self.assertEqual(result.returncode, 0, "run 'make format':\n" + "\n".join(wrong))


if __name__ == "__main__":
    unittest.main()
