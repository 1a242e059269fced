"""One worker of `parity --suite`: attention in every implementation, over masks, decoding, heads and dtypes, against a reference."""
