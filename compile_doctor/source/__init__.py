"""What source files show without running: who owns a file, which function contains a line, what a name refers to."""
