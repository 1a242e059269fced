"""Reads torch's structured trace (`TORCH_TRACE`), record by record in constant memory, into compilations and breaks."""
