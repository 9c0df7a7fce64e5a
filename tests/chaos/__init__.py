"""Crash safety, tried out: real processes, killed at random by seed, against an outside witness."""
