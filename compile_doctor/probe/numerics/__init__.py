"""`--numerics`: what the compiled, the eager and the float64 run leave, from the same start, compared exactly; decoding, too."""
