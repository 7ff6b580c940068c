package vlm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/gen-emerge/assay"
)

// A Config says how one judge is reached: a row of judges.yaml.
type Config struct {
	Name    string // the user's; unique in the file
	API     string // wire format: "openai", "anthropic" or "google"
	BaseURL string // of the server; empty means the vendor's own
	Model   string // as the server calls it
	Family  string // of the model's makers; empty means what [Family] makes of Model

	// KeyEnv names the environment variable that holds the key, KeyFile a file
	// that does ("~/" is the home folder). At most one is set. Where both are
	// empty, a vendor's own server gets the key of the vendor's usual variable,
	// and any other server gets none.
	KeyEnv  string
	KeyFile string

	Price       Price         // per million tokens; zero if unknown
	Concurrency int           // requests at once; 0 leaves it to the caller
	Timeout     time.Duration // of one attempt; 0 means [DefaultTimeout]
	Limits      Limits        // of the pictures; zero fields mean those of [Encode]

	// Extra holds fields that are added to every request as they are, for what
	// one server knows and others do not ("reasoning_effort",
	// "chat_template_kwargs", ...). A judge that is asked with other extras is
	// another judge: they show in its endpoint.
	Extra map[string]any

	// Protocol becomes the judge's; see [assay.Judge]. It is not in the file.
	Protocol int
}

// DefaultTimeout is how long one attempt may take if the configuration does not
// say. Slow local servers need tens of seconds for a first picture.
const DefaultTimeout = 2 * time.Minute

// apis are the wire formats: where the vendor's own server is, which variables
// hold its key, and which fields of a request are assay's to fill in.
var apis = map[string]struct {
	url  string
	keys []string
	ours []string
}{
	"openai": {"https://api.openai.com/v1/", []string{"OPENAI_API_KEY"},
		[]string{"model", "messages", "stream", "n", "logprobs", "top_logprobs", "max_tokens", "max_completion_tokens", "temperature", "seed", "response_format"}},
	"anthropic": {"https://api.anthropic.com/", []string{"ANTHROPIC_API_KEY"},
		[]string{"model", "messages", "system", "stream", "max_tokens", "temperature", "tools", "tool_choice"}},
	"google": {"https://generativelanguage.googleapis.com/", []string{"GEMINI_API_KEY", "GOOGLE_API_KEY"},
		[]string{"model", "contents", "systemInstruction"}},
}

// A configRow is a Config as the file writes it.
type configRow struct {
	Name    string `yaml:"name"`
	API     string `yaml:"api"`
	URL     string `yaml:"url"`
	Model   string `yaml:"model"`
	Family  string `yaml:"family"`
	KeyEnv  string `yaml:"key-env"`
	KeyFile string `yaml:"key-file"`
	Price   struct {
		In     float64 `yaml:"in"`
		Cached float64 `yaml:"cached"`
		Out    float64 `yaml:"out"`
	} `yaml:"price"`
	Concurrency int    `yaml:"concurrency"`
	Timeout     string `yaml:"timeout"`
	Limits      struct {
		LongEdge int `yaml:"long-edge"`
		Bytes    int `yaml:"bytes"`
	} `yaml:"limits"`
	Extra map[string]any `yaml:"extra"`
}

// ReadConfigs reads the text of a judges.yaml: a list "judges" whose rows have
// the keys name, api, url, model, family, key-env, key-file, price (in, cached,
// out), concurrency, timeout ("60s"), limits (long-edge, bytes) and extra. Only
// name, api and model are needed.
//
// Errors wrap [assay.ErrInvalid] and name file, the row and the remedy: an
// unknown key, a missing or repeated name, an api that there is not, a URL that
// is none or holds credentials, a price or a limit below zero. A key written
// into the file is an error too, which never repeats it.
func ReadConfigs(file string, text []byte) ([]Config, error) {
	fail := func(format string, args ...any) ([]Config, error) {
		return nil, fmt.Errorf("%s: %s: %w", file, fmt.Sprintf(format, args...), assay.ErrInvalid)
	}
	if where := writtenKey(text); where != "" {
		return fail("%s is a secret written into the file: take it out, keep the key in the environment or in a file of its own, and name that with key-env or key-file", where)
	}
	var doc struct {
		Judges []configRow `yaml:"judges"`
	}
	dec := yaml.NewDecoder(bytes.NewReader(text), yaml.DisallowUnknownField())
	if err := dec.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		// Without the lines of the source: they may hold what must not be repeated.
		return fail("%s", redact(yaml.FormatError(err, false, false), ""))
	}
	var out []Config
	seen := map[string]bool{}
	for i, row := range doc.Judges {
		c, err := row.config()
		if err == nil && seen[c.Name] {
			err = errors.New("another judge has this name: names must differ")
		}
		if err != nil {
			return fail("judge %d (%q): %v", i+1, row.Name, err)
		}
		seen[c.Name] = true
		out = append(out, c)
	}
	return out, nil
}

// keyName matches a field of the names under which people write a key, with a
// value, at the start of a line or within braces.
var keyName = regexp.MustCompile(`(?i)(?:^|[\s{,\-])["']?((?:x-)?(?:(?:api|access|auth|secret)[-_ ]?)?(?:key|token|secret|password)|authorization|bearer)["']?\s*:\s*[^\s#]`)

// keyShape matches what vendors' keys look like, wherever one is written.
var keyShape = regexp.MustCompile(`\b(?:(?:sk|rk)-[A-Za-z0-9_\-]{8,}|AIza[A-Za-z0-9_\-]{20,}|hf_[A-Za-z0-9]{16,}|gsk_[A-Za-z0-9]{16,})`)

// writtenKey returns where in a YAML text a key is written, "" if nowhere. It
// reads lines, so that it also finds one in a file that does not parse.
func writtenKey(text []byte) string {
	for i, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		if m := keyName.FindStringSubmatch(line); m != nil {
			return fmt.Sprintf("line %d: %q", i+1, m[1])
		}
		if keyShape.MatchString(line) {
			return fmt.Sprintf("line %d: something that looks like a key", i+1)
		}
	}
	return ""
}

// config checks a row.
func (r configRow) config() (Config, error) {
	c := Config{
		Name: r.Name, API: r.API, BaseURL: r.URL, Model: r.Model, Family: r.Family, KeyEnv: r.KeyEnv, KeyFile: r.KeyFile,
		Price: Price{In: r.Price.In, Cached: r.Price.Cached, Out: r.Price.Out}, Concurrency: r.Concurrency,
		Limits: Limits{LongEdge: r.Limits.LongEdge, Bytes: r.Limits.Bytes}, Extra: r.Extra,
	}
	if r.Timeout != "" {
		d, err := time.ParseDuration(r.Timeout)
		if err != nil || d <= 0 {
			return c, fmt.Errorf("timeout %q: want a time such as 60s", r.Timeout)
		}
		c.Timeout = d
	}
	return c, c.check()
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// check holds c against what its fields may say. Its errors repeat no value
// that may be a key.
func (c Config) check() error {
	api, known := apis[c.API]
	switch {
	case c.Name == "":
		return errors.New("name is missing: give the judge one")
	case !known:
		return fmt.Errorf(`api %q: want openai (and every compatible server), anthropic or google`, c.API)
	case c.Model == "":
		return errors.New("model is missing: write it as the server calls it")
	case c.KeyEnv != "" && c.KeyFile != "":
		return errors.New("key-env and key-file are both set: keep one")
	case c.KeyEnv != "" && !envName.MatchString(c.KeyEnv):
		return errors.New("key-env is not the name of an environment variable; if it is the key itself, take it out of the file")
	case c.Concurrency < 0 || c.Timeout < 0 || c.Limits.LongEdge < 0 || c.Limits.Bytes < 0:
		return errors.New("concurrency, timeout and limits cannot be below zero")
	case !(c.Price.In >= 0 && c.Price.Cached >= 0 && c.Price.Out >= 0) || c.Price.In+c.Price.Cached+c.Price.Out > 1e9:
		return errors.New("price: want money per million tokens, from 0")
	}
	for name := range c.Extra {
		if slices.Contains(api.ours, name) {
			return fmt.Errorf("extra: %s is assay's to fill in: take it out", name)
		}
	}
	if _, err := json.Marshal(c.Extra); err != nil {
		return fmt.Errorf("extra: %v", err)
	}
	_, err := c.endpoint()
	return err
}

// endpoint returns the base URL as the SDK of c's wire format wants it, ending
// in a slash.
func (c Config) endpoint() (*url.URL, error) {
	text := c.BaseURL
	if text == "" {
		text = apis[c.API].url
	}
	u, err := url.Parse(text)
	switch {
	case err != nil: // err repeats the URL, which may hold a password
		return nil, errors.New("url cannot be parsed: want one such as http://localhost:8000/v1/")
	case u.User != nil || u.RawQuery != "":
		return nil, errors.New("url holds a user name, a password or a query: take it out and name the key with key-env or key-file")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, fmt.Errorf("url %q: want http:// or https:// and a host", redact(text, ""))
	}
	u.Fragment, u.RawPath = "", ""
	u.Path = strings.TrimRight(u.Path, "/") + "/"
	switch c.API {
	case "openai":
		if u.Path == "/" {
			u.Path = "/v1/"
		}
		u.Path = strings.TrimSuffix(u.Path, "chat/completions/")
	case "anthropic": // the SDK adds v1/messages itself
		u.Path = strings.TrimSuffix(strings.TrimSuffix(u.Path, "messages/"), "v1/")
	case "google": // the SDK adds v1beta itself
		u.Path = strings.TrimSuffix(u.Path, "v1beta/")
	}
	return u, nil
}

// key returns the key and says where it is from. Its errors wrap
// [assay.ErrUnavailable]: they can be mended without touching the configuration.
func (c Config) key(getenv func(string) string) (string, error) {
	var key, from string
	switch {
	case c.KeyEnv != "":
		key, from = getenv(c.KeyEnv), "the environment variable "+c.KeyEnv
		if strings.TrimSpace(key) == "" {
			return "", fmt.Errorf("judge %q: %s holds no key: set it, or change key-env: %w", c.Name, from, assay.ErrUnavailable)
		}
	case c.KeyFile != "":
		text, err := os.ReadFile(homePath(c.KeyFile))
		if err != nil {
			return "", fmt.Errorf("judge %q: key-file: %w: %w", c.Name, err, assay.ErrUnavailable)
		}
		key, from = string(text), "the file "+c.KeyFile
		if strings.TrimSpace(key) == "" {
			return "", fmt.Errorf("judge %q: %s holds no key: put one there, or change key-file: %w", c.Name, from, assay.ErrUnavailable)
		}
	case c.BaseURL == "":
		names := apis[c.API].keys
		for _, name := range names {
			if key == "" {
				key, from = getenv(name), "the environment variable "+name
			}
		}
		if strings.TrimSpace(key) == "" {
			return "", fmt.Errorf("judge %q: %s needs a key: set %s, or name another variable with key-env: %w",
				c.Name, apis[c.API].url, strings.Join(names, " or "), assay.ErrUnavailable)
		}
	}
	key = strings.TrimSpace(key)
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", fmt.Errorf("judge %q: %s holds more than a key (spaces, lines or signs that no key has): %w", c.Name, from, assay.ErrInvalid)
	}
	return key, nil
}

// homePath resolves a leading "~/".
func homePath(file string) string {
	rest, is := strings.CutPrefix(file, "~/")
	home, err := os.UserHomeDir()
	if !is || err != nil {
		return file
	}
	return filepath.Join(home, rest)
}
