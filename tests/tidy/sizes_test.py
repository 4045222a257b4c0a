"""Files, functions and argument lists stay readable."""

import re
import unittest

import tree

FILE_LINES_MAX = 800
APP_LINES_MAX = 150
FUNCTION_LINES_MAX = 70
ARGUMENTS_MAX = 5
CALLBACKS = {"src/server/tls_channel.cc"}  # OpenSSL asks for a function of six

# What stands before the parenthesis of a function's parameters, but never before a condition's.
_NOT_A_FUNCTION = {"if", "for", "while", "switch", "catch", "return", "sizeof", "alignof", "decltype",
                   "defined", "static_assert", "noexcept", "requires", "co_await", "alignas"}
_TRAILER = re.compile(r"(?:\s|const|noexcept|override|final|mutable|&|->\s*[\w:<>,*&\s]+?)*$")
# The parameters of torch::autograd::Function's `static ... forward(AutogradContext*, ...)` are dictated: libtorch
# differentiates by the tensors that are arguments themselves, never by those inside a struct. They don't count.
_AUTOGRAD_PARAMETERS = re.compile(r"\s*AutogradContext\s*\*")
_TENSOR_PARAMETER = re.compile(r",\s*const Tensor&\s*\w+")
_INITIALIZERS = re.compile(r"^\s*:(?!:)")


def _matching(text, start, pair):
    """Index after the bracket that closes the one at `start`, or None."""
    depth = 0
    for index in range(start, len(text)):
        if text[index] == pair[0]:
            depth += 1
        elif text[index] == pair[1]:
            depth -= 1
            if depth == 0:
                return index + 1
    return None


def _num_arguments(parameters):
    """Commas at the outermost level, plus one; a default lambda or template argument does not count."""
    if not parameters.strip() or parameters.strip() == "void":
        return 0
    if _AUTOGRAD_PARAMETERS.match(parameters):
        parameters = _TENSOR_PARAMETER.sub("", parameters)
    depth = 0
    count = 1
    for character in parameters:
        if character in "([{<":
            depth += 1
        elif character in ")]}>":
            depth -= 1
        elif character == "," and depth == 0:
            count += 1
    return count


def _body_start(text, after_parameters):
    """Index of the brace that opens the body of a definition, or None for a declaration or a call."""
    brace = text.find("{", after_parameters)
    if brace < 0:
        return None
    between = text[after_parameters:brace]
    if _TRAILER.fullmatch(between):
        return brace
    if not _INITIALIZERS.match(between):
        return None
    # A constructor: `: a_(x), b_{y} {`. The body's brace follows a closing bracket, not a member's name.
    index = after_parameters
    while index < len(text):
        if text[index] in "({":
            if text[index] == "{" and re.search(r"[)}]\s*$", text[:index][-80:]):
                return index
            index = _matching(text, index, "()" if text[index] == "(" else "{}")
            if index is None:
                return None
        elif text[index] == ";":
            return None
        else:
            index += 1
    return None


def functions(source):
    """(name, line, lines of the definition, number of arguments) of every function that is defined."""
    text = tree.blank_literals(source)
    text = re.sub(r"^[ \t]*#(?:.*\\\n)*.*$", lambda match: re.sub(r"[^\n]", " ", match.group()), text,
                  flags=re.MULTILINE)
    for match in re.finditer(r"(~?\w+|operator\s*[^\s\w(]+|\])\s*\(", text):
        name = match.group(1)
        if name in _NOT_A_FUNCTION:
            continue
        opening = match.end() - 1
        end = _matching(text, opening, "()")
        brace = _body_start(text, end) if end else None
        closing = _matching(text, brace, "{}") if brace is not None else None
        if closing is None:
            continue
        line = text.count("\n", 0, match.start()) + 1
        yield name, line, text.count("\n", match.start(), closing) + 1, _num_arguments(text[opening + 1:end - 1])


class SizesTest(unittest.TestCase):
    def check(self, found):
        self.assertEqual(found, [], "\n".join([""] + found))

    def test_files_are_short(self):
        found = []
        for path in tree.cpp_files("src", "apps", "tests"):
            lines_max = APP_LINES_MAX if tree.name_of(path).startswith("apps/") else FILE_LINES_MAX
            lines = len(path.read_text(encoding="utf-8").splitlines())
            if lines > lines_max and not path.stem.endswith("_table"):  # generated tables stand apart
                found.append(f"{tree.name_of(path)}: {lines} lines, at most {lines_max}")
        self.check(found)

    def test_functions_fit_one_screen(self):
        found = []
        for path in tree.cpp_files("src", "apps", "tests"):
            found += [f"{tree.name_of(path)}:{line}: {name}() has {lines} lines, at most {FUNCTION_LINES_MAX}"
                      for name, line, lines, _ in functions(path.read_text(encoding="utf-8"))
                      if lines > FUNCTION_LINES_MAX]
        self.check(found)

    def test_functions_take_few_arguments(self):
        found = []
        for path in tree.cpp_files("src", "apps", "tests"):
            found += [f"{tree.name_of(path)}:{line}: {name}() has {count} arguments, at most {ARGUMENTS_MAX}"
                      for name, line, _, count in functions(path.read_text(encoding="utf-8"))
                      if count > ARGUMENTS_MAX and not (name == "]" and tree.name_of(path) in CALLBACKS)]
        self.check(found)

    def test_the_measure_finds_functions_of_every_form(self):
        source = '''
        int Plain(int a, std::map<int, int> b = {}) { return a; }
        Type::Type(int a) : a_(a), b_{1} {
        }
        auto Type::Get() const noexcept -> int { if (x) { y(); } return R"(})"; }
        bool operator==(const A& a, const B& b) { return '}' == a; }
        void Declared(int a, int b);
        int call = Compute(1, 2);
        auto lambda = [&](int a) { return a; };
        '''
        found = [(name.strip(), count) for name, _, _, count in functions(source)]
        self.assertEqual(found, [("Plain", 2), ("Type", 1), ("Get", 0), ("operator==", 2), ("]", 1)])

    def test_the_measure_leaves_out_tensors_of_autograd_functions_only(self):
        source = '''
        static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight, double epsilon,
                              const Tensor& bias) { return x; }
        Tensor Attend(const Tensor& q, const Tensor& k, int64_t window) { return q; }
        '''
        found = [(name, count) for name, _, _, count in functions(source)]
        self.assertEqual(found, [("forward", 2), ("Attend", 3)])

    def test_the_measure_counts_lines_of_the_definition(self):
        source = "void F() {\n" + "  g();\n" * 80 + "}\n"
        self.assertEqual([lines for _, _, lines, _ in functions(source)], [82])


if __name__ == "__main__":
    unittest.main()
