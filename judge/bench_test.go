package judge

import (
	"testing"
)

// BenchmarkChecklist is what the protocol costs beside the judge, for each call.
func BenchmarkChecklist(b *testing.B) {
	m, _ := model(canLogProbs, nil)
	m.Asker = silentAsker{}
	qs := manyQuestions(60)
	s := subject("a")
	calls := 0
	for b.Loop() {
		answers, err := Checklist(b.Context(), m, s, qs, Options{ControlRate: -1, RepeatRate: -1, Parallel: 64})
		if err != nil {
			b.Fatal(err)
		}
		calls += len(answers)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(calls), "ns/call")
}
