"""Rules as data: reading, merging and checking the rulebook."""
