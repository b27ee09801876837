-- One table for each kind of record: the document, and beside it only what it is looked up by.
--
-- Keys are compared byte for byte: as binary, because every collation that MySQL and MariaDB have
-- in common ignores trailing spaces. A text longer than 255 bytes is kept as its digest. What is
-- absent in `subject` and `client` is the empty text.
--
-- A migration is one statement, and does nothing when it is repeated: the server cannot undo half
-- of one when it is interrupted.

CREATE TABLE IF NOT EXISTS grants (
    tenant       VARBINARY(255) NOT NULL,
    id           VARBINARY(255) NOT NULL,
    revision     BIGINT         NOT NULL,
    subject      VARBINARY(255) NOT NULL,
    client       VARBINARY(255) NOT NULL,
    retain_until BIGINT,
    doc          LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    PRIMARY KEY (tenant, id),
    INDEX grants_by_subject (tenant, subject, id),
    INDEX grants_by_client (tenant, client, id),
    INDEX grants_by_date (tenant, retain_until)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC
