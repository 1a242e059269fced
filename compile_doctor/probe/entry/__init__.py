"""The ways in: a program under `run`, the test's own process, a child forked from a server; limits and shortcuts of such children."""
