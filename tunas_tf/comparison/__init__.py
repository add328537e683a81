"""Whether a search beats its rivals: records of trained networks, statistics, a verdict."""
