"""One child process of `bench`: finds what to measure, measures it with torch's timer, and checks its output."""
