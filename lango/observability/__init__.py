"""What is seen of a running gateway: logs, metrics and findings."""
