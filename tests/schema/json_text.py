"""Usual ways to write a JSON value, with numbers as plain decimals: 1e3 and 1000.0 are the same instance as 1000."""

import decimal
import json

STYLES = [(",", ":", None), (", ", ": ", None), (",", ": ", 2)]  # compact, spaced, indented


def _number(value):
    if isinstance(value, int):
        return str(value)
    exact = decimal.Decimal(repr(value))
    if exact == exact.to_integral_value():
        return str(int(exact))
    return format(exact, "f")


def write(value, style, depth=0):
    comma, colon, indent = style
    if value is None or isinstance(value, (bool, str)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, (int, float)):
        return _number(value)
    if isinstance(value, list):
        parts, ends = [write(item, style, depth + 1) for item in value], "[]"
    else:
        ends = "{}"
        parts = [json.dumps(key, ensure_ascii=False) + colon + write(item, style, depth + 1)
                 for key, item in value.items()]
    if not parts:
        return ends
    if indent is None:
        return ends[0] + comma.join(parts) + ends[1]
    inner, outer = "\n" + " " * indent * (depth + 1), "\n" + " " * indent * depth
    return ends[0] + inner + (comma + inner).join(parts) + outer + ends[1]


def all_texts(value):
    return list(dict.fromkeys(write(value, style) for style in STYLES))
