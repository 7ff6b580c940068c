package store

// Columns that several files have.
const (
	parquetIdentity = ` instrument:text version:int checkpoint:text preparation:text runtime:text synthetic:flag `
	sqlIdentity     = ` d.instrument, d.version, d.checkpoint, d.preparation, d.runtime, d.synthetic `
	parquetJudge    = ` judge:text api:text endpoint:text model:text family:text protocol:int `
	sqlJudge        = ` g.name, g.api, g.endpoint, g.model, g.family, g.protocol `
)

// parquetFiles is every kind of fact. Together the queries read every table.
var parquetFiles = []parquetFile{
	{"series", `series:text created:time`, `SELECT name, created FROM series ORDER BY id`},
	{"images", `series:text seq:int image:digest path:long prompt:long negative:long generator:text settings:long?
			parents:digests bytes:int format:text width:int height:int mode:text stored:time created:time`,
		`SELECT s.name, e.seq, i.id, e.path, e.prompt, e.negative, e.generator, e.settings, e.parents, i.bytes, i.format,
			i.width, i.height, i.mode, i.created, e.created
		FROM entry e JOIN series s ON s.id = e.series JOIN image i ON i.num = e.image ORDER BY e.series, e.seq`},
	{"readings", `image:digest ref:digest? text:digest?` + parquetIdentity + `value:real warnings:texts created:time`,
		`SELECT i.id, f.id, r.text,` + sqlIdentity + `, r.value, r.warnings, r.created
		FROM reading r JOIN image i ON i.num = r.image LEFT JOIN image f ON f.num = r.ref
		JOIN identity d ON d.id = r.identity ORDER BY r.id`},
	{"embeddings", `image:digest` + parquetIdentity + `vector:vector created:time`,
		`SELECT i.id,` + sqlIdentity + `, v.vector, v.created
		FROM embedding v JOIN image i ON i.num = v.image JOIN identity d ON d.id = v.identity ORDER BY v.id`},
	{"neighbours", `series:text seq:int` + parquetIdentity + `nearest:digest? value:real? created:time`,
		`SELECT s.name, n.seq,` + sqlIdentity + `, i.id, n.value, n.created
		FROM neighbour n JOIN series s ON s.id = n.series JOIN identity d ON d.id = n.identity
		LEFT JOIN image i ON i.num = n.nearest ORDER BY n.id`},
	{"controls", `series:text image:digest` + parquetIdentity + `transform:text value:real created:time`,
		`SELECT s.name, i.id,` + sqlIdentity + `, c.transform, c.value, c.created
		FROM control c JOIN series s ON s.id = c.series JOIN image i ON i.num = c.image
		JOIN identity d ON d.id = c.identity ORDER BY c.id`},
	{"thresholds", `id:int series:text gate:text` + parquetIdentity + `value:real fails:text mode:text source:text reason:text
			evidence:long? created:time`,
		`SELECT t.id, s.name, t.gate,` + sqlIdentity + `, t.value, t.fails, t.mode, t.source, t.reason, t.evidence, t.created
		FROM threshold t JOIN series s ON s.id = t.series JOIN identity d ON d.id = t.identity ORDER BY t.id`},
	{"axes", `grid:int series:text axis:int descriptor:text lo:real hi:real cells:int reason:text created:time`,
		`SELECT g.id, s.name, a.ord, a.descriptor, a.lo, a.hi, a.cells, g.reason, g.created
		FROM grid_axis a JOIN grid g ON g.id = a.grid JOIN series s ON s.id = g.series ORDER BY g.id, a.ord`},
	{"decisions", `series:text seq:int image:digest placement:text cell:text? incumbent:digest? gates:long basis:text created:time`,
		`SELECT s.name, d.seq, i.id, d.placement, d.cell, n.id, d.gates, d.basis, d.created
		FROM decision d JOIN series s ON s.id = d.series JOIN image i ON i.num = d.image
		LEFT JOIN image n ON n.num = d.incumbent ORDER BY d.id`},
	{"rounds", `round:int series:text rater:text pair:int left:digest right:digest kind:text? reason:text propensity:real created:time`,
		`SELECT r.id, s.name, r.rater, p.ord, a.id, b.id, p.kind, p.reason, p.propensity, r.created
		FROM round_pair p JOIN round r ON r.id = p.round JOIN series s ON s.id = r.series
		JOIN image a ON a.num = p.left_image JOIN image b ON b.num = p.right_image ORDER BY r.id, p.ord`},
	{"judgments", `id:int series:text round:int? rater:text source:text left:digest right:digest outcome:text grade:int
			propensity:real latency_ns:int created:time withdrawn:time?`,
		`SELECT j.id, s.name, j.round, j.rater, j.source, a.id, b.id, j.outcome, j.grade, j.propensity, j.latency, j.created, w.created
		FROM judgment j JOIN series s ON s.id = j.series JOIN image a ON a.num = j.left_image JOIN image b ON b.num = j.right_image
		LEFT JOIN withdrawal w ON w.judgment = j.id ORDER BY j.id`},
	{"marks", `id:int series:text image:digest rater:text kind:text round:int? created:time withdrawn:time?`,
		`SELECT m.id, s.name, i.id, m.rater, m.kind, m.round, m.created, w.created
		FROM mark m JOIN series s ON s.id = m.series JOIN image i ON i.num = m.image
		LEFT JOIN mark_withdrawal w ON w.mark = m.id ORDER BY m.id`},
	{"triplets", `id:int series:text rater:text first:digest second:digest third:digest propensity:real asked:time
			odd:int? latency_ns:int? answered:time?`,
		`SELECT t.id, s.name, t.rater, x.id, y.id, z.id, t.propensity, t.created, a.odd, a.latency, a.created
		FROM triplet t JOIN series s ON s.id = t.series JOIN image x ON x.num = t.first_image
		JOIN image y ON y.num = t.second_image JOIN image z ON z.num = t.third_image
		LEFT JOIN triplet_answer a ON a.triplet = t.id ORDER BY t.id`},
	{"rankings", `ranking:int series:text rater:text shown:int image:digest contested:flag propensity:real asked:time
			place:int? answered:time?`,
		`SELECT k.id, s.name, k.rater, m.ord, i.id, m.contested, m.propensity, k.created, p.place, a.created
		FROM ranking_image m JOIN ranking k ON k.id = m.ranking JOIN series s ON s.id = k.series JOIN image i ON i.num = m.image
		LEFT JOIN ranking_answer a ON a.ranking = k.id
		LEFT JOIN ranking_place p ON p.ranking = k.id AND p.image = m.image ORDER BY k.id, m.ord`},
	{"answers", `id:int series:text image:digest text:digest?` + parquetJudge + `question:text question_version:text dimension:text
			wording:text good:text kind:text scope:text needs:texts twin_of:text expect:text method:text p:real? low:real? high:real?
			coverage:real samples:int yes:int abstained:text repeat:int void:text created:time`,
		`SELECT w.id, s.name, i.id, w.text,` + sqlJudge + `, q.name, q.version, q.dimension, q.text, q.good, q.kind, q.scope, q.needs,
			q.twin_of, q.expect, w.method, w.p, w.low, w.high, w.coverage, w.samples, w.yes, w.abstained, w.repeat, w.void, w.created
		FROM answer w JOIN series s ON s.id = w.series JOIN image i ON i.num = w.image JOIN judge g ON g.id = w.judge
		JOIN question q ON q.id = w.question ORDER BY w.id`},
	{"comparisons", `id:int series:text` + parquetJudge + `a:digest b:digest criterion:text first_order:long second_order:long p:real
			margin:real outcome:text reason:text flags:texts judgment:int? created:time`,
		`SELECT c.id, s.name,` + sqlJudge + `, a.id, b.id, c.criterion, c.first_order, c.second_order, c.p, c.margin, c.outcome,
			c.reason, c.flags, c.judgment, c.created
		FROM comparison c JOIN series s ON s.id = c.series JOIN judge g ON g.id = c.judge
		JOIN image a ON a.num = c.a JOIN image b ON b.num = c.b ORDER BY c.id`},
	{"notes", `id:int series:text image:digest?` + parquetJudge + `kind:text body:long created:time`,
		`SELECT n.id, s.name, i.id,` + sqlJudge + `, n.kind, n.body, n.created
		FROM note n JOIN series s ON s.id = n.series JOIN judge g ON g.id = n.judge LEFT JOIN image i ON i.num = n.image ORDER BY n.id`},
	{"capabilities", parquetJudge + `body:long created:time`,
		`SELECT` + sqlJudge + `, c.body, c.created FROM capability c JOIN judge g ON g.id = c.judge ORDER BY c.id`},
	{"calls", `key:digest` + parquetJudge + `most_tokens:int most_cost:real begun:time reply:long? error:long? attempts:int? sent:int?
			received:int? cached:int? cost:real? latency_ns:int? ended:time?`,
		`SELECT c.key,` + sqlJudge + `, c.most_tokens, c.most_cost, c.begun, e.reply, e.error, e.attempts, e.sent, e.received, e.cached,
			e.cost, e.latency, e.ended
		FROM call c JOIN judge g ON g.id = c.judge LEFT JOIN call_end e ON e.call = c.id ORDER BY c.id`},
}
