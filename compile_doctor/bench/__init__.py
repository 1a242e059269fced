"""`bench`: how fast attention or a model is, eager against its compiled and fused forms."""
