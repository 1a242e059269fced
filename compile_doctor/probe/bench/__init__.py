"""The torch side of `bench`: one process measures one case at one size, all its implementations in turn."""
