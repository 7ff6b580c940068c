package judge

import "github.com/gen-emerge/assay"

// A PanelResult is what several judges say of one pair together.
type PanelResult struct {
	A, B      assay.Digest
	P         float64  // of A being better, in [0,1]; 0.5 if no judge answered
	LogOdds   float64  // mean over judges
	Spread    float64  // standard deviation of the judges' log-odds; 0 for one judge
	Judges    int      // that answered
	Effective float64  // n/(1+(n-1)rho): as many independent judges as these are worth
	LeftOut   []string // whom, and why
}

// Panel combines the comparisons of one pair by several judges. Reference are
// comparisons of other pairs by the same judges, on which their log-odds are
// standardised.
func Panel(cs []assay.Comparison, rho float64, reference ...assay.Comparison) PanelResult {
	return PanelResult{}
}
