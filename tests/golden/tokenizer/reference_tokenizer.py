"""Qwen2's tokenizer with MiMo's added tokens, built for Hugging Face `tokenizers` from llama.cpp's GGUF vocabulary.

Independent of the program: the vocabulary comes from models/ggml-vocab-qwen2.gguf of the llama.cpp sources, the
added tokens from the list below, and the configuration from the published tokenizer.json of Qwen2.
"""

import json
import struct

SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
         r"|\s+(?!\S)|\s+")

FIRST_ADDED = 151643
SPECIAL = """<|endoftext|> <|im_start|> <|im_end|> <|object_ref_start|> <|object_ref_end|> <|box_start|> <|box_end|>
<|quad_start|> <|quad_end|> <|vision_start|> <|vision_end|> <|vision_pad|> <|image_pad|> <|video_pad|>""".split()
PLAIN = """<tool_call> </tool_call> <|fim_prefix|> <|fim_middle|> <|fim_suffix|> <|fim_pad|> <|repo_name|> <|file_sep|>
<tool_response> </tool_response> <think> </think>""".split()
SPECIAL_OF_MIMO = """<|audio_pad|> <|mimo_video_start|> <|mimo_video_end|> <|mimo_audio_eod|> <|mimo_audio_start|>
<|mimo_audio_end|>""".split()

ADDED = [(FIRST_ADDED + i, token, token not in PLAIN)
         for i, token in enumerate(SPECIAL + PLAIN + SPECIAL_OF_MIMO)]


def read_gguf(path):
    """The key-value pairs of a GGUF file."""
    with open(path, "rb") as file:
        data = file.read()
    position = 4

    def number(code):
        nonlocal position
        value = struct.unpack_from("<" + code, data, position)[0]
        position += struct.calcsize("<" + code)
        return value

    def string():
        nonlocal position
        size = number("Q")
        position += size
        return data[position - size:position].decode()

    def value(kind):
        if kind == 8:
            return string()
        if kind == 9:
            element, count = number("I"), number("Q")
            return [value(element) for _ in range(count)]
        return number({0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q",
                       12: "d"}[kind])

    assert data[:4] == b"GGUF"
    number("I")
    number("Q")
    pairs = {}
    for _ in range(number("Q")):
        key = string()
        pairs[key] = value(number("I"))
    return pairs


def tokenizer_json(gguf_path):
    pairs = read_gguf(gguf_path)
    tokens = pairs["tokenizer.ggml.tokens"][:FIRST_ADDED]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    return json.dumps({
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": special} for i, content, special in ADDED],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": SPLIT}, "behavior": "Isolated", "invert": False}, byte_level]},
        "post_processor": byte_level,
        "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "",
                  "end_of_word_suffix": "", "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {token: i for i, token in enumerate(tokens)},
                  "merges": pairs["tokenizer.ggml.merges"]},
    })
