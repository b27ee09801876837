-- The ledger of open registrations, in a table of the same form.

CREATE TABLE registration_pages (
    tenant       TEXT    NOT NULL COLLATE BINARY,
    id           TEXT    NOT NULL COLLATE BINARY,
    revision     INTEGER NOT NULL,
    subject      TEXT    NOT NULL COLLATE BINARY,
    client       TEXT    NOT NULL COLLATE BINARY,
    retain_until INTEGER,
    doc          TEXT    NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX registration_pages_by_subject ON registration_pages (tenant, subject, id) WHERE subject <> '';
CREATE INDEX registration_pages_by_client ON registration_pages (tenant, client, id) WHERE client <> '';
CREATE INDEX registration_pages_by_date ON registration_pages (tenant, retain_until) WHERE retain_until IS NOT NULL;
