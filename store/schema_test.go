package store

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
)

// columns is a row: values by column.
type columns map[string]any

// valid is one row of each table that the schema accepts, in a database with
// what [furnish] makes. Each broken row below differs from it in what it says.
var valid = map[string]columns{
	"series": {"name": "t", "created": 1},
	"image":  {"id": make([]byte, 32), "bytes": 1, "format": "png", "width": 1, "height": 1, "mode": "RGB", "created": 1},
	"entry": {"series": 1, "seq": 4, "image": 4, "path": "", "prompt": "", "negative": "", "generator": "", "settings": "{}",
		"parents": make([]byte, 64), "created": 1},
	"identity":   {"instrument": "x", "version": 1, "checkpoint": "", "preparation": "", "runtime": "go", "synthetic": 0},
	"reading":    {"image": 1, "ref": 2, "text": make([]byte, 32), "identity": 1, "value": 1.5, "warnings": "[]", "created": 1},
	"embedding":  {"image": 1, "identity": 1, "vector": make([]byte, 8), "created": 1},
	"neighbour":  {"series": 1, "seq": 3, "identity": 1, "nearest": 2, "value": 0.0, "created": 1},
	"control":    {"series": 1, "image": 1, "identity": 1, "transform": "none", "value": 1.0, "created": 1},
	"threshold":  {"series": 1, "gate": "g", "identity": 1, "value": 1.0, "fails": "above", "mode": "shadow", "source": "controls", "reason": "", "evidence": "{}", "created": 1},
	"grid":       {"series": 1, "reason": "", "created": 1},
	"grid_axis":  {"grid": 1, "ord": 2, "descriptor": "d", "lo": 0.0, "hi": 1.0, "cells": 1},
	"decision":   {"series": 1, "seq": 3, "image": 3, "placement": "added", "cell": "[1]", "incumbent": 2, "gates": "[]", "basis": "new", "created": 1},
	"round":      {"series": 1, "rater": "me", "created": 1},
	"round_pair": {"round": 1, "series": 1, "ord": 2, "left_image": 1, "right_image": 3, "kind": "random", "reason": "", "propensity": 0.5},
	"judgment": {"series": 1, "round": 1, "rater": "me", "source": "vlm:m", "left_image": 1, "right_image": 2, "outcome": "left", "grade": -1,
		"propensity": 0.5, "latency": 0, "created": 1},
	"withdrawal":      {"judgment": 1, "created": 1},
	"mark":            {"series": 1, "image": 1, "rater": "me", "kind": "interesting", "round": 1, "created": 1},
	"mark_withdrawal": {"mark": 1, "created": 1},
	"triplet": {"series": 1, "rater": "me", "first_image": 1, "second_image": 2, "third_image": 3, "propensity": 0.5,
		"created": 1},
	"triplet_answer": {"triplet": 2, "odd": -1, "latency": 0, "created": 1},
	"ranking":        {"series": 1, "rater": "me", "created": 1},
	"ranking_image":  {"ranking": 3, "series": 1, "ord": 1, "image": 2, "contested": 0, "propensity": 0.5},
	"ranking_answer": {"ranking": 2, "created": 1},
	"ranking_place":  {"ranking": 3, "place": 1, "image": 1},
	"judge":          {"name": "x", "api": "openai", "endpoint": "", "model": "m", "family": "", "protocol": 1},
	"question": {"name": "x", "version": "1", "dimension": "d", "text": "Is it?", "good": "yes", "kind": "", "scope": "image", "needs": "[]",
		"twin_of": "", "expect": ""},
	"answer": {"series": 1, "image": 2, "text": make([]byte, 32), "judge": 1, "question": 1, "method": "logprobs", "p": 0.5, "low": 0.25, "high": 0.75,
		"coverage": 1.0, "samples": 5, "yes": 2, "abstained": "", "repeat": 0, "void": "", "created": 1},
	"comparison": {"series": 1, "judge": 1, "a": 1, "b": 2, "criterion": "c", "first_order": "{}", "second_order": "{}", "p": 0.6, "margin": 0.1,
		"outcome": "left", "reason": "", "flags": "[]", "judgment": 3, "created": 1},
	"note":       {"series": 1, "image": 1, "judge": 1, "kind": "summary", "body": "{}", "created": 1},
	"capability": {"judge": 1, "body": "{}", "created": 1},
	"call":       {"key": make([]byte, 32), "judge": 1, "most_tokens": 0, "most_cost": 0.0, "begun": 1},
	"call_end": {"call": 2, "reply": "{}", "error": nil, "attempts": 0, "sent": 1, "received": 0, "cached": 1, "cost": 0.0, "latency": 0,
		"ended": 1},
}

// broken has a row for every way in which a named rule can be broken. Rules of
// uniqueness and reference are named by SQLite by their columns and tables.
var broken = []struct {
	rule, table string
	change      columns
}{
	{"series_name_valid", "series", columns{"name": ""}},
	{"series_name_valid", "series", columns{"name": "A"}},
	{"series_name_valid", "series", columns{"name": strings.Repeat("a", 65)}},
	{"series_created_known", "series", columns{"created": 0}},
	{"UNIQUE constraint failed: series.name", "series", columns{"name": "s"}},
	{"image_id_is_sha256", "image", columns{"id": make([]byte, 31)}},
	{"image_bytes_positive", "image", columns{"bytes": 0}},
	{"image_size_positive", "image", columns{"width": 0}},
	{"image_size_positive", "image", columns{"height": 0}},
	{"image_format_known", "image", columns{"format": ""}},
	{"image_format_known", "image", columns{"mode": ""}},
	{"image_created_known", "image", columns{"created": 0}},
	{"entry_image_once", "entry", columns{"image": 1}},
	{"entry_seq_dense", "entry", columns{"seq": 5}},
	{"entry_seq_dense", "entry", columns{"seq": 3}},
	{"entry_settings_object", "entry", columns{"settings": "[]"}},
	{"entry_settings_object", "entry", columns{"settings": "{"}},
	{"entry_parents_are_sha256", "entry", columns{"parents": make([]byte, 33)}},
	{"entry_parents_are_sha256", "entry", columns{"parents": []byte{}}},
	{"entry_created_known", "entry", columns{"created": 0}},
	{"FOREIGN KEY", "entry", columns{"series": 9, "seq": 1}},
	{"FOREIGN KEY", "entry", columns{"image": 99}},
	{"identity_once", "identity", columns{"instrument": "niqe", "checkpoint": "c0ffee", "preparation": "gray"}},
	{"identity_instrument_named", "identity", columns{"instrument": ""}},
	{"identity_version_positive", "identity", columns{"version": 0}},
	{"identity_runtime_named", "identity", columns{"runtime": ""}},
	{"identity_synthetic_boolean", "identity", columns{"synthetic": 2}},
	{"reading_value_finite", "reading", columns{"value": math.Inf(1)}},
	{"reading_value_finite", "reading", columns{"value": math.Inf(-1)}},
	{"NOT NULL constraint failed: reading.value", "reading", columns{"value": math.NaN()}},
	{"reading_warnings_array", "reading", columns{"warnings": "{}"}},
	{"reading_warnings_array", "reading", columns{"warnings": "["}},
	{"reading_created_known", "reading", columns{"created": 0}},
	{"reading_once", "reading", columns{"ref": nil, "text": nil}},
	{"reading_text_is_sha256", "reading", columns{"text": make([]byte, 31)}},
	{"reading_text_is_sha256", "reading", columns{"text": []byte{}}},
	{"FOREIGN KEY", "reading", columns{"image": 99}},
	{"FOREIGN KEY", "reading", columns{"ref": 99}},
	{"FOREIGN KEY", "reading", columns{"identity": 99}},
	{"embedding_once", "embedding", columns{"image": 2}},
	{"embedding_vector_float32", "embedding", columns{"vector": make([]byte, 7)}},
	{"embedding_vector_float32", "embedding", columns{"vector": []byte{}}},
	{"embedding_created_known", "embedding", columns{"created": 0}},
	{"FOREIGN KEY", "embedding", columns{"identity": 99}},
	{"neighbour_once", "neighbour", columns{"seq": 2, "nearest": 1}},
	{"neighbour_value_with_nearest", "neighbour", columns{"value": nil}},
	{"neighbour_value_with_nearest", "neighbour", columns{"nearest": nil}},
	{"neighbour_value_finite", "neighbour", columns{"value": math.Inf(1)}},
	{"neighbour_is_earlier", "neighbour", columns{"nearest": 3}},
	{"neighbour_is_earlier", "neighbour", columns{"seq": 1}},
	{"neighbour_created_known", "neighbour", columns{"created": 0}},
	{"FOREIGN KEY", "neighbour", columns{"seq": 9}},
	{"FOREIGN KEY", "neighbour", columns{"nearest": 4}},
	{"control_once", "control", columns{"image": 2}},
	{"control_transform_named", "control", columns{"transform": ""}},
	{"control_value_finite", "control", columns{"value": math.Inf(-1)}},
	{"control_created_known", "control", columns{"created": 0}},
	{"FOREIGN KEY", "control", columns{"image": 4}},
	{"threshold_gate_named", "threshold", columns{"gate": ""}},
	{"threshold_value_finite", "threshold", columns{"value": math.Inf(1)}},
	{"threshold_fails_known", "threshold", columns{"fails": "beside"}},
	{"threshold_mode_known", "threshold", columns{"mode": "off"}},
	{"threshold_source_named", "threshold", columns{"source": ""}},
	{"threshold_evidence_json", "threshold", columns{"evidence": "{"}},
	{"threshold_created_known", "threshold", columns{"created": 0}},
	{"FOREIGN KEY", "threshold", columns{"series": 9}},
	{"grid_created_known", "grid", columns{"created": 0}},
	{"FOREIGN KEY", "grid", columns{"series": 9}},
	{"grid_axis_descriptor_once", "grid_axis", columns{"descriptor": "warmth"}},
	{"grid_axis_at_most_four", "grid_axis", columns{"ord": 4}},
	{"grid_axis_descriptor_named", "grid_axis", columns{"descriptor": ""}},
	{"grid_axis_bounds_finite", "grid_axis", columns{"hi": math.Inf(1)}},
	{"grid_axis_bounds_finite", "grid_axis", columns{"lo": math.Inf(-1)}},
	{"grid_axis_bounds_ordered", "grid_axis", columns{"lo": 1.0}},
	{"grid_axis_cells_positive", "grid_axis", columns{"cells": 0}},
	{"UNIQUE constraint failed: grid_axis.grid, grid_axis.ord", "grid_axis", columns{"ord": 0}},
	{"FOREIGN KEY", "grid_axis", columns{"grid": 9}},
	{"decision_once", "decision", columns{"basis": "b"}},
	{"decision_placement_known", "decision", columns{"placement": "nowhere"}},
	{"decision_cell_array", "decision", columns{"cell": "{}"}},
	{"decision_gates_array", "decision", columns{"gates": "1"}},
	{"decision_created_known", "decision", columns{"created": 0}},
	{"FOREIGN KEY", "decision", columns{"image": 2}},
	{"FOREIGN KEY", "decision", columns{"incumbent": 4}},
	{"round_of_series", "round", columns{"id": 1}},
	{"round_rater_named", "round", columns{"rater": ""}},
	{"round_created_known", "round", columns{"created": 0}},
	{"FOREIGN KEY", "round", columns{"series": 9}},
	{"round_pair_once", "round_pair", columns{"right_image": 2}},
	{"round_pair_at_most_five", "round_pair", columns{"ord": 5}},
	{"round_pair_of_two", "round_pair", columns{"right_image": 1}},
	{"round_pair_propensity_probability", "round_pair", columns{"propensity": 1.1}},
	{"round_pair_kind_known", "round_pair", columns{"kind": ""}},
	{"FOREIGN KEY", "round_pair", columns{"series": 2}},
	{"FOREIGN KEY", "round_pair", columns{"right_image": 4}},
	{"judgment_rater_named", "judgment", columns{"rater": ""}},
	{"judgment_source_known", "judgment", columns{"source": "vlm:"}},
	{"judgment_of_two", "judgment", columns{"right_image": 1}},
	{"judgment_outcome_known", "judgment", columns{"outcome": "draw", "grade": 0}},
	{"judgment_grade_fits_outcome", "judgment", columns{"grade": 0}},
	{"judgment_grade_fits_outcome", "judgment", columns{"outcome": "right"}},
	{"judgment_grade_fits_outcome", "judgment", columns{"outcome": "skip"}},
	{"judgment_propensity_probability", "judgment", columns{"propensity": -0.1}},
	{"judgment_latency_not_negative", "judgment", columns{"latency": -1}},
	{"judgment_created_known", "judgment", columns{"created": 0}},
	{"FOREIGN KEY", "judgment", columns{"left_image": 4}},
	{"FOREIGN KEY", "judgment", columns{"round": 9}},
	{"FOREIGN KEY", "judgment", columns{"right_image": 3}}, // not a pair of the round
	{"withdrawal_once", "withdrawal", columns{"judgment": 2}},
	{"withdrawal_created_known", "withdrawal", columns{"created": 0}},
	{"FOREIGN KEY", "withdrawal", columns{"judgment": 9}},
	{"mark_rater_named", "mark", columns{"rater": ""}},
	{"mark_kind_known", "mark", columns{"kind": "nice"}},
	{"mark_created_known", "mark", columns{"created": 0}},
	{"FOREIGN KEY", "mark", columns{"image": 4}},
	{"FOREIGN KEY", "mark", columns{"round": 9}},
	{"FOREIGN KEY", "mark", columns{"series": 3}}, // the round is another series'
	{"mark_withdrawal_once", "mark_withdrawal", columns{"mark": 2}},
	{"mark_withdrawal_created_known", "mark_withdrawal", columns{"created": 0}},
	{"FOREIGN KEY", "mark_withdrawal", columns{"mark": 9}},
	{"triplet_rater_named", "triplet", columns{"rater": ""}},
	{"triplet_of_three", "triplet", columns{"second_image": 1}},
	{"triplet_of_three", "triplet", columns{"third_image": 1}},
	{"triplet_of_three", "triplet", columns{"third_image": 2}},
	{"triplet_propensity_probability", "triplet", columns{"propensity": 1.1}},
	{"triplet_created_known", "triplet", columns{"created": 0}},
	{"FOREIGN KEY", "triplet", columns{"first_image": 4}},
	{"FOREIGN KEY", "triplet", columns{"second_image": 4}},
	{"FOREIGN KEY", "triplet", columns{"third_image": 4}},
	{"triplet_answer_once", "triplet_answer", columns{"triplet": 1}},
	{"triplet_answer_odd_known", "triplet_answer", columns{"odd": 3}},
	{"triplet_answer_latency_not_negative", "triplet_answer", columns{"latency": -1}},
	{"triplet_answer_created_known", "triplet_answer", columns{"created": 0}},
	{"FOREIGN KEY", "triplet_answer", columns{"triplet": 9}},
	{"ranking_of_series", "ranking", columns{"id": 1}},
	{"ranking_rater_named", "ranking", columns{"rater": ""}},
	{"ranking_created_known", "ranking", columns{"created": 0}},
	{"FOREIGN KEY", "ranking", columns{"series": 9}},
	{"ranking_image_once", "ranking_image", columns{"image": 1}},
	{"ranking_image_at_most_twenty", "ranking_image", columns{"ord": 20}},
	{"ranking_image_contested_boolean", "ranking_image", columns{"contested": 2}},
	{"ranking_image_propensity_probability", "ranking_image", columns{"propensity": -0.1}},
	{"UNIQUE constraint failed: ranking_image.ranking, ranking_image.ord", "ranking_image", columns{"ord": 0}},
	{"FOREIGN KEY", "ranking_image", columns{"image": 4}},
	{"FOREIGN KEY", "ranking_image", columns{"series": 3}},
	{"ranking_answer_once", "ranking_answer", columns{"ranking": 1}},
	{"ranking_answer_created_known", "ranking_answer", columns{"created": 0}},
	{"FOREIGN KEY", "ranking_answer", columns{"ranking": 9}},
	{"ranking_place_once", "ranking_place", columns{"image": 3}},
	{"ranking_place_at_most_twenty", "ranking_place", columns{"place": 20}},
	{"UNIQUE constraint failed: ranking_place.ranking, ranking_place.place", "ranking_place", columns{"place": 0}},
	{"FOREIGN KEY", "ranking_place", columns{"image": 2}},   // not shown
	{"FOREIGN KEY", "ranking_place", columns{"ranking": 2}}, // not answered
	{"judge_once", "judge", columns{"name": "local", "endpoint": "http://localhost:8000/v1/", "model": "qwen", "family": "qwen"}},
	{"judge_named", "judge", columns{"name": ""}},
	{"judge_model_with_api", "judge", columns{"model": ""}},
	{"judge_model_with_api", "judge", columns{"api": "", "protocol": 0}},
	{"judge_person_is_bare", "judge", columns{"api": "", "model": ""}},
	{"judge_person_is_bare", "judge", columns{"api": "", "model": "", "protocol": 0, "family": "f"}},
	{"judge_protocol_not_negative", "judge", columns{"protocol": -1}},
	{"question_once", "question", columns{"name": "composition.subject", "version": "0123456789ab"}},
	{"question_named", "question", columns{"name": ""}},
	{"question_named", "question", columns{"version": ""}},
	{"question_named", "question", columns{"dimension": ""}},
	{"question_named", "question", columns{"text": ""}},
	{"question_good_known", "question", columns{"good": "maybe"}},
	{"question_scope_known", "question", columns{"scope": "series"}},
	{"question_expect_known", "question", columns{"expect": "maybe"}},
	{"question_needs_array", "question", columns{"needs": "{}"}},
	{"question_needs_array", "question", columns{"needs": "["}},
	{"answer_once", "answer", columns{"image": 1, "text": nil}},
	{"answer_text_is_sha256", "answer", columns{"text": []byte{}}},
	{"answer_method_known", "answer", columns{"method": "verbal"}},
	{"answer_p_or_abstained", "answer", columns{"p": nil, "low": nil, "high": nil}},
	{"answer_p_or_abstained", "answer", columns{"abstained": "cannot tell"}},
	{"answer_p_has_method", "answer", columns{"method": ""}},
	{"answer_bounds_with_p", "answer", columns{"low": nil}},
	{"answer_bounds_with_p", "answer", columns{"p": nil, "abstained": "cannot tell"}},
	{"answer_p_probability", "answer", columns{"p": 1.5}},
	{"answer_bounds_probabilities", "answer", columns{"low": -0.5}},
	{"answer_bounds_probabilities", "answer", columns{"high": 1.5}},
	{"answer_bounds_probabilities", "answer", columns{"low": 0.8, "high": 0.7}},
	{"answer_coverage_share", "answer", columns{"coverage": 1.5}},
	{"answer_yes_of_samples", "answer", columns{"yes": 6}},
	{"answer_repeat_not_negative", "answer", columns{"repeat": -1}},
	{"answer_created_known", "answer", columns{"created": 0}},
	{"FOREIGN KEY", "answer", columns{"image": 4}},
	{"FOREIGN KEY", "answer", columns{"judge": 9}},
	{"FOREIGN KEY", "answer", columns{"question": 9}},
	{"comparison_of_two", "comparison", columns{"b": 1, "outcome": "skip", "reason": "r", "judgment": nil}},
	{"comparison_criterion_named", "comparison", columns{"criterion": ""}},
	{"comparison_orders_objects", "comparison", columns{"first_order": "[]"}},
	{"comparison_orders_objects", "comparison", columns{"second_order": "{"}},
	{"comparison_p_probability", "comparison", columns{"p": 1.5}},
	{"comparison_margin_half", "comparison", columns{"margin": 0.6}},
	{"comparison_outcome_known", "comparison", columns{"outcome": "both_bad", "judgment": nil}},
	{"comparison_outcome_fits_p", "comparison", columns{"p": 0.5}},
	{"comparison_skip_has_reason", "comparison", columns{"outcome": "skip", "judgment": nil}},
	{"comparison_flags_array", "comparison", columns{"flags": "{}"}},
	{"comparison_judgment_unless_skip", "comparison", columns{"judgment": nil}},
	{"comparison_judgment_unless_skip", "comparison", columns{"outcome": "skip", "reason": "r", "judgment": 99}},
	{"comparison_judgment_once", "comparison", columns{"judgment": 4}},
	{"comparison_judgment_agrees", "comparison", columns{"outcome": "tie"}},
	{"comparison_judgment_agrees", "comparison", columns{"b": 3}},
	{"comparison_judgment_agrees", "comparison", columns{"judgment": 1}}, // a person's
	{"comparison_created_known", "comparison", columns{"created": 0}},
	{"FOREIGN KEY", "comparison", columns{"judgment": 99}},
	{"FOREIGN KEY", "comparison", columns{"judge": 9}},
	{"FOREIGN KEY", "comparison", columns{"a": 4, "outcome": "skip", "reason": "r", "judgment": nil}},
	{"FOREIGN KEY", "comparison", columns{"b": 4, "outcome": "skip", "reason": "r", "judgment": nil}},
	{"note_kind_named", "note", columns{"kind": ""}},
	{"note_body_json", "note", columns{"body": "{"}},
	{"note_created_known", "note", columns{"created": 0}},
	{"FOREIGN KEY", "note", columns{"image": 4}},
	{"FOREIGN KEY", "note", columns{"judge": 9}},
	{"capability_body_object", "capability", columns{"body": "[]"}},
	{"capability_body_object", "capability", columns{"body": "{"}},
	{"capability_created_known", "capability", columns{"created": 0}},
	{"FOREIGN KEY", "capability", columns{"judge": 9}},
	{"call_key_is_sha256", "call", columns{"key": make([]byte, 31)}},
	{"call_most_tokens_not_negative", "call", columns{"most_tokens": -1}},
	{"call_most_cost_finite", "call", columns{"most_cost": math.Inf(1)}},
	{"call_most_cost_finite", "call", columns{"most_cost": -0.1}},
	{"call_begun_known", "call", columns{"begun": 0}},
	{"FOREIGN KEY", "call", columns{"judge": 9}},
	{"UNIQUE constraint failed: call_end.call", "call_end", columns{"call": 1}},
	{"call_end_reply_json", "call_end", columns{"reply": "{"}},
	{"call_end_reply_or_error", "call_end", columns{"reply": nil}},
	{"call_end_reply_or_error", "call_end", columns{"reply": nil, "error": ""}},
	{"call_end_reply_or_error", "call_end", columns{"error": "x"}},
	{"call_end_attempts_not_negative", "call_end", columns{"attempts": -1}},
	{"call_end_tokens_not_negative", "call_end", columns{"received": -1}},
	{"call_end_cached_of_sent", "call_end", columns{"cached": 2}},
	{"call_end_cached_of_sent", "call_end", columns{"cached": -1}},
	{"call_end_cost_finite", "call_end", columns{"cost": math.Inf(1)}},
	{"call_end_cost_finite", "call_end", columns{"cost": -0.1}},
	{"call_end_latency_not_negative", "call_end", columns{"latency": -1}},
	{"call_end_ended_known", "call_end", columns{"ended": 0}},
	{"FOREIGN KEY", "call_end", columns{"call": 9}},
}

// uniques says which columns SQLite names when a named rule of uniqueness is
// broken.
var uniques = map[string]string{
	"entry_image_once":          "UNIQUE constraint failed: entry.series, entry.image",
	"identity_once":             "UNIQUE constraint failed: identity.instrument,",
	"reading_once":              "UNIQUE constraint failed: index 'reading_once'",
	"embedding_once":            "UNIQUE constraint failed: embedding.image, embedding.identity",
	"neighbour_once":            "UNIQUE constraint failed: neighbour.series, neighbour.seq, neighbour.identity",
	"control_once":              "UNIQUE constraint failed: control.series, control.image, control.identity, control.transform",
	"grid_axis_descriptor_once": "UNIQUE constraint failed: grid_axis.grid, grid_axis.descriptor",
	"decision_once":             "UNIQUE constraint failed: decision.series, decision.seq, decision.basis",
	"round_of_series":           "UNIQUE constraint failed: round.",
	"round_pair_once":           "UNIQUE constraint failed: round_pair.round, round_pair.left_image, round_pair.right_image",
	"withdrawal_once":           "UNIQUE constraint failed: withdrawal.judgment",
	"mark_withdrawal_once":      "UNIQUE constraint failed: mark_withdrawal.mark",
	"triplet_answer_once":       "UNIQUE constraint failed: triplet_answer.triplet",
	"ranking_of_series":         "UNIQUE constraint failed: ranking.",
	"ranking_image_once":        "UNIQUE constraint failed: ranking_image.ranking, ranking_image.image",
	"ranking_answer_once":       "UNIQUE constraint failed: ranking_answer.ranking",
	"ranking_place_once":        "UNIQUE constraint failed: ranking_place.ranking, ranking_place.image",
	"judge_once":                "UNIQUE constraint failed: judge.name, judge.api, judge.endpoint, judge.model, judge.family, judge.protocol",
	"question_once":             "UNIQUE constraint failed: question.name, question.version",
	"answer_once":               "UNIQUE constraint failed: index 'answer_once'",
	"comparison_judgment_once":  "UNIQUE constraint failed: comparison.judgment",
}

// furnish gives db the rows that valid and broken refer to: series s (1) with
// three entries, series other (2) with none, and one fact of each kind.
func furnish(t *testing.T, db *DB) {
	t.Helper()
	ctx := t.Context()
	fill(t, db, "s", 3)
	fill(t, db, "third", 4) // image 4 is stored, and not in s
	id := pictureID(2)
	must(t, db.Record(ctx, Measurement{Series: "s", Seq: 1, Readings: []assay.Reading{{Identity: niqe, Image: pictureID(1)}}}))
	must(t, db.Record(ctx, Measurement{Series: "s", Seq: 2,
		Embeddings: []assay.Embedding{{Identity: niqe, Image: id, Vector: []float32{1}}},
		Neighbours: []assay.Neighbour{{Identity: niqe, Nearest: pictureID(1)}}}))
	must(t, db.PutControls(ctx, []assay.Control{{Identity: niqe, Series: "s", Image: id, Transform: "none"}}))
	_, err := db.PutThreshold(ctx, assay.Threshold{Identity: niqe, Series: "s", Gate: "g", Fails: "above", Mode: assay.Shadow, Source: "controls"})
	must(t, err)
	_, err = db.PutGrid(ctx, grid("s"))
	must(t, err)
	must(t, db.PutDecisions(ctx, []assay.Decision{{Series: "s", Seq: 3, Image: pictureID(3), Placement: assay.Added, Basis: "b"}}))
	_, err = db.PutRound(ctx, round("s", 1, 2))
	must(t, err)
	for range 2 {
		_, err = db.PutJudgment(ctx, judgment("s", 1, 2))
		must(t, err)
	}
	must(t, db.Withdraw(ctx, 2))
	// By a model, in no comparison's name: judgment 3. Then one that has its: 4.
	_, err = db.PutJudgment(ctx, assay.Judgment{Series: "s", Rater: "m", Source: "vlm:m", Left: pictureID(1), Right: pictureID(2), Outcome: assay.Left, Grade: -1})
	must(t, err)
	_, err = db.PutComparison(ctx, comparison("s", 1, 2))
	must(t, err)
	a := answer("s", 1)
	a.Text = assay.Digest{}
	must(t, db.PutAnswers(ctx, []assay.Answer{a}))
	_, err = db.PutNote(ctx, note("s", 1, "summary"))
	must(t, err)
	must(t, db.PutCapabilities(ctx, qwen, []byte(`{}`)))
	must(t, db.BeginCalls(ctx, []assay.Call{call(1), call(2)}))
	furnishPeople(t, db)
	must(t, db.EndCalls(ctx, []assay.CallEnd{callEnd(1)}))
}

// furnishPeople adds two marks, the second withdrawn; two triplets and two
// rankings, the first of each answered; and a third ranking, by hand, that shows
// two images and has an answer that places one.
func furnishPeople(t *testing.T, db *DB) {
	t.Helper()
	ctx := t.Context()
	_, err := db.PutMark(ctx, mark("s", 1, assay.Interesting))
	must(t, err)
	m, err := db.PutMark(ctx, mark("s", 2, assay.Breakthrough))
	must(t, err)
	must(t, db.WithdrawMark(ctx, m))
	for range 2 {
		_, err = db.PutTriplet(ctx, triplet("s", 1, 2, 3))
		must(t, err)
		_, err = db.PutRanking(ctx, ranking("s", 1, 2, 3))
		must(t, err)
	}
	must(t, db.AnswerTriplet(ctx, 1, 2, 0))
	must(t, db.AnswerRanking(ctx, 1, []assay.Digest{pictureID(2), pictureID(1), pictureID(3)}))
	_, err = db.writer.ExecContext(ctx, `
		INSERT INTO ranking (id, series, rater, created) VALUES (3, 1, 'me', 1);
		INSERT INTO ranking_image (ranking, series, ord, image, contested, propensity) VALUES (3, 1, 0, 1, 0, 0), (3, 1, 2, 3, 0, 0);
		INSERT INTO ranking_answer (ranking, created) VALUES (3, 1);
		INSERT INTO ranking_place (ranking, place, image) VALUES (3, 0, 3)`)
	must(t, err)
}

// insert tries to add a row, and takes it back if that worked.
func insert(ctx context.Context, db *DB, verb, table string, rows ...columns) error {
	row := columns{}
	for _, r := range rows {
		maps.Copy(row, r)
	}
	var names, marks []string
	var args []any
	for _, name := range slices.Sorted(maps.Keys(row)) {
		args = append(args, row[name])
		names, marks = append(names, name), append(marks, fmt.Sprint("$", len(args)))
	}
	t, err := db.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer t.Rollback()
	_, err = t.Exec(fmt.Sprintf("%s INTO %s (%s) VALUES (%s)", verb, table, strings.Join(names, ", "), strings.Join(marks, ", ")), args...)
	return err
}

func TestRules(t *testing.T) {
	db := openSQLite(t)
	furnish(t, db)
	ctx := t.Context()
	for table, row := range valid {
		if err := insert(ctx, db, "INSERT", table, row); err != nil {
			t.Errorf("a valid row of %s: %v", table, err)
		}
	}
	tried := make(map[string]bool)
	for _, b := range broken {
		tried[b.rule] = true
		says := b.rule
		if columns, ok := uniques[b.rule]; ok {
			says = columns
		}
		is(t, fmt.Sprintf("%s with %v", b.table, b.change), db.explain(insert(ctx, db, "INSERT", b.table, valid[b.table], b.change)),
			assay.ErrInvalid, says)
	}
	for _, name := range regexp.MustCompile(`(?:CONSTRAINT|CREATE TRIGGER|CREATE UNIQUE INDEX) (\w+)`).FindAllStringSubmatch(schema(t), -1) {
		if !tried[name[1]] && !strings.Contains(name[1], "_never_") && name[1] != "entry_place" {
			t.Errorf("no row was tried that breaks %s", name[1])
		}
	}
}

func schema(t *testing.T) string {
	t.Helper()
	files, err := migrations.ReadDir("migrations")
	must(t, err)
	var all strings.Builder
	for _, f := range files {
		text, err := migrations.ReadFile("migrations/" + f.Name())
		must(t, err)
		all.Write(text)
	}
	return all.String()
}

func TestFactsStay(t *testing.T) {
	db := openSQLite(t)
	furnish(t, db)
	ctx := t.Context()
	tables, err := list(ctx, db, func(rows *sql.Rows) (name string, err error) {
		err = rows.Scan(&name)
		return name, err
	}, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'schema_version' ORDER BY name`)
	must(t, err)
	same(t, "tables with a valid row to try", slices.Sorted(maps.Keys(valid)), tables)
	for _, table := range tables {
		for column := range valid[table] {
			_, err := db.writer.ExecContext(ctx, fmt.Sprintf("UPDATE %s SET %s = %s", table, column, column))
			is(t, "update of "+table+"."+column, db.explain(err), assay.ErrInvalid, table+"_never_changed")
		}
		_, err := db.writer.ExecContext(ctx, "DELETE FROM "+table)
		is(t, "delete from "+table, db.explain(err), assay.ErrInvalid, table+"_never_removed")
	}
	// REPLACE removes rows too.
	is(t, "replace", db.explain(insert(ctx, db, "INSERT OR REPLACE", "reading", valid["reading"], columns{"ref": nil, "text": nil})),
		assay.ErrInvalid, "reading_never_removed")
	is(t, "replace", db.explain(insert(ctx, db, "INSERT OR REPLACE", "series", columns{"id": 1, "name": "new", "created": 1})),
		assay.ErrInvalid, "series_never_removed")
}

func TestConnections(t *testing.T) {
	db := openSQLite(t)
	for pragma, want := range map[string]string{"journal_mode": "wal", "foreign_keys": "1", "synchronous": "2", "busy_timeout": "5000", "recursive_triggers": "1", "query_only": "0"} {
		var got string
		must(t, db.writer.QueryRow("PRAGMA "+pragma).Scan(&got))
		same(t, "writer's "+pragma, got, want)
	}
	_, err := db.reader.Exec(`INSERT INTO series (name, created) VALUES ('x', 1)`)
	is(t, "writing through a reader", db.explain(err), assay.ErrUnavailable)
}

// The documentation names every table.
func TestSchemaPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "schema.md"))
	must(t, err)
	for table := range valid {
		if !strings.Contains(string(page), "| `"+table+"` |") {
			t.Errorf("docs/schema.md has no line for table %s", table)
		}
	}
}
