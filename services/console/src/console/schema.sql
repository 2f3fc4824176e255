-- Facts as they were read, one row a Kafka record; nothing here depends on the order of reading.
-- Times are milliseconds since the epoch, in UTC.

CREATE TABLE incoming (
    partition INTEGER NOT NULL,
    "offset" INTEGER NOT NULL,
    id TEXT NOT NULL,
    lead_id TEXT,
    recorded INTEGER NOT NULL,
    PRIMARY KEY (partition, "offset")
) STRICT;
CREATE INDEX incoming_by_lead ON incoming (lead_id);
CREATE INDEX incoming_by_id ON incoming (id);

CREATE TABLE message (
    partition INTEGER NOT NULL,
    "offset" INTEGER NOT NULL,
    id TEXT NOT NULL,
    workflow TEXT,
    causation TEXT,
    source TEXT,
    record_type TEXT,
    hop INTEGER,
    lead_id TEXT,
    at INTEGER NOT NULL,
    recorded INTEGER NOT NULL,
    content TEXT,               -- the lead in full, JSON; only for captured leads
    content_redacted TEXT,      -- the same without personal data
    PRIMARY KEY (partition, "offset")
) STRICT;
CREATE INDEX message_by_workflow ON message (workflow);
CREATE INDEX message_by_id ON message (id);

CREATE TABLE decision (
    partition INTEGER NOT NULL,
    "offset" INTEGER NOT NULL,
    id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    workflow TEXT,
    agent TEXT,
    outcome TEXT NOT NULL,
    at INTEGER NOT NULL,
    recorded INTEGER NOT NULL,
    record_type TEXT,
    candidates TEXT NOT NULL,   -- JSON array
    excluded TEXT NOT NULL,     -- JSON array
    reason TEXT NOT NULL,
    model TEXT NOT NULL,
    model_calls INTEGER NOT NULL,
    PRIMARY KEY (partition, "offset")
) STRICT;
CREATE INDEX decision_by_id ON decision (id);
CREATE INDEX decision_by_workflow ON decision (workflow);

CREATE TABLE dead_letter (
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    "offset" INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    workflow TEXT,
    lead_id TEXT,
    record_type TEXT,
    hop INTEGER,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    field TEXT NOT NULL,
    stage TEXT NOT NULL,
    at INTEGER NOT NULL,
    recorded INTEGER NOT NULL,
    model_calls INTEGER NOT NULL,
    source TEXT,                -- ce_source: who wrote the refused record
    source_topic TEXT NOT NULL,
    source_partition INTEGER NOT NULL,
    source_offset INTEGER NOT NULL,
    replay_id TEXT NOT NULL,
    key BLOB,
    value BLOB,
    headers TEXT NOT NULL,      -- JSON array of [name, base64 or null]
    PRIMARY KEY (topic, partition, "offset")
) STRICT;
CREATE INDEX dead_letter_by_workflow ON dead_letter (workflow);
CREATE INDEX dead_letter_by_replay ON dead_letter (replay_id);
CREATE INDEX dead_letter_by_source ON dead_letter (source_topic, source_partition, source_offset);
CREATE INDEX dead_letter_by_time ON dead_letter (at, topic, partition, "offset");

-- What somebody did with a dead letter, by the audit: how is replayed or discarded.
CREATE TABLE closing (
    how TEXT NOT NULL,
    audit_partition INTEGER NOT NULL,
    audit_offset INTEGER NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    "offset" INTEGER NOT NULL,
    at INTEGER NOT NULL,
    recorded INTEGER NOT NULL,
    who TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (audit_partition, audit_offset)
) STRICT;
CREATE INDEX closing_by_dead_letter ON closing (topic, partition, "offset", how);

CREATE TABLE registration (
    partition INTEGER NOT NULL,
    "offset" INTEGER NOT NULL,
    agent_id TEXT NOT NULL,
    definition TEXT,            -- JSON
    tombstone INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (partition, "offset")
) STRICT;

-- What follows from the facts, kept up with them: one row a captured lead.
CREATE TABLE lead (
    workflow TEXT PRIMARY KEY,
    lead_id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    captured_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    heard_at INTEGER NOT NULL,  -- when a record of it was last written, whatever time the record tells
    content TEXT,
    content_redacted TEXT
) STRICT;
CREATE INDEX lead_by_capture ON lead (captured_at, lead_id);
CREATE INDEX lead_by_status ON lead (status, captured_at, lead_id);

-- A dead letter and what became of it. A replay is known by its id, on the topic that the dead letter came from and
-- in its workflow (an id may be anybody's word), and by its audit event: the first comes earlier, the second is
-- kept longer.
CREATE VIEW tracked_dead_letter AS
SELECT
    seen.*,
    coalesce(seen.replay_seen_at, r.at) AS replayed_at,
    r.at AS replay_audited_at,
    r.who AS replayed_by,
    r.reason AS replayed_why,
    x.at AS discarded_at,
    x.who AS discarded_by,
    x.reason AS discarded_why,
    max(seen.recorded, coalesce(seen.replay_seen_at, 0), coalesce(r.recorded, 0), coalesce(x.recorded, 0))
        AS heard_at,
    CASE
        WHEN coalesce(seen.replay_seen_at, r.at) IS NOT NULL THEN 'replayed'
        WHEN x.at IS NOT NULL THEN 'discarded'
        ELSE 'open'
    END AS state
FROM (
    SELECT
        d.*,
        (SELECT min(m.recorded) FROM (
            SELECT recorded FROM message WHERE id = d.replay_id
            AND (d.topic = 'incoming_leads_dlt' OR d.workflow IS NULL OR workflow = d.workflow)
            UNION ALL
            SELECT recorded FROM incoming WHERE id = d.replay_id AND d.topic = 'incoming_leads_dlt'
        ) AS m) AS replay_seen_at
    FROM dead_letter AS d
) AS seen
LEFT JOIN closing AS r ON r.rowid = (
    SELECT rowid FROM closing
    WHERE topic = seen.topic AND partition = seen.partition AND "offset" = seen."offset" AND how = 'replayed'
    ORDER BY audit_partition, audit_offset LIMIT 1
)
LEFT JOIN closing AS x ON x.rowid = (
    SELECT rowid FROM closing
    WHERE topic = seen.topic AND partition = seen.partition AND "offset" = seen."offset" AND how = 'discarded'
    ORDER BY audit_partition, audit_offset LIMIT 1
);
