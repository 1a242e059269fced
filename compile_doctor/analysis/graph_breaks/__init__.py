"""Graph breaks: torch's reason → cause and fix, and what a break site costs."""
