"""torch's structured trace (`TORCH_TRACE`): read record by record in constant memory, and folded into compilations and breaks."""
