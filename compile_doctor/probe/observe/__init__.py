"""What the probe observes while the target runs: logs, graphs, dense attention, bytecode, files, exceptions. `events` writes it."""
