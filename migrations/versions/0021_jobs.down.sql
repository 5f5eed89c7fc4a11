DROP TABLE jobs.pgqueuer;

DROP TABLE jobs.pgqueuer_log;

DROP TABLE jobs.pgqueuer_schedules;

DROP TABLE jobs.pgqueuer_statistics;

DROP FUNCTION jobs.fn_pgqueuer_changed();

DROP TYPE jobs.pgqueuer_status;

DROP SCHEMA jobs;
