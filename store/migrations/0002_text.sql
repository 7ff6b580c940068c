-- A reading may be of an image and a text: a prompt. The text is named by the
-- SHA-256 of its UTF-8 bytes; the prompt itself stands in entry.

-- +goose Up

ALTER TABLE reading ADD COLUMN text BLOB -- NULL: no text
  CONSTRAINT reading_text_is_sha256 CHECK (text IS NULL OR length(text) = 32);

DROP INDEX reading_once;

CREATE UNIQUE INDEX reading_once ON reading (image, identity, coalesce(ref, 0), coalesce(text, x''));
