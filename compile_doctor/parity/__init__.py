"""`parity` on the side without torch: the cells, the workers that compute them, and what they come to."""
