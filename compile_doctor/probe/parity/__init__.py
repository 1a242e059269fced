"""The torch side of `parity`: cases, the float64 reference, the implementations, and what each was seen to do."""
