"""The torch side of `parity`: cases, references and implementations of attention, run in a child process."""
