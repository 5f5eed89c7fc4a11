COMMENT ON COLUMN jobs.pgqueuer.entrypoint IS 'The name of the job: donations.open_checkout.';
