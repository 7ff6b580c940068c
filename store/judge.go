package store

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"

	"github.com/gen-emerge/assay"
)

// judgeColumns are the columns of a judge j, in the order of [judgeFields].
const judgeColumns = `j.name, j.api, j.endpoint, j.model, j.family, j.protocol`

func judgeFields(j *assay.Judge) []any {
	return []any{&j.Name, &j.API, &j.Endpoint, &j.Model, &j.Family, &j.Protocol}
}

const findJudge = `SELECT id FROM judge WHERE name = $1 AND api = $2 AND endpoint = $3 AND model = $4 AND family = $5 AND protocol = $6`

func judgeArgs(j assay.Judge) []any {
	return []any{j.Name, j.API, j.Endpoint, j.Model, j.Family, j.Protocol}
}

// checkJudge refuses judges that could not be told apart, and endpoints that
// carry a password: keys never reach the workspace.
func checkJudge(j assay.Judge) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf(format+": %w", append(args, assay.ErrInvalid)...)
	}
	switch {
	case j.Name == "":
		return bad("the judge has no name")
	case j.IsPerson() && j != assay.Judge{Name: j.Name}:
		return bad("judge %s has no API, so it is a person, and has a model or an endpoint", j.Name)
	case !j.IsPerson() && j.Model == "":
		return bad("judge %s has no model", j.Name)
	case j.Protocol < 0:
		return bad("judge %s: protocol %d is negative", j.Name, j.Protocol)
	}
	if u, err := url.Parse(j.Endpoint); err != nil || u.User != nil { // the address itself is not told: a password may be in it
		return bad("judge %s: the endpoint is no address without a name and a password in it", j.Name)
	}
	return nil
}

// judgeID returns the number of a judge, who is added if new.
func (t *tx) judgeID(j assay.Judge) (int64, error) {
	if id, ok := t.judges[j]; ok {
		return id, nil
	}
	if err := checkJudge(j); err != nil {
		return 0, err
	}
	id, err := t.number(findJudge, judgeArgs(j)...)
	if errors.Is(err, sql.ErrNoRows) {
		id, err = t.number(`INSERT INTO judge (name, api, endpoint, model, family, protocol)
			VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`, judgeArgs(j)...)
	}
	if err == nil {
		t.judges[j] = id
	}
	return id, err
}
