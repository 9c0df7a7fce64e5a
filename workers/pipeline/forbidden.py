"""What no line may do, a template's own lines included."""

from __future__ import annotations

import re
from collections.abc import Mapping

_START = r"(?:^|[;&|(\s])"

_RULES: Mapping[str, re.Pattern[str]] = {
    # `|| echo false)` inside `$( … )` picks a word and hides nothing
    "hides a failure": re.compile(
        r"\|\|\s*(?:true\b|:|exit 0\b|echo\b(?!\s+\w+\)))|;\s*true\s*$|\bset \+e\b"
        r"|\|\|\s*status=\$\?(?![\s\S]*\nexit \"\$status\"$)"
    ),
    "pipes into a shell": re.compile(
        r"\|\s*(?:sudo\s+)?(?:env\s+)?(?:[\w./]*/)?(?:ba|da|z|k|a)?sh\b"
    ),
    "runs what it fetched": re.compile(r"\b(?:ba|z|da)?sh\b.*[<$]\(\s*(?:curl|wget)"),
    "evaluates text as code": re.compile(rf"{_START}eval\s|base64\s+(?:-d|--decode|-D)\b"),
    "prints the environment": re.compile(
        rf"{_START}(?:printenv|env\s*(?:$|[|>;&])|export -p|set\s*(?:$|[|>]))"
    ),
    "opens a socket of the shell": re.compile(
        rf"/dev/(?:tcp|udp)/|{_START}(?:nc|ncat|socat|telnet)\s"
    ),
    "turns off TLS checks": re.compile(
        r"\bcurl\b.*\s(?:-\w*k\w*|--insecure)(?:\s|$)|--no-check-certificate"
    ),
    "reaches the host": re.compile(
        r"docker\.sock|--privileged|--net(?:work)?[= ]host|/proc/\S*environ"
    ),
    "uses `latest`": re.compile(r"[\w/]:latest\b"),
}

_SECRET = r"\$\{?\w*(?:TOKEN|PASSWORD|PASSWD|SECRET|PRIVATE_KEY|CREDENTIAL)\w*\}?"
_ECHO = re.compile(rf"{_START}(?:echo|cat\s*<<<)\s[^|>]*{_SECRET}")
_PRINTF = re.compile(rf"{_START}printf\s[^|>]*{_SECRET}[^|>]*$")
"""printf may hand a secret to another program's standard input, or to a file; never to the log."""


def faults(line: str) -> list[str]:
    """What `line` does that no line may do; empty for a good one."""
    text = line.rstrip("\n")
    found = [fault for fault, pattern in _RULES.items() if pattern.search(text)]
    if _ECHO.search(line) or _PRINTF.search(line):
        found.append("prints a secret")
    return found
