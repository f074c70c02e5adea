-- Countersign, migration 17: claims beside waiting groups, and since when what was gone before migration 14 is gone.
-- compatible from: 13

-- ---------------------------------------------------------------------------------------------------------------------
-- A daemon that has no place for another group claims the rest only, and must not step over a hundred thousand members of
-- groups each time.
CREATE INDEX job_claim_ungrouped ON countersign.job (lane, tenant, run_at, id) WHERE NOT leased AND group_id IS NULL;

-- ---------------------------------------------------------------------------------------------------------------------
-- Counted from now: nobody was told before that it would be. Apart from the trigger of migration 14, which locks the table.
INSERT INTO countersign.deleted_artifact (target_id)
SELECT id FROM countersign.target WHERE state = 'gone'
ON CONFLICT (target_id) DO NOTHING;
