"""Words and how often they stand in a text."""

from collections import Counter


def count(text: str) -> Counter[str]:
    """Words in lower case, by how often they occur."""
    words = (word.strip(".,;:!?") for word in text.lower().split())
    return Counter(word for word in words if word)


def most(text: str, limit: int = 3) -> list[str]:
    """The most frequent words, ties in the order of the alphabet."""
    counted = count(text)
    return sorted(counted, key=lambda word: (-counted[word], word))[:limit]
