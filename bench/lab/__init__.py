"""A laboratory for ears: known speech, spoiled as lines spoil it, and the counting of what was heard of it."""
