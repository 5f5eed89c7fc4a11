-- Work that is due: which rows failed, when jobs ran, and what is still to be counted.

CREATE TABLE platform.due_failures (
    job TEXT NOT NULL,
    row_key UUID NOT NULL,
    attempts INTEGER NOT NULL,
    last_error TEXT NOT NULL,
    first_failed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    failed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    next_try_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_due_failures PRIMARY KEY (job, row_key),
    CONSTRAINT ck_due_failures_times_are_finite CHECK (first_failed_at >= '0001-01-01' AND first_failed_at < '9999-01-01' AND failed_at >= '0001-01-01' AND failed_at < '9999-01-01' AND next_try_at >= '0001-01-01' AND next_try_at < '9999-01-01')
);
COMMENT ON TABLE platform.due_failures IS 'A row that a job could not do something about: it is tried again later, and stops none of the others.';
COMMENT ON COLUMN platform.due_failures.job IS 'The job that failed.';
COMMENT ON COLUMN platform.due_failures.row_key IS 'The id of the row.';
COMMENT ON COLUMN platform.due_failures.attempts IS 'How often it has failed.';
COMMENT ON COLUMN platform.due_failures.last_error IS 'What kind of error the last one was.';
COMMENT ON COLUMN platform.due_failures.first_failed_at IS 'When it failed first.';
COMMENT ON COLUMN platform.due_failures.failed_at IS 'When it failed last.';
COMMENT ON COLUMN platform.due_failures.next_try_at IS 'Before this it is not tried again.';
ALTER TABLE platform.due_failures ENABLE ROW LEVEL SECURITY;
CREATE POLICY lango_rules ON platform.due_failures TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON platform.due_failures TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON platform.due_failures TO lango_rules, lango_worker;

CREATE TABLE platform.scheduled_runs (
    job TEXT NOT NULL,
    ran_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    succeeded_at TIMESTAMP WITH TIME ZONE,
    failures INTEGER DEFAULT 0 NOT NULL,
    last_error TEXT,
    CONSTRAINT pk_scheduled_runs PRIMARY KEY (job),
    CONSTRAINT ck_scheduled_runs_times_are_finite CHECK (ran_at >= '0001-01-01' AND ran_at < '9999-01-01' AND succeeded_at >= '0001-01-01' AND succeeded_at < '9999-01-01')
);
COMMENT ON TABLE platform.scheduled_runs IS 'When a job that is due by itself was last run, by whichever worker.';
COMMENT ON COLUMN platform.scheduled_runs.job IS 'Which job was run.';
COMMENT ON COLUMN platform.scheduled_runs.ran_at IS 'When its last run ended, well or not.';
COMMENT ON COLUMN platform.scheduled_runs.succeeded_at IS 'When its last run ended well; null when none has yet.';
COMMENT ON COLUMN platform.scheduled_runs.failures IS 'How many runs have failed since then.';
COMMENT ON COLUMN platform.scheduled_runs.last_error IS 'Why the last run failed; null when it did not.';
ALTER TABLE platform.scheduled_runs ENABLE ROW LEVEL SECURITY;
CREATE POLICY lango_rules ON platform.scheduled_runs TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON platform.scheduled_runs TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON platform.scheduled_runs TO lango_rules, lango_worker;

CREATE TABLE platform.uncounted_events (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    event_name TEXT NOT NULL,
    subject_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_uncounted_events PRIMARY KEY (id),
    CONSTRAINT ck_uncounted_events_times_are_finite CHECK (created_at >= '0001-01-01' AND created_at < '9999-01-01')
);
CREATE INDEX ix_uncounted_events_event_name_subject_id ON platform.uncounted_events (event_name, subject_id);
COMMENT ON TABLE platform.uncounted_events IS 'An analytics event that is still to be added to a count; whoever counts it takes it away.';
COMMENT ON COLUMN platform.uncounted_events.id IS 'Its number.';
COMMENT ON COLUMN platform.uncounted_events.event_name IS 'What happened, as in the event.';
COMMENT ON COLUMN platform.uncounted_events.subject_id IS 'What it happened to: a pot or a campaign.';
COMMENT ON COLUMN platform.uncounted_events.created_at IS 'When the row was written.';
ALTER TABLE platform.uncounted_events ENABLE ROW LEVEL SECURITY;
CREATE POLICY lango_rules ON platform.uncounted_events TO lango_rules USING (true) WITH CHECK (true);
CREATE POLICY lango_worker ON platform.uncounted_events TO lango_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON platform.uncounted_events TO lango_rules, lango_worker;

-- What was noted until now is counted as before, once more; from now on each event is counted by its own row.
UPDATE pots.pots p
SET view_count = greatest(p.view_count, noted.views::int), share_count = greatest(p.share_count, noted.shares::int)
FROM (
    SELECT e.properties ->> 'potId' AS pot, count(*) FILTER (WHERE e.event_name = 'pot_viewed') AS views,
           count(*) FILTER (WHERE e.event_name = 'pot_shared') AS shares
    FROM analytics.analytics_events e
    WHERE e.event_category = 'pots' AND e.event_name IN ('pot_viewed', 'pot_shared') GROUP BY 1
) noted
WHERE p.id::text = noted.pot AND (coalesce(p.view_count, 0) < noted.views OR coalesce(p.share_count, 0) < noted.shares);

UPDATE packs.sponsor_campaigns c
SET impressions = greatest(c.impressions, noted.shown::int), clicks = greatest(c.clicks, noted.clicked::int)
FROM (
    SELECT e.properties ->> 'campaignId' AS campaign, count(*) FILTER (WHERE e.event_name = 'campaign_shown') AS shown,
           count(*) FILTER (WHERE e.event_name = 'campaign_clicked') AS clicked
    FROM analytics.analytics_events e
    WHERE e.event_name IN ('campaign_shown', 'campaign_clicked') GROUP BY 1
) noted
WHERE c.id::text = noted.campaign AND c.status <> 'draft'
  AND (coalesce(c.impressions, 0) < noted.shown OR coalesce(c.clicks, 0) < noted.clicked);
