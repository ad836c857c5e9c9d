"""Figures, each against a named baseline of the same run. ``make bench``; results in docs/bench.md."""
