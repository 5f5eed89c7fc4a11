"""Jobs: the queue, the worker that empties it, its schedule and its gauges, and the outside calls of rules."""
