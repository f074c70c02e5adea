-- Countersign, migration 23: timestamps of several authorities.
-- compatible from: 13

-- ---------------------------------------------------------------------------------------------------------------------
-- What `timestamp_token` has no room for: where an instance wants several timestamps for each signature, those of the others.
ALTER TABLE countersign.evidence ADD COLUMN further_timestamps bytea[] NOT NULL DEFAULT '{}'; -- RFC 3161 TimeStampResp each
