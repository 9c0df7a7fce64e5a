"""Plain YAML scalars as GitLab reads them: with Ruby's Psych (YAML 1.1), not PyYAML's rules."""

from __future__ import annotations

import re
from typing import Final

INT: Final = "tag:yaml.org,2002:int"
FLOAT: Final = "tag:yaml.org,2002:float"
BOOL: Final = "tag:yaml.org,2002:bool"
NULL: Final = "tag:yaml.org,2002:null"

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"yes", "true", "on"})
_FALSE = frozenset({"no", "false", "off"})
_INTEGER = re.compile(
    r"[-+]?(?:0b[01_,]+|0[0-7_,]+|(?:0|[1-9](?:[0-9]|,[0-9]|_[0-9])*)|0x[0-9a-fA-F_,]+)\Z"
)
_DECIMAL = re.compile(r"[-+]?(?:[0-9][0-9_,]*)?\.[0-9]*(?:[eE][+-]?[0-9]+)?\Z")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9]){1,2}(\.[0-9_]*)?\Z")
_DATE = re.compile(r"[0-9]{4}-(?:1[012]|0[0-9]|[0-9])-(?:[12][0-9]|3[01]|0[0-9]|[0-9])\Z")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|\s+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}"
    r"(?:\.[0-9]*)?(?:\s*(?:Z|[-+][0-9]{1,2}:?(?:[0-9]{2})?))?\s*\Z"
)
# Longer digits mean nothing to GitLab, and Python refuses to convert them.
_LONGEST_NUMBER = 300


class Timestamp(str):
    """A plain date or time. Psych makes an object of it that GitLab does not allow."""

    __slots__ = ()


Scalar = str | int | float | bool | None


def plain(text: str) -> Scalar:
    """The value of an unquoted, untagged scalar."""
    if text in _NULL:
        return None
    lower = text.lower()
    if lower in _TRUE:
        return True
    if lower in _FALSE:
        return False
    if text[0] in "0123456789+-.":
        return _number(text)
    if len(text) > 1 and text[0] == ":" and text[1] != ":":
        return text[1:].strip("\"'")
    return text


def tagged(text: str, tag: str) -> Scalar:
    """The value of a scalar whose tag says what it is; text stays text for any other tag."""
    if tag == NULL:
        return None
    if tag == BOOL:
        return text.lower() in _TRUE
    if tag in (INT, FLOAT):
        return _number(text)
    return text


def _number(text: str) -> Scalar:
    if len(text) > _LONGEST_NUMBER:
        return text
    if _INTEGER.match(text):
        return _integer(text)
    if _DECIMAL.match(text):
        return _decimal(text)
    if (match := _SEXAGESIMAL.match(text)) is not None:
        return 0.0 if match.group(1) else 0
    if text.lower().lstrip("+-") in (".inf", ".nan"):
        return 0.0
    if _DATE.match(text) or _TIME.match(text):
        return Timestamp(text)
    return text


def _integer(text: str) -> Scalar:
    digits = text.replace("_", "").replace(",", "").lower()
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    for prefix, base in (("0b", 2), ("0x", 16), ("0", 8)):
        if digits.startswith(prefix) and len(digits) > len(prefix):
            return sign * int(digits[len(prefix) :], base)
    return sign * int(digits) if digits else text


def _decimal(text: str) -> Scalar:
    digits = text.replace("_", "").replace(",", "")
    try:
        return float(digits)
    except ValueError:
        return text
