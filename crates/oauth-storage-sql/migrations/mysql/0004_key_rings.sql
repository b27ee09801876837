-- In the form of `grants`.

CREATE TABLE IF NOT EXISTS key_rings (
    tenant       VARBINARY(255) NOT NULL,
    id           VARBINARY(255) NOT NULL,
    revision     BIGINT         NOT NULL,
    subject      VARBINARY(255) NOT NULL,
    client       VARBINARY(255) NOT NULL,
    retain_until BIGINT,
    doc          LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    PRIMARY KEY (tenant, id),
    INDEX key_rings_by_subject (tenant, subject, id),
    INDEX key_rings_by_client (tenant, client, id),
    INDEX key_rings_by_date (tenant, retain_until)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC
