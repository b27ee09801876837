-- Every kind of record: the whole document beside the columns it is looked up by. Keys are
-- compared byte for byte (SQLite's default collation). WITHOUT ROWID keeps a record where its key
-- is, so that finding one is one descent of one tree.
CREATE TABLE grants (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    subject TEXT,
    client TEXT,
    retain_until INTEGER,
    doc BLOB NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX grants_by_subject ON grants (tenant, subject, id);
CREATE INDEX grants_by_client ON grants (tenant, client, id);
CREATE INDEX grants_by_retention ON grants (tenant, retain_until) WHERE retain_until IS NOT NULL;

CREATE TABLE clients (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    subject TEXT,
    client TEXT,
    retain_until INTEGER,
    doc BLOB NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX clients_by_retention ON clients (tenant, retain_until) WHERE retain_until IS NOT NULL;

CREATE TABLE subjects (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    subject TEXT,
    client TEXT,
    retain_until INTEGER,
    doc BLOB NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE key_rings (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    subject TEXT,
    client TEXT,
    retain_until INTEGER,
    doc BLOB NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
