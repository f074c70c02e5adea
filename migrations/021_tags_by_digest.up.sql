-- Countersign, migration 21: what selectors of batches are answered from.
-- compatible from: 13

-- ---------------------------------------------------------------------------------------------------------------------
-- Which tags a digest has: asked for each artifact that a batch's selector with a tag finds.
CREATE INDEX tag_history_by_digest ON countersign.tag_history (repository_id, digest);
