"""`fix`: applies a rewrite for each finding to a copy of the user's files, runs the diagnosis again, and keeps what helped."""
