"""Compares the ranks of a distributed run: where they part, what can hang, how each ended, and who makes the others wait.

`divergence` finds where groups of ranks did something else, `collectives` whether that can hang, `ends` how each rank
ended, `surroundings` versions and settings, `stragglers` unequal compile times.
"""
