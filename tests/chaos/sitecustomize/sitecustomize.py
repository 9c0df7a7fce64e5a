"""Run by Python itself at the start of every process that has this folder on its path."""

from tests.chaos.points import install

install()
