"""One worker of `parity --suite`: compares every attention implementation with a reference, by mask, decoding, heads, dtype."""
