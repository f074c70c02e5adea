-- Countersign, migration 31: a partition that a dump is reading does not hold webhooks up.
-- compatible from: 13
--
-- DROP waits for the dump, and every push waits behind DROP: for as long as this, every minute until the dump has ended.
ALTER FUNCTION countersign.own_drop_event_partitions(interval) SET lock_timeout = '150ms';
