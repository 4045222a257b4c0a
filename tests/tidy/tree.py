"""The files of the tree, and C++ source with comments and literals blanked out."""

import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def tracked_files():
    """Every file that belongs to the project: tracked, or new and not ignored. Without git: all but builds."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=False)
    if listing.returncode == 0:
        names = [name for name in listing.stdout.decode().split("\0") if name]
        paths = [ROOT / name for name in names]
    else:
        paths = [path for path in ROOT.rglob("*")
                 if not path.relative_to(ROOT).parts[0].startswith(("build", ".git"))]
    return sorted(path for path in set(paths) if path.is_file())


def cpp_files(*folders):
    """Our C++ files below the given folders of the root."""
    return [path for path in tracked_files()
            if path.suffix in (".cc", ".h") and path.relative_to(ROOT).parts[0] in folders]


def name_of(path):
    return path.relative_to(ROOT).as_posix()


_LITERALS = re.compile(
    r'R"(?P<mark>[^()\s\\]{0,16})\(.*?\)(?P=mark)"'  # raw string
    r'|//[^\n]*|/\*.*?\*/'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'",  # a character, not the separator of 10'000
    re.DOTALL)


def blank_literals(source):
    """`source` with comments, strings and characters turned into blanks; lines keep their numbers."""
    return _LITERALS.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), source)


def includes(path):
    """(line number, "project/header.h") and (line number, <system>) of a file, brackets kept off."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
        if match:
            yield number, match.group(1), match.group(2)
