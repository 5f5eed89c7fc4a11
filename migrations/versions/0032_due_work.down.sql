DROP TABLE platform.uncounted_events, platform.scheduled_runs, platform.due_failures;
