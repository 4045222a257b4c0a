"""Modules include only what stands below them, and heavy third-party headers stay in one place."""

import unittest

import tree

# Module -> the modules it may include. The same table stands, explained, in docs/ARCHITECTURE.md.
LAYERS = {
    "base": set(),
    "kernels": {"base"},
    "text": {"base"},
    "media": {"base"},
    "home": {"base", "text"},
    "data": {"base", "text", "home"},
    "weights": {"base", "kernels"},
    "model": {"base", "kernels", "weights"},
    "engine": {"base", "kernels", "text", "media", "model"},
    "server": {"base", "text", "media", "home", "engine"},
    "agent": {"base", "text", "media", "home"},
    "train": {"base", "kernels", "text", "media", "home", "data", "weights", "model", "engine"},
}

# Headers below one module that another may see although its row does not list that module.
# model/ speaks of a checkpoint's configuration in its own interface, so whoever uses a model sees it.
ALLOWED_HEADERS = {("engine", "weights/model_config.h")}

# Header -> how many files may include it. They cost seconds per inclusion or bring macros and exceptions.
HEAVY_HEADERS = {
    "httplib.h": 2,
    "utf8proc.h": 1,
    "toml++/toml.h": 1,
    "zstd.h": 2,
    "sqlite3.h": 1,
    "openssl/ssl.h": 2,
    "prometheus/registry.h": 1,
    "nlohmann/json.hpp": 2,  # base/json.h, and the tokenizer's vocabulary
}


def breaches(module, header):
    """Whether `header` may not be included by a file of `module`."""
    target = header.split("/")[0]
    if target == module or target not in LAYERS:
        return target == "apps"
    return target not in LAYERS[module] and (module, header) not in ALLOWED_HEADERS


class LayeringTest(unittest.TestCase):
    def test_every_folder_of_src_is_a_module_of_the_table(self):
        modules = {path.relative_to(tree.ROOT).parts[1] for path in tree.cpp_files("src")}
        self.assertLessEqual(modules, set(LAYERS))

    def test_modules_include_only_what_their_row_lists(self):
        found = []
        for path in tree.cpp_files("src"):
            module = path.relative_to(tree.ROOT).parts[1]
            found += [f"{tree.name_of(path)}:{number}: {module}/ may not include {header}"
                      for number, quote, header in tree.includes(path)
                      if quote == '"' and breaches(module, header)]
        self.assertEqual(found, [], "\n".join([""] + found))

    def test_a_breach_is_noticed(self):
        self.assertTrue(breaches("base", "text/tokenizer.h"))
        self.assertTrue(breaches("kernels", "text/tokenizer.h"))
        self.assertTrue(breaches("server", "model/model.h"))
        self.assertTrue(breaches("engine", "weights/checkpoint.h"))
        self.assertFalse(breaches("engine", "model/model.h"))
        self.assertFalse(breaches("model", "model/kv_access.h"))

    def test_our_headers_are_included_from_the_root_and_exist(self):
        found = []
        for path in tree.cpp_files("src", "apps", "tests"):
            for number, quote, header in tree.includes(path):
                roots = [tree.ROOT / "src", tree.ROOT]
                if path.is_relative_to(tree.ROOT / "tests"):
                    roots.append(path.parent)  # helpers of one ring stand beside its tests
                if quote == '"' and not any((root / header).is_file() for root in roots):
                    found.append(f"{tree.name_of(path)}:{number}: {header}")
        self.assertEqual(found, [], "\n".join([""] + found))

    def test_heavy_headers_are_included_in_few_files(self):
        for heavy, files_max in HEAVY_HEADERS.items():
            users = sorted({tree.name_of(path) for path in tree.cpp_files("src", "apps")
                            for _, _, header in tree.includes(path) if header == heavy})
            self.assertLessEqual(len(users), files_max, f"{heavy}: {users}")

    def test_flag_parsing_stays_in_the_programs(self):
        users = [tree.name_of(path) for path in tree.cpp_files("src")
                 if any("CLI11" in header or header.startswith("CLI/")
                        for _, _, header in tree.includes(path))]
        self.assertEqual(users, [])


if __name__ == "__main__":
    unittest.main()
