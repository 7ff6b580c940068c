-- What people say beyond pairs: marks, triplets and rankings; what a pair of a round
-- was chosen for; and gates that are calibrated and not yet enforced.

-- +goose Up

ALTER TABLE round_pair ADD COLUMN kind TEXT -- NULL: made before kinds were kept
  CONSTRAINT round_pair_kind_known CHECK (kind IN ('archive', 'information', 'judge', 'random', 'repeat', 'audit'));

-- A rule cannot be changed in place, so the table is made again, row by row.
CREATE TABLE threshold_anew (
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
  CONSTRAINT threshold_mode_known CHECK (mode IN ('shadow', 'calibrated', 'enforced', 'suspended')),
  CONSTRAINT threshold_source_named CHECK (source <> ''),
  CONSTRAINT threshold_evidence_json CHECK (evidence IS NULL OR json_valid(evidence)),
  CONSTRAINT threshold_created_known CHECK (created > 0)
) STRICT;

INSERT INTO threshold_anew (id, series, gate, identity, value, fails, mode, source, reason, evidence, created)
SELECT id, series, gate, identity, value, fails, mode, source, reason, evidence, created FROM threshold ORDER BY id;

DROP TABLE threshold; -- its triggers and its index go with it

ALTER TABLE threshold_anew RENAME TO threshold;

CREATE INDEX threshold_series ON threshold (series);

CREATE TABLE mark (
  id      INTEGER PRIMARY KEY,
  series  INTEGER NOT NULL,
  image   INTEGER NOT NULL,
  rater   TEXT NOT NULL,
  kind    TEXT NOT NULL,
  round   INTEGER, -- NULL: not given in a round
  created INTEGER NOT NULL,
  FOREIGN KEY (series, image) REFERENCES entry (series, image),
  FOREIGN KEY (series, round) REFERENCES round (series, id),
  CONSTRAINT mark_rater_named CHECK (rater <> ''),
  CONSTRAINT mark_kind_known CHECK (kind IN ('interesting', 'breakthrough')),
  CONSTRAINT mark_created_known CHECK (created > 0)
) STRICT;

CREATE INDEX mark_series ON mark (series);

CREATE TABLE mark_withdrawal (
  id      INTEGER PRIMARY KEY,
  mark    INTEGER NOT NULL REFERENCES mark (id),
  created INTEGER NOT NULL,
  CONSTRAINT mark_withdrawal_once UNIQUE (mark),
  CONSTRAINT mark_withdrawal_created_known CHECK (created > 0)
) STRICT;

-- The images in the order shown. Which is the odd one out is asked.
CREATE TABLE triplet (
  id           INTEGER PRIMARY KEY,
  series       INTEGER NOT NULL,
  rater        TEXT NOT NULL,
  first_image  INTEGER NOT NULL,
  second_image INTEGER NOT NULL,
  third_image  INTEGER NOT NULL,
  propensity   REAL NOT NULL, -- 0: unknown
  created      INTEGER NOT NULL,
  FOREIGN KEY (series, first_image) REFERENCES entry (series, image),
  FOREIGN KEY (series, second_image) REFERENCES entry (series, image),
  FOREIGN KEY (series, third_image) REFERENCES entry (series, image),
  CONSTRAINT triplet_rater_named CHECK (rater <> ''),
  CONSTRAINT triplet_of_three CHECK (first_image <> second_image AND first_image <> third_image AND second_image <> third_image),
  CONSTRAINT triplet_propensity_probability CHECK (propensity BETWEEN 0 AND 1),
  CONSTRAINT triplet_created_known CHECK (created > 0)
) STRICT;

CREATE INDEX triplet_series ON triplet (series);

CREATE TABLE triplet_answer (
  id      INTEGER PRIMARY KEY,
  triplet INTEGER NOT NULL REFERENCES triplet (id),
  odd     INTEGER NOT NULL, -- 0, 1 or 2 in the order shown; -1: skipped
  latency INTEGER NOT NULL, -- nanoseconds
  created INTEGER NOT NULL,
  CONSTRAINT triplet_answer_once UNIQUE (triplet),
  CONSTRAINT triplet_answer_odd_known CHECK (odd BETWEEN -1 AND 2),
  CONSTRAINT triplet_answer_latency_not_negative CHECK (latency >= 0),
  CONSTRAINT triplet_answer_created_known CHECK (created > 0)
) STRICT;

-- Some images to put in order.
CREATE TABLE ranking (
  id      INTEGER PRIMARY KEY,
  series  INTEGER NOT NULL REFERENCES series (id),
  rater   TEXT NOT NULL,
  created INTEGER NOT NULL,
  CONSTRAINT ranking_of_series UNIQUE (series, id),
  CONSTRAINT ranking_rater_named CHECK (rater <> ''),
  CONSTRAINT ranking_created_known CHECK (created > 0)
) STRICT;

-- The images of a ranking, in the order shown.
CREATE TABLE ranking_image (
  ranking    INTEGER NOT NULL,
  series     INTEGER NOT NULL,
  ord        INTEGER NOT NULL,
  image      INTEGER NOT NULL,
  contested  INTEGER NOT NULL,
  propensity REAL NOT NULL,
  PRIMARY KEY (ranking, ord),
  FOREIGN KEY (series, ranking) REFERENCES ranking (series, id),
  FOREIGN KEY (series, image) REFERENCES entry (series, image),
  CONSTRAINT ranking_image_once UNIQUE (ranking, image),
  CONSTRAINT ranking_image_at_most_twenty CHECK (ord BETWEEN 0 AND 19),
  CONSTRAINT ranking_image_contested_boolean CHECK (contested IN (0, 1)),
  CONSTRAINT ranking_image_propensity_probability CHECK (propensity BETWEEN 0 AND 1)
) STRICT;

CREATE TABLE ranking_answer (
  id      INTEGER PRIMARY KEY,
  ranking INTEGER NOT NULL REFERENCES ranking (id),
  created INTEGER NOT NULL,
  CONSTRAINT ranking_answer_once UNIQUE (ranking),
  CONSTRAINT ranking_answer_created_known CHECK (created > 0)
) STRICT;

-- The order into which the images were put, best first.
CREATE TABLE ranking_place (
  ranking INTEGER NOT NULL REFERENCES ranking_answer (ranking),
  place   INTEGER NOT NULL,
  image   INTEGER NOT NULL,
  PRIMARY KEY (ranking, place),
  FOREIGN KEY (ranking, image) REFERENCES ranking_image (ranking, image),
  CONSTRAINT ranking_place_once UNIQUE (ranking, image),
  CONSTRAINT ranking_place_at_most_twenty CHECK (place BETWEEN 0 AND 19)
) STRICT;

-- Facts are added, never changed and never removed.

-- +goose StatementBegin
CREATE TRIGGER threshold_never_changed BEFORE UPDATE ON threshold
BEGIN SELECT RAISE(ABORT, 'threshold_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER threshold_never_removed BEFORE DELETE ON threshold
BEGIN SELECT RAISE(ABORT, 'threshold_never_removed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER mark_never_changed BEFORE UPDATE ON mark
BEGIN SELECT RAISE(ABORT, 'mark_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER mark_never_removed BEFORE DELETE ON mark
BEGIN SELECT RAISE(ABORT, 'mark_never_removed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER mark_withdrawal_never_changed BEFORE UPDATE ON mark_withdrawal
BEGIN SELECT RAISE(ABORT, 'mark_withdrawal_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER mark_withdrawal_never_removed BEFORE DELETE ON mark_withdrawal
BEGIN SELECT RAISE(ABORT, 'mark_withdrawal_never_removed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER triplet_never_changed BEFORE UPDATE ON triplet
BEGIN SELECT RAISE(ABORT, 'triplet_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER triplet_never_removed BEFORE DELETE ON triplet
BEGIN SELECT RAISE(ABORT, 'triplet_never_removed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER triplet_answer_never_changed BEFORE UPDATE ON triplet_answer
BEGIN SELECT RAISE(ABORT, 'triplet_answer_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER triplet_answer_never_removed BEFORE DELETE ON triplet_answer
BEGIN SELECT RAISE(ABORT, 'triplet_answer_never_removed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER ranking_never_changed BEFORE UPDATE ON ranking
BEGIN SELECT RAISE(ABORT, 'ranking_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER ranking_never_removed BEFORE DELETE ON ranking
BEGIN SELECT RAISE(ABORT, 'ranking_never_removed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER ranking_image_never_changed BEFORE UPDATE ON ranking_image
BEGIN SELECT RAISE(ABORT, 'ranking_image_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER ranking_image_never_removed BEFORE DELETE ON ranking_image
BEGIN SELECT RAISE(ABORT, 'ranking_image_never_removed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER ranking_answer_never_changed BEFORE UPDATE ON ranking_answer
BEGIN SELECT RAISE(ABORT, 'ranking_answer_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER ranking_answer_never_removed BEFORE DELETE ON ranking_answer
BEGIN SELECT RAISE(ABORT, 'ranking_answer_never_removed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER ranking_place_never_changed BEFORE UPDATE ON ranking_place
BEGIN SELECT RAISE(ABORT, 'ranking_place_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER ranking_place_never_removed BEFORE DELETE ON ranking_place
BEGIN SELECT RAISE(ABORT, 'ranking_place_never_removed: facts are only added'); END;
-- +goose StatementEnd
