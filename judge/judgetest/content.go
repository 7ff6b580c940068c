package judgetest

// Content is a judge that looks: it knows the truth and errs at a stated rate.
// Errors and log-odds are drawn by seed, question and picture (for pairs: by
// both names, whatever their order), so a repeated question meets the same error.
type Content struct {
	Yes      func(picture, question string) (yes, known bool) // truth of yes/no questions about the last picture; nil knows none
	Twins    map[string]string                                // text of a negated question → text of the question it negates: one error for both, answers opposite
	Quality  map[string]float64                               // of pictures by name: more is better
	Accuracy float64                                          // probability that the content log-odds have the right sign; 0 means 1
	Strength float64                                          // mean size of the content log-odds, which are uniform on [0.2, 1.8] times it; 0 means 3
	Slope    float64                                          // if not 0, pairs have content log-odds Slope·(difference of quality) + Noise·normal instead, and Accuracy is for yes/no only
	Noise    float64                                          // deviation of normal noise added to the log-odds of every call, drawn by Idempotency-Key (with Slope: by pair)
	Bias     float64                                          // added to the log-odds of the first picture
	YesBias  float64                                          // added to the log-odds of yes
	Equal    float64                                          // a pair whose content log-odds are smaller answers "equal" with probability 0.9; 0 never
	Controls float64                                          // accuracy on what [Controls] answer; 0 means 1
}

// ContentAware gives the rules of c: [Controls] first, then the truth. With both
// orders asked and their probabilities averaged, the preferred picture of a pair
// is the better one at exactly the rate Accuracy, whatever Bias: the average of
// σ(c+b) and σ(c−b) is above one half if and only if c > 0.
func ContentAware(c Content) []Rule { return nil }
