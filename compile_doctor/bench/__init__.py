"""`bench` on the side without torch: a child for each case and size, and what they wrote as rows."""
