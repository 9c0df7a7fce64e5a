"""Circles in a graph of names."""

from __future__ import annotations


def rings(edges: dict[str, list[str]]) -> list[list[str]]:
    """One circle for every way back that a depth-first walk finds, in linear time."""
    found: list[list[str]] = []
    state: dict[str, int] = {}
    for root in edges:
        if root in state:
            continue
        path: list[str] = [root]
        state[root] = 1
        todo = [iter(edges[root])]
        while todo:
            following = next(todo[-1], None)
            if following is None:
                state[path.pop()] = 2
                todo.pop()
            elif state.get(following) == 1:
                found.append(path[path.index(following) :])
            elif following not in state and following in edges:
                state[following] = 1
                path.append(following)
                todo.append(iter(edges[following]))
    return found
