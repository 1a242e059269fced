"""What source files say without being run: whose a file is, which function is around a line, what a name stands for."""
