"""One child of `bench`: what to measure, measuring it with torch's timer, and whether its output is right."""
