-- Countersign, migration 29: log entries by their issuer.
-- compatible from: 13
--
-- As by identity (migration 5). Nothing is signed while they are built. In a file of their own, and both locks first: a try that
-- does not get its locks has built nothing. Whoever reads, such as a dump, is in the way of neither.
LOCK TABLE countersign.evidence, countersign.further_entry IN SHARE MODE;
CREATE INDEX evidence_by_issuer ON countersign.evidence (issuer, id DESC) WHERE log_index IS NOT NULL;
CREATE INDEX further_entry_by_issuer ON countersign.further_entry (issuer, id DESC) WHERE log_index IS NOT NULL;
