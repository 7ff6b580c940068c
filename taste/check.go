package taste

// A Check is the trial of a reward on judgments that it had not seen. A decided
// pair is predicted by a model fitted without any judgment, by anybody, that
// shows one of its two images (or another of their group). What of the prior the
// rater's own judgments choose is chosen without these too. Losses are means of −ln P of what the person said, in nats; a coin loses
// ln 2 = 0.693.
type Check struct {
	N          int      `json:"n"`                    // decided pairs that were predicted
	LogLoss    *float64 `json:"log_loss,omitempty"`   // of the personal model; nil if nothing could be predicted
	Coin       float64  `json:"coin"`                 // ln 2
	Population *float64 `json:"population,omitempty"` // loss of the model of all others; nil if nobody else has judged
	Accuracy   *Share   `json:"accuracy,omitempty"`   // decided pairs whose better side the model foresaw
	// BeatsCoin and BeatsPopulation are the losses saved, in nats a pair, with
	// 95 % intervals whose clusters are the rounds. BeatsPopulation is nil if
	// nobody else has judged.
	BeatsCoin       *Gain  `json:"beats_coin,omitempty"`
	BeatsPopulation *Gain  `json:"beats_population,omitempty"`
	Accepted        bool   `json:"accepted"` // whether the reward may be used
	Reason          string `json:"reason"`   // a sentence for people: why it is refused, or what it is worth
}

// A Gain is a mean difference with its 95 % interval. Low and High are nil where
// there are too few clusters to tell.
type Gain struct {
	Mean float64  `json:"mean"`
	Low  *float64 `json:"low"`
	High *float64 `json:"high"`
}

// A Share is a proportion with its 95 % Wilson interval.
type Share struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	Of    int     `json:"of"`
}
