-- Two more kinds of record, in tables of the same form.

CREATE TABLE consents (
    tenant       TEXT    NOT NULL COLLATE BINARY,
    id           TEXT    NOT NULL COLLATE BINARY,
    revision     INTEGER NOT NULL,
    subject      TEXT    NOT NULL COLLATE BINARY,
    client       TEXT    NOT NULL COLLATE BINARY,
    retain_until INTEGER,
    doc          TEXT    NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX consents_by_subject ON consents (tenant, subject, id) WHERE subject <> '';
CREATE INDEX consents_by_client ON consents (tenant, client, id) WHERE client <> '';
CREATE INDEX consents_by_date ON consents (tenant, retain_until) WHERE retain_until IS NOT NULL;

CREATE TABLE replays (
    tenant       TEXT    NOT NULL COLLATE BINARY,
    id           TEXT    NOT NULL COLLATE BINARY,
    revision     INTEGER NOT NULL,
    subject      TEXT    NOT NULL COLLATE BINARY,
    client       TEXT    NOT NULL COLLATE BINARY,
    retain_until INTEGER,
    doc          TEXT    NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX replays_by_subject ON replays (tenant, subject, id) WHERE subject <> '';
CREATE INDEX replays_by_client ON replays (tenant, client, id) WHERE client <> '';
CREATE INDEX replays_by_date ON replays (tenant, retain_until) WHERE retain_until IS NOT NULL;
