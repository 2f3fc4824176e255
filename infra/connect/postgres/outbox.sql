-- Leads that are already in a PostgreSQL table, on their way out: run this in the database of `crm.leads`, changed
-- to fit the table that is there. The trigger writes the lead in the contract's shape into an outbox, in the very
-- transaction that inserts it; Debezium reads the outbox from the write-ahead log.
CREATE SCHEMA signalbox;

-- One column a field of sdr.Lead, **in the contract's order**: the Avro converter writes by position.
CREATE TABLE signalbox.lead_outbox (
    lead_id text PRIMARY KEY,
    name text NOT NULL,
    email text NOT NULL,
    company_name text NOT NULL,
    job_title text NOT NULL,
    lead_source text NOT NULL,
    company_website text,
    project_description text,
    captured_at timestamp(3) NOT NULL -- UTC; a timestamptz would come out as text
);

CREATE FUNCTION signalbox.lead_came_in() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO signalbox.lead_outbox VALUES (
        'crm-' || NEW.id,
        concat_ws(' ', NEW.first_name, NEW.last_name),
        NEW.email,
        NEW.company,
        coalesce(NEW.title, 'unknown'),
        'crm',
        NEW.website,
        NEW.notes,
        NEW.created_at AT TIME ZONE 'UTC'
    ) ON CONFLICT (lead_id) DO NOTHING;
    RETURN NEW;
END $$;

CREATE TRIGGER lead_came_in AFTER INSERT ON crm.leads FOR EACH ROW EXECUTE FUNCTION signalbox.lead_came_in();

-- What the connector may: follow the publication, and read the outbox for its first snapshot; nothing of crm.
CREATE PUBLICATION signalbox_leads FOR TABLE signalbox.lead_outbox WITH (publish = 'insert');
CREATE ROLE signalbox_connect LOGIN REPLICATION; -- and a password: ALTER ROLE … PASSWORD …
GRANT USAGE ON SCHEMA signalbox TO signalbox_connect;
GRANT SELECT ON signalbox.lead_outbox TO signalbox_connect;

-- What was read may be deleted at any time; the log has it:
--   DELETE FROM signalbox.lead_outbox WHERE captured_at < now() AT TIME ZONE 'UTC' - interval '7 days';
