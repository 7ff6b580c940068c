-- Requests to models, entered before they are sent, and what became of them. A
-- call is named by the SHA-256 of all that is asked and of whom. A key with two
-- rows was sent twice, because the first reply was lost or was a refusal. Judges
-- are kept once and referred to by number.

-- +goose Up

CREATE TABLE judge (
  id       INTEGER PRIMARY KEY,
  name     TEXT NOT NULL,
  api      TEXT NOT NULL, -- empty: a person
  endpoint TEXT NOT NULL,
  model    TEXT NOT NULL,
  family   TEXT NOT NULL,
  protocol INTEGER NOT NULL,
  CONSTRAINT judge_once UNIQUE (name, api, endpoint, model, family, protocol),
  CONSTRAINT judge_named CHECK (name <> ''),
  CONSTRAINT judge_model_with_api CHECK ((api = '') = (model = '')),
  CONSTRAINT judge_person_is_bare CHECK (api <> '' OR (endpoint = '' AND family = '' AND protocol = 0)),
  CONSTRAINT judge_protocol_not_negative CHECK (protocol >= 0)
) STRICT;

CREATE TABLE call (
  id          INTEGER PRIMARY KEY,
  key         BLOB NOT NULL,
  judge       INTEGER NOT NULL REFERENCES judge (id),
  most_tokens INTEGER NOT NULL, -- at worst
  most_cost   REAL NOT NULL, -- at worst
  begun       INTEGER NOT NULL,
  CONSTRAINT call_key_is_sha256 CHECK (length(key) = 32),
  CONSTRAINT call_most_tokens_not_negative CHECK (most_tokens >= 0),
  CONSTRAINT call_most_cost_finite CHECK (most_cost BETWEEN 0 AND 1.7976931348623157e308),
  CONSTRAINT call_begun_known CHECK (begun > 0)
) STRICT;

CREATE INDEX call_key ON call (key);
CREATE INDEX call_begun ON call (begun);

CREATE TABLE call_end (
  call     INTEGER PRIMARY KEY REFERENCES call (id),
  reply    TEXT, -- JSON; NULL: it failed for good
  error    TEXT, -- why it failed for good; NULL: it did not
  attempts INTEGER NOT NULL,
  sent     INTEGER NOT NULL, -- tokens
  received INTEGER NOT NULL, -- tokens
  cached   INTEGER NOT NULL, -- of sent
  cost     REAL NOT NULL,
  latency  INTEGER NOT NULL, -- nanoseconds
  ended    INTEGER NOT NULL,
  CONSTRAINT call_end_reply_json CHECK (reply IS NULL OR json_valid(reply)),
  CONSTRAINT call_end_reply_or_error CHECK ((reply IS NULL) = (error IS NOT NULL AND error <> '')),
  CONSTRAINT call_end_attempts_not_negative CHECK (attempts >= 0),
  CONSTRAINT call_end_tokens_not_negative CHECK (sent >= 0 AND received >= 0),
  CONSTRAINT call_end_cached_of_sent CHECK (cached BETWEEN 0 AND sent),
  CONSTRAINT call_end_cost_finite CHECK (cost BETWEEN 0 AND 1.7976931348623157e308),
  CONSTRAINT call_end_latency_not_negative CHECK (latency >= 0),
  CONSTRAINT call_end_ended_known CHECK (ended > 0)
) STRICT;

CREATE INDEX call_end_ended ON call_end (ended);

-- Facts are added, never changed and never removed.

-- +goose StatementBegin
CREATE TRIGGER judge_never_changed BEFORE UPDATE ON judge
BEGIN SELECT RAISE(ABORT, 'judge_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER judge_never_removed BEFORE DELETE ON judge
BEGIN SELECT RAISE(ABORT, 'judge_never_removed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER call_never_changed BEFORE UPDATE ON call
BEGIN SELECT RAISE(ABORT, 'call_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER call_never_removed BEFORE DELETE ON call
BEGIN SELECT RAISE(ABORT, 'call_never_removed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER call_end_never_changed BEFORE UPDATE ON call_end
BEGIN SELECT RAISE(ABORT, 'call_end_never_changed: facts are only added'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER call_end_never_removed BEFORE DELETE ON call_end
BEGIN SELECT RAISE(ABORT, 'call_end_never_removed: facts are only added'); END;
-- +goose StatementEnd
