-- One table for each kind of record: the document, and beside it only what it is looked up by.
--
-- Keys are compared byte for byte, whatever the database's collation. A text longer than 255 bytes
-- is kept as its digest. What is absent in `subject` and `client` is the empty text, so that every
-- dialect can compare it with `=`; the partial indexes leave it out.
--
-- A replacement writes a new version of its row; the room left on each page is for that.

CREATE TABLE grants (
    tenant       TEXT   COLLATE "C" NOT NULL,
    id           TEXT   COLLATE "C" NOT NULL,
    revision     BIGINT NOT NULL,
    subject      TEXT   COLLATE "C" NOT NULL,
    client       TEXT   COLLATE "C" NOT NULL,
    retain_until BIGINT,
    doc          TEXT   NOT NULL,
    PRIMARY KEY (tenant, id)
) WITH (fillfactor = 80);
CREATE INDEX grants_by_subject ON grants (tenant, subject, id) WHERE subject <> '';
CREATE INDEX grants_by_client ON grants (tenant, client, id) WHERE client <> '';
CREATE INDEX grants_by_date ON grants (tenant, retain_until) WHERE retain_until IS NOT NULL;

CREATE TABLE clients (
    tenant       TEXT   COLLATE "C" NOT NULL,
    id           TEXT   COLLATE "C" NOT NULL,
    revision     BIGINT NOT NULL,
    subject      TEXT   COLLATE "C" NOT NULL,
    client       TEXT   COLLATE "C" NOT NULL,
    retain_until BIGINT,
    doc          TEXT   NOT NULL,
    PRIMARY KEY (tenant, id)
) WITH (fillfactor = 80);
CREATE INDEX clients_by_subject ON clients (tenant, subject, id) WHERE subject <> '';
CREATE INDEX clients_by_client ON clients (tenant, client, id) WHERE client <> '';
CREATE INDEX clients_by_date ON clients (tenant, retain_until) WHERE retain_until IS NOT NULL;

CREATE TABLE subjects (
    tenant       TEXT   COLLATE "C" NOT NULL,
    id           TEXT   COLLATE "C" NOT NULL,
    revision     BIGINT NOT NULL,
    subject      TEXT   COLLATE "C" NOT NULL,
    client       TEXT   COLLATE "C" NOT NULL,
    retain_until BIGINT,
    doc          TEXT   NOT NULL,
    PRIMARY KEY (tenant, id)
) WITH (fillfactor = 80);
CREATE INDEX subjects_by_subject ON subjects (tenant, subject, id) WHERE subject <> '';
CREATE INDEX subjects_by_client ON subjects (tenant, client, id) WHERE client <> '';
CREATE INDEX subjects_by_date ON subjects (tenant, retain_until) WHERE retain_until IS NOT NULL;

CREATE TABLE key_rings (
    tenant       TEXT   COLLATE "C" NOT NULL,
    id           TEXT   COLLATE "C" NOT NULL,
    revision     BIGINT NOT NULL,
    subject      TEXT   COLLATE "C" NOT NULL,
    client       TEXT   COLLATE "C" NOT NULL,
    retain_until BIGINT,
    doc          TEXT   NOT NULL,
    PRIMARY KEY (tenant, id)
) WITH (fillfactor = 80);
CREATE INDEX key_rings_by_subject ON key_rings (tenant, subject, id) WHERE subject <> '';
CREATE INDEX key_rings_by_client ON key_rings (tenant, client, id) WHERE client <> '';
CREATE INDEX key_rings_by_date ON key_rings (tenant, retain_until) WHERE retain_until IS NOT NULL;

CREATE TABLE consents (
    tenant       TEXT   COLLATE "C" NOT NULL,
    id           TEXT   COLLATE "C" NOT NULL,
    revision     BIGINT NOT NULL,
    subject      TEXT   COLLATE "C" NOT NULL,
    client       TEXT   COLLATE "C" NOT NULL,
    retain_until BIGINT,
    doc          TEXT   NOT NULL,
    PRIMARY KEY (tenant, id)
) WITH (fillfactor = 80);
CREATE INDEX consents_by_subject ON consents (tenant, subject, id) WHERE subject <> '';
CREATE INDEX consents_by_client ON consents (tenant, client, id) WHERE client <> '';
CREATE INDEX consents_by_date ON consents (tenant, retain_until) WHERE retain_until IS NOT NULL;

CREATE TABLE replays (
    tenant       TEXT   COLLATE "C" NOT NULL,
    id           TEXT   COLLATE "C" NOT NULL,
    revision     BIGINT NOT NULL,
    subject      TEXT   COLLATE "C" NOT NULL,
    client       TEXT   COLLATE "C" NOT NULL,
    retain_until BIGINT,
    doc          TEXT   NOT NULL,
    PRIMARY KEY (tenant, id)
) WITH (fillfactor = 80);
CREATE INDEX replays_by_subject ON replays (tenant, subject, id) WHERE subject <> '';
CREATE INDEX replays_by_client ON replays (tenant, client, id) WHERE client <> '';
CREATE INDEX replays_by_date ON replays (tenant, retain_until) WHERE retain_until IS NOT NULL;

CREATE TABLE registration_pages (
    tenant       TEXT   COLLATE "C" NOT NULL,
    id           TEXT   COLLATE "C" NOT NULL,
    revision     BIGINT NOT NULL,
    subject      TEXT   COLLATE "C" NOT NULL,
    client       TEXT   COLLATE "C" NOT NULL,
    retain_until BIGINT,
    doc          TEXT   NOT NULL,
    PRIMARY KEY (tenant, id)
) WITH (fillfactor = 80);
CREATE INDEX registration_pages_by_subject ON registration_pages (tenant, subject, id) WHERE subject <> '';
CREATE INDEX registration_pages_by_client ON registration_pages (tenant, client, id) WHERE client <> '';
CREATE INDEX registration_pages_by_date ON registration_pages (tenant, retain_until) WHERE retain_until IS NOT NULL;
