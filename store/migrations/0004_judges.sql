-- What judges said: vision-language models and, to questions, people. A question
-- is kept once and referred to by number, as judges are.

-- +goose Up

-- The text of a version is kept once, whatever sets it stands in.
CREATE TABLE question (
  id        INTEGER PRIMARY KEY,
  name      TEXT NOT NULL, -- unique in its set: 'composition.subject'
  version   TEXT NOT NULL,
  dimension TEXT NOT NULL,
  text      TEXT NOT NULL,
  good      TEXT NOT NULL, -- the answer that speaks for the picture; empty: neither
  kind      TEXT NOT NULL,
  scope     TEXT NOT NULL, -- what it is shown with; empty: the image alone
  needs     TEXT, -- a JSON array of names
  twin_of   TEXT NOT NULL,
  expect    TEXT NOT NULL, -- the known answer of a control; empty: not known
  CONSTRAINT question_once UNIQUE (name, version),
  CONSTRAINT question_named CHECK (name <> '' AND version <> '' AND dimension <> '' AND text <> ''),
  CONSTRAINT question_good_known CHECK (good IN ('yes', 'no', '')),
  CONSTRAINT question_scope_known CHECK (scope IN ('image', 'prompt', 'style', '')),
  CONSTRAINT question_expect_known CHECK (expect IN ('yes', 'no', '')),
  CONSTRAINT question_needs_array CHECK (needs IS NULL OR (json_valid(needs) AND json_type(needs) = 'array'))
) STRICT;

CREATE TABLE answer (
  id        INTEGER PRIMARY KEY,
  series    INTEGER NOT NULL,
  image     INTEGER NOT NULL,
  text      BLOB, -- NULL: no prompt was shown
  judge     INTEGER NOT NULL REFERENCES judge (id),
  question  INTEGER NOT NULL REFERENCES question (id),
  method    TEXT NOT NULL,
  p         REAL, -- NULL: the judge abstained
  low       REAL,
  high      REAL,
  coverage  REAL NOT NULL,
  samples   INTEGER NOT NULL,
  yes       INTEGER NOT NULL,
  abstained TEXT NOT NULL, -- why there is no p; empty if there is one
  repeat    INTEGER NOT NULL,
  void      TEXT NOT NULL, -- why the answer does not count; empty if it does
  created   INTEGER NOT NULL,
  FOREIGN KEY (series, image) REFERENCES entry (series, image),
  CONSTRAINT answer_text_is_sha256 CHECK (text IS NULL OR length(text) = 32),
  CONSTRAINT answer_method_known CHECK (method IN ('logprobs', 'samples', 'word', '')),
  CONSTRAINT answer_p_or_abstained CHECK ((p IS NULL) = (abstained <> '')),
  CONSTRAINT answer_p_has_method CHECK (p IS NULL OR method <> ''),
  CONSTRAINT answer_bounds_with_p CHECK ((low IS NULL) = (p IS NULL) AND (high IS NULL) = (p IS NULL)),
  CONSTRAINT answer_p_probability CHECK (p IS NULL OR p BETWEEN 0 AND 1),
  CONSTRAINT answer_bounds_probabilities CHECK (low IS NULL OR (low BETWEEN 0 AND 1 AND high BETWEEN low AND 1)),
  CONSTRAINT answer_coverage_share CHECK (coverage BETWEEN 0 AND 1),
  CONSTRAINT answer_yes_of_samples CHECK (yes BETWEEN 0 AND samples),
  CONSTRAINT answer_repeat_not_negative CHECK (repeat >= 0),
  CONSTRAINT answer_created_known CHECK (created > 0)
) STRICT;

CREATE UNIQUE INDEX answer_once ON answer (series, image, judge, question, coalesce(text, x''), repeat);

CREATE TABLE comparison (
  id           INTEGER PRIMARY KEY,
  series       INTEGER NOT NULL,
  judge        INTEGER NOT NULL REFERENCES judge (id),
  a            INTEGER NOT NULL,
  b            INTEGER NOT NULL,
  criterion    TEXT NOT NULL,
  first_order  TEXT NOT NULL, -- a JSON object: the belief that a is better, a shown first
  second_order TEXT NOT NULL, -- the same, b shown first
  p            REAL NOT NULL,
  margin       REAL NOT NULL,
  outcome      TEXT NOT NULL,
  reason       TEXT NOT NULL,
  flags        TEXT, -- a JSON array of strings
  judgment     INTEGER REFERENCES judgment (id), -- NULL: the judge abstained
  created      INTEGER NOT NULL,
  FOREIGN KEY (series, a) REFERENCES entry (series, image),
  FOREIGN KEY (series, b) REFERENCES entry (series, image),
  CONSTRAINT comparison_of_two CHECK (a <> b),
  CONSTRAINT comparison_criterion_named CHECK (criterion <> ''),
  CONSTRAINT comparison_orders_objects CHECK (
    json_valid(first_order) AND json_type(first_order) = 'object' AND json_valid(second_order) AND json_type(second_order) = 'object'),
  CONSTRAINT comparison_p_probability CHECK (p BETWEEN 0 AND 1),
  CONSTRAINT comparison_margin_half CHECK (margin BETWEEN 0 AND 0.5),
  CONSTRAINT comparison_outcome_known CHECK (outcome IN ('left', 'right', 'tie', 'skip')),
  CONSTRAINT comparison_outcome_fits_p CHECK (CASE outcome WHEN 'left' THEN p > 0.5 WHEN 'right' THEN p < 0.5 ELSE 1 END),
  CONSTRAINT comparison_skip_has_reason CHECK (outcome <> 'skip' OR reason <> ''),
  CONSTRAINT comparison_flags_array CHECK (flags IS NULL OR (json_valid(flags) AND json_type(flags) = 'array')),
  CONSTRAINT comparison_judgment_unless_skip CHECK ((judgment IS NULL) = (outcome = 'skip')),
  CONSTRAINT comparison_judgment_once UNIQUE (judgment),
  CONSTRAINT comparison_created_known CHECK (created > 0)
) STRICT;

CREATE INDEX comparison_series ON comparison (series);

-- +goose StatementBegin
CREATE TRIGGER comparison_judgment_agrees BEFORE INSERT ON comparison
WHEN NEW.judgment IS NOT NULL AND EXISTS (SELECT 1 FROM judgment j WHERE j.id = NEW.judgment AND NOT (
  j.series = NEW.series AND j.left_image = NEW.a AND j.right_image = NEW.b AND j.outcome = NEW.outcome AND j.source <> 'human'))
BEGIN SELECT RAISE(ABORT, 'comparison_judgment_agrees: the judgment must say the same of the same pair'); END;
-- +goose StatementEnd

CREATE TABLE note (
  id      INTEGER PRIMARY KEY,
  series  INTEGER NOT NULL REFERENCES series (id),
  image   INTEGER, -- NULL: not about one image
  judge   INTEGER NOT NULL REFERENCES judge (id),
  kind    TEXT NOT NULL,
  body    TEXT NOT NULL, -- JSON
  created INTEGER NOT NULL,
  FOREIGN KEY (series, image) REFERENCES entry (series, image),
  CONSTRAINT note_kind_named CHECK (kind <> ''),
  CONSTRAINT note_body_json CHECK (json_valid(body)),
  CONSTRAINT note_created_known CHECK (created > 0)
) STRICT;

CREATE INDEX note_series ON note (series, kind);
CREATE INDEX note_image ON note (series, image);

CREATE TABLE capability (
  id      INTEGER PRIMARY KEY,
  judge   INTEGER NOT NULL REFERENCES judge (id),
  body    TEXT NOT NULL, -- a JSON object
  created INTEGER NOT NULL,
  CONSTRAINT capability_body_object CHECK (json_valid(body) AND json_type(body) = 'object'),
  CONSTRAINT capability_created_known CHECK (created > 0)
) STRICT;

CREATE INDEX capability_judge ON capability (judge);

-- Facts are added, never changed and never removed.

-- +goose StatementBegin
CREATE TRIGGER question_never_changed BEFORE UPDATE ON question
BEGIN SELECT RAISE(ABORT, 'question_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER question_never_removed BEFORE DELETE ON question
BEGIN SELECT RAISE(ABORT, 'question_never_removed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER answer_never_changed BEFORE UPDATE ON answer
BEGIN SELECT RAISE(ABORT, 'answer_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER answer_never_removed BEFORE DELETE ON answer
BEGIN SELECT RAISE(ABORT, 'answer_never_removed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER comparison_never_changed BEFORE UPDATE ON comparison
BEGIN SELECT RAISE(ABORT, 'comparison_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER comparison_never_removed BEFORE DELETE ON comparison
BEGIN SELECT RAISE(ABORT, 'comparison_never_removed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER note_never_changed BEFORE UPDATE ON note
BEGIN SELECT RAISE(ABORT, 'note_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER note_never_removed BEFORE DELETE ON note
BEGIN SELECT RAISE(ABORT, 'note_never_removed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER capability_never_changed BEFORE UPDATE ON capability
BEGIN SELECT RAISE(ABORT, 'capability_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER capability_never_removed BEFORE DELETE ON capability
BEGIN SELECT RAISE(ABORT, 'capability_never_removed: facts are only added'); END;
-- +goose StatementEnd
