"""`--numerics`: compares the compiled, the eager and the float64 run from the same start exactly; decoding, too."""
