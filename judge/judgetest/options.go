package judgetest

import "time"

// Options say what a [Server] answers and how. The zero Options serve every
// model, ask for no key, and answer nothing but probes.
type Options struct {
	Seed     uint64
	Model    string   // the one model served, others are 404; empty serves any name
	Key      string   // API key wanted, others are refused as each API does; empty takes any
	Rules    []Rule   // tried in order
	Faults   Faults   // what goes wrong
	LogProbs LogProbs // how probabilities are reported
	Drift    Drift    // how the judge changes with time
	Within   float64  // distance at which a picture still counts as a registered one, in levels of 255; 0 means 12
	Cache    bool     // report a prefix (system text and pictures) seen before as read from cache
}

// Faults are what goes wrong, each by itself. Shares are in [0,1] and drawn by
// seed and request, so that the same requests are hit in every run.
type Faults struct {
	Refuse   float64       // share of requests that the model declines; a paid reply
	RefuseAs string        // "field" (OpenAI's refusal field, Anthropic's stop reason, Google's block reason), "words" (an apology as text), "filter" (a content filter's finish reason); empty draws one of them
	Unsure   float64       // share of yes/no and better-of-two questions that are answered with "unsure" or "equal"
	Truncate float64       // share of replies cut off in the middle, with the finish reason of a length limit
	Garble   float64       // share of JSON replies that are no JSON, with a normal finish reason
	Fence    bool          // JSON replies are wrapped in a Markdown code fence
	Empty    float64       // share of replies without text, with a normal finish reason
	Delay    time.Duration // before every reply
	Jitter   time.Duration // added to Delay, from nothing to this, drawn by request

	Fail      float64 // share of requests whose first Times attempts fail with Status
	Times     int     // attempts that fail; 0 means 1
	Status    int     // of Fail; 0 means the API's own "overloaded": 503 (OpenAI, Google), 529 (Anthropic)
	InBody    bool    // errors but those of RateLimit come with status 200 and the error object as body, as some compatible servers do
	Drop      float64 // share of requests whose first reply is lost: the call is paid and the connection cut
	Down      bool    // every connection is cut without a reply
	NoQuota   bool    // every request fails for want of credit, which no waiting mends: 429 insufficient_quota, 400 "credit balance is too low", 429 with a day's quota
	RateLimit RateLimit

	NoLogProbs     bool // no probabilities: OpenAI's logprobs is null, Google's result is missing
	RejectLogProbs bool // a request for probabilities is an error 400
	Reasoning      bool // as a reasoning model: probabilities, temperature and max_tokens are errors 400; thinking tokens are paid and count against the limit
	NoSchema       bool // a request for a JSON Schema is an error 400
	IgnoreSchema   bool // a JSON Schema is accepted and not kept: the reply is prose
	OneImage       bool // a second picture is an error 400
	NoSeed         bool // a seed is an error 400
	NoIdempotency  bool // Idempotency-Key is ignored: a repeated request is paid again
}

// A RateLimit refuses requests with status 429. What is refused is not paid.
type RateLimit struct {
	Every    int           // every n-th request that arrives is refused; 0 refuses none so
	Requests int           // at most so many requests in each Window; 0 sets no such limit
	Window   time.Duration // 0 means a second
	Parallel int           // at most so many at once; 0 sets no such limit
	After    time.Duration // the wait that the reply asks for; 0 means what is left of the window, or 20 ms
	Headers  string        // "openai", "openai-ms" (retry-after-ms only), "anthropic", "retry-after" (seconds), "retry-date" (HTTP date), "google" (RetryInfo in the body), "none"; empty means the API's own
}

// LogProbs say how a server reports probabilities. The zero LogProbs spread each
// word over its usual variants ("Yes", "yes", " yes", "YES") and give 3 % to
// other words.
type LogProbs struct {
	Top      int     // most alternatives given, 0 means 20; a request for more is an error 400
	Other    float64 // probability of words that were not asked for ("The", "I", ...); 0 means 0.03, negative means none
	Bare     bool    // no variants: one token a word
	Lead     string  // a token in front of the answer: "\n", "\"", "**"
	Pieces   bool    // words of six letters and more come in two tokens
	Sentinel bool    // alternatives beyond the first are padded to the number asked for with logprob -9999 (OpenAI, vLLM)
	Omit     bool    // the least probable alternative has no probability at all (Google leaves out the field)
	Unlisted bool    // the chosen token is missing from the list of alternatives (Google, vLLM)
	NoBytes  bool    // OpenAI: bytes is null
	NoTokens bool    // OpenAI: the list of tokens is empty; Google: the result is missing, its average is not
}

// A Drift changes a judge from a paid call on.
type Drift struct {
	After int     // paid calls answered as before
	Logit float64 // then added to the log-odds of yes, and of the first picture
	Rules []Rule  // then tried before the others; nil keeps them
}

// most is how many alternatives a request may ask for.
func (l LogProbs) most() int {
	if l.Top == 0 {
		return 20
	}
	return l.Top
}
