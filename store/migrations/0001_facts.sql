-- Every table here holds facts: rows are added and never changed. Times are
-- microseconds since 1970 in UTC. Digests are 32 bytes. Every rule that a row
-- must keep has a name, so that an error says which rule was broken.

-- +goose Up

-- "assy": tells an assay database from another program's.
PRAGMA application_id = 1634956153;

CREATE TABLE series (
  id      INTEGER PRIMARY KEY,
  name    TEXT NOT NULL UNIQUE,
  created INTEGER NOT NULL,
  CONSTRAINT series_name_valid CHECK (length(name) BETWEEN 1 AND 64 AND name NOT GLOB '*[^a-z0-9._-]*'),
  CONSTRAINT series_created_known CHECK (created > 0)
) STRICT;

-- num is what other tables refer to: 32-byte names in every row would triple them.
CREATE TABLE image (
  num     INTEGER PRIMARY KEY,
  id      BLOB NOT NULL UNIQUE,
  bytes   INTEGER NOT NULL,
  format  TEXT NOT NULL,
  width   INTEGER NOT NULL,
  height  INTEGER NOT NULL,
  mode    TEXT NOT NULL,
  created INTEGER NOT NULL,
  CONSTRAINT image_id_is_sha256 CHECK (length(id) = 32),
  CONSTRAINT image_bytes_positive CHECK (bytes > 0),
  CONSTRAINT image_size_positive CHECK (width > 0 AND height > 0),
  CONSTRAINT image_format_known CHECK (format <> '' AND mode <> ''),
  CONSTRAINT image_created_known CHECK (created > 0)
) STRICT;

CREATE TABLE entry (
  series    INTEGER NOT NULL REFERENCES series (id),
  seq       INTEGER NOT NULL,
  image     INTEGER NOT NULL REFERENCES image (num),
  path      TEXT NOT NULL,
  prompt    TEXT NOT NULL,
  negative  TEXT NOT NULL,
  generator TEXT NOT NULL,
  settings  TEXT, -- a JSON object of strings
  parents   BLOB, -- digests, one after the other; the images need not be stored
  created   INTEGER NOT NULL,
  PRIMARY KEY (series, seq),
  CONSTRAINT entry_image_once UNIQUE (series, image),
  CONSTRAINT entry_settings_object CHECK (settings IS NULL OR (json_valid(settings) AND json_type(settings) = 'object')),
  CONSTRAINT entry_parents_are_sha256 CHECK (parents IS NULL OR (length(parents) > 0 AND length(parents) % 32 = 0)),
  CONSTRAINT entry_created_known CHECK (created > 0)
) STRICT;

-- Reading a series in order needs nothing but this.
CREATE UNIQUE INDEX entry_place ON entry (series, seq, image);

-- +goose StatementBegin
CREATE TRIGGER entry_seq_dense BEFORE INSERT ON entry
WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM entry WHERE series = NEW.series)
BEGIN SELECT RAISE(ABORT, 'entry_seq_dense: places are given one after the other'); END;
-- +goose StatementEnd

CREATE TABLE identity (
  id          INTEGER PRIMARY KEY,
  instrument  TEXT NOT NULL,
  version     INTEGER NOT NULL,
  checkpoint  TEXT NOT NULL,
  preparation TEXT NOT NULL,
  runtime     TEXT NOT NULL,
  synthetic   INTEGER NOT NULL,
  CONSTRAINT identity_once UNIQUE (instrument, version, checkpoint, preparation, runtime, synthetic),
  CONSTRAINT identity_instrument_named CHECK (instrument <> ''),
  CONSTRAINT identity_version_positive CHECK (version > 0),
  CONSTRAINT identity_runtime_named CHECK (runtime <> ''),
  CONSTRAINT identity_synthetic_boolean CHECK (synthetic IN (0, 1))
) STRICT;

CREATE TABLE reading (
  id       INTEGER PRIMARY KEY,
  image    INTEGER NOT NULL REFERENCES image (num),
  ref      INTEGER REFERENCES image (num), -- NULL: no second image
  identity INTEGER NOT NULL REFERENCES identity (id),
  value    REAL NOT NULL, -- a NaN arrives as NULL, hence is refused
  warnings TEXT, -- a JSON array of strings
  created  INTEGER NOT NULL,
  CONSTRAINT reading_value_finite CHECK (abs(value) <= 1.7976931348623157e308),
  CONSTRAINT reading_warnings_array CHECK (warnings IS NULL OR (json_valid(warnings) AND json_type(warnings) = 'array')),
  CONSTRAINT reading_created_known CHECK (created > 0)
) STRICT;

CREATE UNIQUE INDEX reading_once ON reading (image, identity, coalesce(ref, 0));

CREATE TABLE embedding (
  id       INTEGER PRIMARY KEY,
  image    INTEGER NOT NULL REFERENCES image (num),
  identity INTEGER NOT NULL REFERENCES identity (id),
  vector   BLOB NOT NULL, -- float32, little endian
  created  INTEGER NOT NULL,
  CONSTRAINT embedding_once UNIQUE (image, identity),
  CONSTRAINT embedding_vector_float32 CHECK (length(vector) > 0 AND length(vector) % 4 = 0),
  CONSTRAINT embedding_created_known CHECK (created > 0)
) STRICT;

CREATE TABLE neighbour (
  id       INTEGER PRIMARY KEY,
  series   INTEGER NOT NULL,
  seq      INTEGER NOT NULL,
  identity INTEGER NOT NULL REFERENCES identity (id),
  nearest  INTEGER, -- NULL: there was no earlier image
  value    REAL,
  created  INTEGER NOT NULL,
  FOREIGN KEY (series, seq) REFERENCES entry (series, seq),
  FOREIGN KEY (series, nearest) REFERENCES entry (series, image),
  CONSTRAINT neighbour_once UNIQUE (series, seq, identity),
  CONSTRAINT neighbour_value_with_nearest CHECK ((nearest IS NULL) = (value IS NULL)),
  CONSTRAINT neighbour_value_finite CHECK (value IS NULL OR abs(value) <= 1.7976931348623157e308),
  CONSTRAINT neighbour_created_known CHECK (created > 0)
) STRICT;

-- +goose StatementBegin
CREATE TRIGGER neighbour_is_earlier BEFORE INSERT ON neighbour
WHEN NEW.seq <= (SELECT seq FROM entry WHERE series = NEW.series AND image = NEW.nearest)
BEGIN SELECT RAISE(ABORT, 'neighbour_is_earlier: the nearest image must have come before'); END;
-- +goose StatementEnd

CREATE TABLE control (
  id        INTEGER PRIMARY KEY,
  series    INTEGER NOT NULL,
  image     INTEGER NOT NULL,
  identity  INTEGER NOT NULL REFERENCES identity (id),
  transform TEXT NOT NULL,
  value     REAL NOT NULL,
  created   INTEGER NOT NULL,
  FOREIGN KEY (series, image) REFERENCES entry (series, image),
  CONSTRAINT control_once UNIQUE (series, image, identity, transform),
  CONSTRAINT control_transform_named CHECK (transform <> ''),
  CONSTRAINT control_value_finite CHECK (abs(value) <= 1.7976931348623157e308),
  CONSTRAINT control_created_known CHECK (created > 0)
) STRICT;

CREATE INDEX control_series ON control (series);

CREATE TABLE threshold (
  id       INTEGER PRIMARY KEY,
  series   INTEGER NOT NULL REFERENCES series (id),
  gate     TEXT NOT NULL,
  identity INTEGER NOT NULL REFERENCES identity (id),
  value    REAL NOT NULL,
  fails    TEXT NOT NULL,
  mode     TEXT NOT NULL,
  source   TEXT NOT NULL,
  reason   TEXT NOT NULL,
  evidence TEXT, -- JSON
  created  INTEGER NOT NULL,
  CONSTRAINT threshold_gate_named CHECK (gate <> ''),
  CONSTRAINT threshold_value_finite CHECK (abs(value) <= 1.7976931348623157e308),
  CONSTRAINT threshold_fails_known CHECK (fails IN ('below', 'above')),
  CONSTRAINT threshold_mode_known CHECK (mode IN ('shadow', 'enforced', 'suspended')),
  CONSTRAINT threshold_source_named CHECK (source <> ''),
  CONSTRAINT threshold_evidence_json CHECK (evidence IS NULL OR json_valid(evidence)),
  CONSTRAINT threshold_created_known CHECK (created > 0)
) STRICT;

CREATE INDEX threshold_series ON threshold (series);

CREATE TABLE grid (
  id      INTEGER PRIMARY KEY,
  series  INTEGER NOT NULL REFERENCES series (id),
  reason  TEXT NOT NULL,
  created INTEGER NOT NULL,
  CONSTRAINT grid_created_known CHECK (created > 0)
) STRICT;

CREATE INDEX grid_series ON grid (series);

CREATE TABLE grid_axis (
  grid       INTEGER NOT NULL REFERENCES grid (id),
  ord        INTEGER NOT NULL,
  descriptor TEXT NOT NULL,
  lo         REAL NOT NULL,
  hi         REAL NOT NULL,
  cells      INTEGER NOT NULL,
  PRIMARY KEY (grid, ord),
  CONSTRAINT grid_axis_descriptor_once UNIQUE (grid, descriptor),
  CONSTRAINT grid_axis_at_most_four CHECK (ord BETWEEN 0 AND 3),
  CONSTRAINT grid_axis_descriptor_named CHECK (descriptor <> ''),
  CONSTRAINT grid_axis_bounds_finite CHECK (abs(lo) <= 1.7976931348623157e308 AND abs(hi) <= 1.7976931348623157e308),
  CONSTRAINT grid_axis_bounds_ordered CHECK (lo < hi),
  CONSTRAINT grid_axis_cells_positive CHECK (cells > 0)
) STRICT;

CREATE TABLE decision (
  id        INTEGER PRIMARY KEY,
  series    INTEGER NOT NULL,
  seq       INTEGER NOT NULL,
  image     INTEGER NOT NULL,
  placement TEXT NOT NULL,
  cell      TEXT, -- a JSON array of whole numbers
  incumbent INTEGER,
  gates     TEXT NOT NULL, -- a JSON array of gate results as they were told
  basis     TEXT NOT NULL,
  created   INTEGER NOT NULL,
  FOREIGN KEY (series, seq, image) REFERENCES entry (series, seq, image),
  FOREIGN KEY (series, incumbent) REFERENCES entry (series, image),
  CONSTRAINT decision_once UNIQUE (series, seq, basis),
  CONSTRAINT decision_placement_known CHECK (placement IN ('added', 'improved', 'challenger', 'refused', 'unplaced')),
  CONSTRAINT decision_cell_array CHECK (cell IS NULL OR (json_valid(cell) AND json_type(cell) = 'array')),
  CONSTRAINT decision_gates_array CHECK (json_valid(gates) AND json_type(gates) IN ('array', 'null')),
  CONSTRAINT decision_created_known CHECK (created > 0)
) STRICT;

CREATE INDEX decision_series ON decision (series);

CREATE TABLE round (
  id      INTEGER PRIMARY KEY,
  series  INTEGER NOT NULL REFERENCES series (id),
  rater   TEXT NOT NULL,
  created INTEGER NOT NULL,
  CONSTRAINT round_of_series UNIQUE (series, id),
  CONSTRAINT round_rater_named CHECK (rater <> ''),
  CONSTRAINT round_created_known CHECK (created > 0)
) STRICT;

CREATE TABLE round_pair (
  round       INTEGER NOT NULL,
  series      INTEGER NOT NULL,
  ord         INTEGER NOT NULL,
  left_image  INTEGER NOT NULL,
  right_image INTEGER NOT NULL,
  reason      TEXT NOT NULL,
  propensity  REAL NOT NULL,
  PRIMARY KEY (round, ord),
  FOREIGN KEY (series, round) REFERENCES round (series, id),
  FOREIGN KEY (series, left_image) REFERENCES entry (series, image),
  FOREIGN KEY (series, right_image) REFERENCES entry (series, image),
  CONSTRAINT round_pair_once UNIQUE (round, left_image, right_image),
  CONSTRAINT round_pair_at_most_five CHECK (ord BETWEEN 0 AND 4),
  CONSTRAINT round_pair_of_two CHECK (left_image <> right_image),
  CONSTRAINT round_pair_propensity_probability CHECK (propensity BETWEEN 0 AND 1)
) STRICT;

CREATE TABLE judgment (
  id          INTEGER PRIMARY KEY,
  series      INTEGER NOT NULL REFERENCES series (id),
  round       INTEGER, -- NULL: not part of a round
  rater       TEXT NOT NULL,
  source      TEXT NOT NULL,
  left_image  INTEGER NOT NULL,
  right_image INTEGER NOT NULL,
  outcome     TEXT NOT NULL,
  grade       INTEGER NOT NULL,
  propensity  REAL NOT NULL,
  latency     INTEGER NOT NULL, -- nanoseconds
  created     INTEGER NOT NULL,
  FOREIGN KEY (series, left_image) REFERENCES entry (series, image),
  FOREIGN KEY (series, right_image) REFERENCES entry (series, image),
  FOREIGN KEY (series, round) REFERENCES round (series, id),
  FOREIGN KEY (round, left_image, right_image) REFERENCES round_pair (round, left_image, right_image),
  CONSTRAINT judgment_rater_named CHECK (rater <> ''),
  CONSTRAINT judgment_source_known CHECK (source = 'human' OR source GLOB 'vlm:?*'),
  CONSTRAINT judgment_of_two CHECK (left_image <> right_image),
  CONSTRAINT judgment_outcome_known CHECK (outcome IN ('left', 'right', 'tie', 'both_bad', 'skip')),
  CONSTRAINT judgment_grade_fits_outcome CHECK (
    CASE outcome WHEN 'left' THEN grade IN (-2, -1) WHEN 'right' THEN grade IN (1, 2) ELSE grade = 0 END),
  CONSTRAINT judgment_propensity_probability CHECK (propensity BETWEEN 0 AND 1),
  CONSTRAINT judgment_latency_not_negative CHECK (latency >= 0),
  CONSTRAINT judgment_created_known CHECK (created > 0)
) STRICT;

CREATE INDEX judgment_series ON judgment (series);
CREATE INDEX judgment_round ON judgment (round);

CREATE TABLE withdrawal (
  id       INTEGER PRIMARY KEY,
  judgment INTEGER NOT NULL REFERENCES judgment (id),
  created  INTEGER NOT NULL,
  CONSTRAINT withdrawal_once UNIQUE (judgment),
  CONSTRAINT withdrawal_created_known CHECK (created > 0)
) STRICT;

-- Facts are added, never changed and never removed.

-- +goose StatementBegin
CREATE TRIGGER series_never_changed BEFORE UPDATE ON series
BEGIN SELECT RAISE(ABORT, 'series_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER series_never_removed BEFORE DELETE ON series
BEGIN SELECT RAISE(ABORT, 'series_never_removed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER image_never_changed BEFORE UPDATE ON image
BEGIN SELECT RAISE(ABORT, 'image_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER image_never_removed BEFORE DELETE ON image
BEGIN SELECT RAISE(ABORT, 'image_never_removed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER entry_never_changed BEFORE UPDATE ON entry
BEGIN SELECT RAISE(ABORT, 'entry_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER entry_never_removed BEFORE DELETE ON entry
BEGIN SELECT RAISE(ABORT, 'entry_never_removed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER identity_never_changed BEFORE UPDATE ON identity
BEGIN SELECT RAISE(ABORT, 'identity_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER identity_never_removed BEFORE DELETE ON identity
BEGIN SELECT RAISE(ABORT, 'identity_never_removed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER reading_never_changed BEFORE UPDATE ON reading
BEGIN SELECT RAISE(ABORT, 'reading_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER reading_never_removed BEFORE DELETE ON reading
BEGIN SELECT RAISE(ABORT, 'reading_never_removed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER embedding_never_changed BEFORE UPDATE ON embedding
BEGIN SELECT RAISE(ABORT, 'embedding_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER embedding_never_removed BEFORE DELETE ON embedding
BEGIN SELECT RAISE(ABORT, 'embedding_never_removed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER neighbour_never_changed BEFORE UPDATE ON neighbour
BEGIN SELECT RAISE(ABORT, 'neighbour_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER neighbour_never_removed BEFORE DELETE ON neighbour
BEGIN SELECT RAISE(ABORT, 'neighbour_never_removed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER control_never_changed BEFORE UPDATE ON control
BEGIN SELECT RAISE(ABORT, 'control_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER control_never_removed BEFORE DELETE ON control
BEGIN SELECT RAISE(ABORT, 'control_never_removed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER threshold_never_changed BEFORE UPDATE ON threshold
BEGIN SELECT RAISE(ABORT, 'threshold_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER threshold_never_removed BEFORE DELETE ON threshold
BEGIN SELECT RAISE(ABORT, 'threshold_never_removed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER grid_never_changed BEFORE UPDATE ON grid
BEGIN SELECT RAISE(ABORT, 'grid_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER grid_never_removed BEFORE DELETE ON grid
BEGIN SELECT RAISE(ABORT, 'grid_never_removed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER grid_axis_never_changed BEFORE UPDATE ON grid_axis
BEGIN SELECT RAISE(ABORT, 'grid_axis_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER grid_axis_never_removed BEFORE DELETE ON grid_axis
BEGIN SELECT RAISE(ABORT, 'grid_axis_never_removed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER decision_never_changed BEFORE UPDATE ON decision
BEGIN SELECT RAISE(ABORT, 'decision_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER decision_never_removed BEFORE DELETE ON decision
BEGIN SELECT RAISE(ABORT, 'decision_never_removed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER round_never_changed BEFORE UPDATE ON round
BEGIN SELECT RAISE(ABORT, 'round_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER round_never_removed BEFORE DELETE ON round
BEGIN SELECT RAISE(ABORT, 'round_never_removed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER round_pair_never_changed BEFORE UPDATE ON round_pair
BEGIN SELECT RAISE(ABORT, 'round_pair_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER round_pair_never_removed BEFORE DELETE ON round_pair
BEGIN SELECT RAISE(ABORT, 'round_pair_never_removed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER judgment_never_changed BEFORE UPDATE ON judgment
BEGIN SELECT RAISE(ABORT, 'judgment_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER judgment_never_removed BEFORE DELETE ON judgment
BEGIN SELECT RAISE(ABORT, 'judgment_never_removed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER withdrawal_never_changed BEFORE UPDATE ON withdrawal
BEGIN SELECT RAISE(ABORT, 'withdrawal_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER withdrawal_never_removed BEFORE DELETE ON withdrawal
BEGIN SELECT RAISE(ABORT, 'withdrawal_never_removed: facts are only added'); END;
-- +goose StatementEnd
