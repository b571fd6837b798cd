-- {time}, {bytes}, {id}, {key}, {repaired}: what the two databases spell differently (sqlite.py, postgresql.py).

-- Results, events, health history. kind: 0 health, 1 result, 2 event.
CREATE TABLE records (
    device text NOT NULL,
    epoch bigint NOT NULL,
    seq bigint NOT NULL CHECK (seq >= 1),
    kind smallint NOT NULL,
    pipeline text NOT NULL,
    time {time} NOT NULL,           -- as the device said
    mono_ns bigint,
    clock text NOT NULL,            -- synced, unsynced: whether time can be believed
    received_at {time} NOT NULL,
    payload text NOT NULL,          -- JSON, as the device wrote it
    {key}
);
CREATE INDEX records_received_at ON records (received_at);

-- What was stored and was deleted by retention: that nothing was lost can still be proved.
CREATE TABLE expired (
    device text NOT NULL,
    epoch bigint NOT NULL,
    first_seq bigint NOT NULL,
    last_seq bigint NOT NULL,
    PRIMARY KEY (device, epoch, first_seq)
);

-- Each start of a device.
CREATE TABLE epochs (
    device text NOT NULL,
    epoch bigint NOT NULL,
    boot text NOT NULL,             -- the first that was seen owns the epoch
    first_received {time} NOT NULL,
    last_seq bigint,                -- the highest number that the device told of
    settled_seq bigint,             -- up to here all is stored or in a gap, as the device said at some time
    clock_offset double precision,  -- time minus mono_ns in seconds, by the synced record of the lowest number
    clock_offset_seq bigint,        -- that number
    PRIMARY KEY (device, epoch)
);

-- Of first_seq..last_seq, those that have not come will never come; last_seq NULL: to the end of the epoch.
CREATE TABLE gaps (
    device text NOT NULL,
    epoch bigint NOT NULL,
    first_seq bigint NOT NULL CHECK (first_seq >= 1),
    last_seq bigint CHECK (last_seq >= first_seq),
    reason text NOT NULL,
    received_at {time} NOT NULL,
    PRIMARY KEY (device, epoch, first_seq)
);

-- The last that is known of each device. All before (settled_epoch, settled_seq) is stored or in a gap, as it says.
CREATE TABLE devices (
    device text PRIMARY KEY,
    state text,                     -- online, degraded, offline, lost; NULL: no status yet
    time {time} NOT NULL,           -- when it said so, by its clock
    epoch bigint NOT NULL,
    boot text NOT NULL,
    last_seq bigint,                -- of this epoch
    settled_epoch bigint,
    settled_seq bigint,
    received_at {time} NOT NULL
);

-- Two starts with one epoch: rows of the later boot are in dead_letters.
CREATE TABLE conflicts (
    device text NOT NULL,
    epoch bigint NOT NULL,
    boot text NOT NULL,
    first_boot text NOT NULL,
    received_at {time} NOT NULL,
    PRIMARY KEY (device, epoch, boot)
);

-- Messages that could not become rows.
CREATE TABLE dead_letters (
    id {id} PRIMARY KEY,
    received_at {time} NOT NULL,
    topic text NOT NULL,
    device text,
    reason text NOT NULL,
    payload {bytes} NOT NULL,
    digest {bytes} NOT NULL UNIQUE  -- SHA-256 of topic and payload: a message that comes again is kept once
);

-- true_time: the device's time, repaired where its clock was not set yet; NULL where nobody knows.
CREATE VIEW timeline AS
SELECT
    r.device, r.epoch, r.seq, r.kind, r.pipeline,
    CASE WHEN r.clock = 'synced' THEN r.time ELSE {repaired} END AS true_time,
    r.time, r.clock, r.received_at, r.payload
FROM records AS r
LEFT JOIN epochs AS e ON e.device = r.device AND e.epoch = r.epoch;

CREATE VIEW results AS SELECT * FROM timeline WHERE kind = 1;

CREATE VIEW events AS SELECT * FROM timeline WHERE kind = 2;

CREATE VIEW health AS SELECT * FROM timeline WHERE kind = 0;
