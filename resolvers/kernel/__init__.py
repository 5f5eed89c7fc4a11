"""What rules of every group use: the clock, the outbox, notifications, audit, and who may act for whom."""
