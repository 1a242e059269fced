"""Whether attention computes the right thing: the suite over masks, heads and dtypes, and the user's own model."""
