"""Strings around the shortcuts of a tokenizer that the program learnt, with the ids that Hugging Face `tokenizers` gives.

    python make_learnt_strings.py learnt_tokenizer.json 400 > learnt_strings.jsonl

Each line is [text, ids].
"""

import json
import random
import sys

from tokenizers import Tokenizer

SEED = 20260102
TEXTS = ["turn on", "kitchen", "Ceiling", " ", "\n", "  ", "\t", ">", "<", "\"", "}", "{", "、", "客厅", "打开", "的灯", "e\u0301",
         "ﬁ", "\u1100\u1161", "🙂", "123", "'s", "'LL", "\u017f", "\u00a0", "\u3000", "naïve", "_", "?!", "\r\n"]


def random_text(rng, added):
    text = "".join(rng.choice(added) if rng.random() < 0.4 else rng.choice(TEXTS) for _ in range(rng.randint(1, 8)))
    if rng.random() < 0.4:  # a damaged shortcut, or two that overlap
        cut = rng.randrange(len(text))
        text = text[:cut] + text[cut + rng.randint(1, 3):]
    return text


def main():
    path, count = sys.argv[1], int(sys.argv[2])
    tokenizer = Tokenizer.from_file(path)
    with open(path, encoding="utf-8") as file:
        added = [token["content"] for token in json.load(file)["added_tokens"]]
    rng = random.Random(SEED)
    for _ in range(count):
        text = random_text(rng, added)
        line = [text, tokenizer.encode(text, add_special_tokens=False).ids]
        print(json.dumps(line, ensure_ascii=False, separators=(",", ":")))


if __name__ == "__main__":
    main()
