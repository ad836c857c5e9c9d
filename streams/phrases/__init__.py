"""What was said, matched against the phrases that managers wrote. Knows nothing of calls, rules or time."""
