"""Random Unicode strings with the ids that Hugging Face `tokenizers` gives them.

    python make_random_strings.py GGUF golden 2000 > random_strings.jsonl    # the committed file
    python make_random_strings.py GGUF compare 100000 PROGRAM                # a larger run against a program
    python make_random_strings.py GGUF every 0 PROGRAM                       # every code point in four contexts

Each line of the golden file is [text, ids]. In the other modes, PROGRAM reads strings from its standard input, each
behind its length in bytes (little-endian, 32 bits), and prints one line of ids for each.
"""

import json
import random
import struct
import subprocess
import sys

from tokenizers import Tokenizer

import reference_tokenizer

SEED = 20260101
# First and last code point of blocks that differ in what they ask of a tokenizer.
BLOCKS = [(0x20, 0x7E)] * 6 + [(0x61, 0x7A)] * 6 + [
    (0x00, 0x1F), (0x7F, 0xA0), (0xA1, 0xFF), (0x100, 0x24F), (0x250, 0x2AF), (0x300, 0x36F), (0x300, 0x36F),
    (0x370, 0x3FF), (0x400, 0x4FF), (0x530, 0x58F), (0x590, 0x5FF), (0x600, 0x6FF), (0x700, 0x74F), (0x8A0, 0x8FF),
    (0x900, 0x97F), (0x980, 0x9FF), (0xB80, 0xBFF), (0xC00, 0xC7F), (0xD00, 0xD7F), (0xE00, 0xE7F), (0xF00, 0xFFF),
    (0x1000, 0x109F), (0x10A0, 0x10FF), (0x1100, 0x11FF), (0x1200, 0x137F), (0x1780, 0x17FF), (0x1AB0, 0x1AFF),
    (0x1B00, 0x1B7F), (0x1C80, 0x1CFF), (0x1DC0, 0x1DFF), (0x1E00, 0x1EFF), (0x1F00, 0x1FFF), (0x2000, 0x206F),
    (0x2070, 0x209F), (0x20A0, 0x20CF), (0x20D0, 0x20FF), (0x2100, 0x214F), (0x2150, 0x218F), (0x2190, 0x23FF),
    (0x2460, 0x24FF), (0x2500, 0x27BF), (0x2A00, 0x2AFF), (0x2C00, 0x2DFF), (0x3000, 0x303F), (0x3040, 0x30FF),
    (0x3130, 0x318F), (0x3200, 0x33FF), (0x4E00, 0x9FFF), (0xA640, 0xA7FF), (0xA8E0, 0xA8FF), (0xAC00, 0xD7A3),
    (0xE000, 0xE0FF), (0xF900, 0xFAFF), (0xFB00, 0xFB4F), (0xFE00, 0xFE2F), (0xFF00, 0xFFEF), (0x10000, 0x101FF),
    (0x10400, 0x1044F), (0x10D00, 0x10D8F), (0x11000, 0x1107F), (0x11130, 0x1113F), (0x11300, 0x113FF),
    (0x11930, 0x11940), (0x16D40, 0x16D7F), (0x1D100, 0x1D1FF), (0x1D400, 0x1D7FF), (0x1E000, 0x1E2FF),
    (0x1E900, 0x1E95F), (0x1F000, 0x1FAFF), (0x1FBF0, 0x1FBFF), (0x20000, 0x2A6DF), (0xE0000, 0xE01EF),
    (0xF0000, 0xF00FF), (0x10FF00, 0x10FFFF)]
SPACES = [" ", " ", " ", "  ", "\t", "\n", "\n\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x85", "\xa0", "\u1680",
          "\u2003", "\u200b", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\u180e", "\ufeff"]
DIGITS = ["0123456789", "٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९", "²³¹⁰⁴", "ⅠⅡⅳↀ", "①⑩⓪㊿", "½¾⅐", "０１２", "𝟎𝟗", "〇〡", "一二三", "𐄇𐄈"]
CONTRACTIONS = ["'s", "'S", "'t", "'T", "'re", "'RE", "'Re", "'ve", "'VE", "'m", "'M", "'ll", "'LL", "'lL", "'d",
                "'D", "'\u017f", "'\u212a", "'l", "'r", "'v", "''s", "\u2019s", "'sx", "'ll1", "'\ufb06", "'\u1e9e"]
WORDS = ["the", "The", " of", "function", "return", "iostream", "naïve", "e\u0301clair", "A\u030a", "北京", "こんにちは",
         "한국어", "\u1112\u1161\u11ab", "Привет", "مرحبا", "שלום", "नमस्ते", "สวัสดี", "ಠ_ಠ", "https://", "def f(x):", "!==", "://",
         "\u212b", "\u0344", "q\u0307\u0323", "a\u0315\u0300\u05ae\u0301b", "\u0958", "\u2adc", "\ufb1d"]
EMOJI = ["😀", "👍🏽", "👨\u200d👩\u200d👧", "🇩🇪", "❤\ufe0f", "1\ufe0f\u20e3", "🦙", "🏴\U000e0067\U000e007f"]


def random_part(rng):
    kind = rng.random()
    if kind < 0.30:
        first, last = rng.choice(BLOCKS)
        return "".join(chr(rng.randint(first, last)) for _ in range(rng.randint(1, 8)))
    if kind < 0.38:
        c = 0xD800
        while 0xD800 <= c < 0xE000:
            c = rng.randrange(0x110000)
        return chr(c)
    if kind < 0.55:
        return "".join(rng.choice(SPACES) for _ in range(rng.randint(1, 4)))
    if kind < 0.64:
        digits = rng.choice(DIGITS)
        return "".join(rng.choice(digits) for _ in range(rng.randint(1, 5)))
    if kind < 0.72:
        return rng.choice(CONTRACTIONS)
    if kind < 0.86:
        return rng.choice(WORDS)
    if kind < 0.91:
        return rng.choice(EMOJI)
    if kind < 0.95:
        return "".join(chr(rng.randint(0x300, 0x345)) for _ in range(rng.randint(1, 6)))
    if kind < 0.99:
        token = rng.choice(reference_tokenizer.ADDED)[1]
        return token if rng.random() < 0.8 else token[:rng.randrange(len(token))]
    return rng.choice("ab \n.é") * rng.randint(20, 200)


def random_strings(count, parts_max):
    rng = random.Random(SEED)
    return ["".join(random_part(rng) for _ in range(rng.randint(1, parts_max))) for _ in range(count)]


def every_code_point():
    code_points = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    for i in range(0, len(code_points), 8):
        yield "".join(f"a{c}b {c}{c}\u0334 '{c}\u0301\u0323 {c}\n" for c in code_points[i:i + 8])


def compare(tokenizer, strings, program):
    frames = b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in strings)
    answer = subprocess.run(program, input=frames, stdout=subprocess.PIPE, check=True).stdout
    lines = answer.decode().split("\n")
    assert len(lines) == len(strings) + 1
    mismatches = 0
    for text, line in zip(strings, lines):
        expected = tokenizer.encode(text, add_special_tokens=False).ids
        if expected != [int(i) for i in line.split()]:
            mismatches += 1
            if mismatches <= 10:
                print(repr(text), expected, line, file=sys.stderr)
    print(f"{len(strings)} strings, {sum(map(len, strings))} code points, {mismatches} mismatches")


def main():
    gguf, mode, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    tokenizer = Tokenizer.from_str(reference_tokenizer.tokenizer_json(gguf))
    if mode == "golden":
        for text in random_strings(count, 7):
            line = [text, tokenizer.encode(text, add_special_tokens=False).ids]
            print(json.dumps(line, ensure_ascii=False, separators=(",", ":")))
    else:
        strings = random_strings(count, 24) if mode == "compare" else list(every_code_point())
        compare(tokenizer, strings, sys.argv[4:])


if __name__ == "__main__":
    main()
