-- One table for each kind of record: the document, and beside it only what it is looked up by.
--
-- Keys are compared byte for byte (BINARY, the default, named here because it matters). A text
-- longer than 255 bytes is kept as its digest. What is absent in `subject` and `client` is the
-- empty text, so that every dialect can compare it with `=`; the partial indexes leave it out.
--
-- Tables have a rowid: documents are of a kilobyte or more, and a table without one would spill
-- each of them into overflow pages.

CREATE TABLE grants (
    tenant       TEXT    NOT NULL COLLATE BINARY,
    id           TEXT    NOT NULL COLLATE BINARY,
    revision     INTEGER NOT NULL,
    subject      TEXT    NOT NULL COLLATE BINARY,
    client       TEXT    NOT NULL COLLATE BINARY,
    retain_until INTEGER,
    doc          TEXT    NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX grants_by_subject ON grants (tenant, subject, id) WHERE subject <> '';
CREATE INDEX grants_by_client ON grants (tenant, client, id) WHERE client <> '';
CREATE INDEX grants_by_date ON grants (tenant, retain_until) WHERE retain_until IS NOT NULL;

CREATE TABLE clients (
    tenant       TEXT    NOT NULL COLLATE BINARY,
    id           TEXT    NOT NULL COLLATE BINARY,
    revision     INTEGER NOT NULL,
    subject      TEXT    NOT NULL COLLATE BINARY,
    client       TEXT    NOT NULL COLLATE BINARY,
    retain_until INTEGER,
    doc          TEXT    NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX clients_by_subject ON clients (tenant, subject, id) WHERE subject <> '';
CREATE INDEX clients_by_client ON clients (tenant, client, id) WHERE client <> '';
CREATE INDEX clients_by_date ON clients (tenant, retain_until) WHERE retain_until IS NOT NULL;

CREATE TABLE subjects (
    tenant       TEXT    NOT NULL COLLATE BINARY,
    id           TEXT    NOT NULL COLLATE BINARY,
    revision     INTEGER NOT NULL,
    subject      TEXT    NOT NULL COLLATE BINARY,
    client       TEXT    NOT NULL COLLATE BINARY,
    retain_until INTEGER,
    doc          TEXT    NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX subjects_by_subject ON subjects (tenant, subject, id) WHERE subject <> '';
CREATE INDEX subjects_by_client ON subjects (tenant, client, id) WHERE client <> '';
CREATE INDEX subjects_by_date ON subjects (tenant, retain_until) WHERE retain_until IS NOT NULL;

CREATE TABLE key_rings (
    tenant       TEXT    NOT NULL COLLATE BINARY,
    id           TEXT    NOT NULL COLLATE BINARY,
    revision     INTEGER NOT NULL,
    subject      TEXT    NOT NULL COLLATE BINARY,
    client       TEXT    NOT NULL COLLATE BINARY,
    retain_until INTEGER,
    doc          TEXT    NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX key_rings_by_subject ON key_rings (tenant, subject, id) WHERE subject <> '';
CREATE INDEX key_rings_by_client ON key_rings (tenant, client, id) WHERE client <> '';
CREATE INDEX key_rings_by_date ON key_rings (tenant, retain_until) WHERE retain_until IS NOT NULL;
