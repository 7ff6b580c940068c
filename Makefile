# Everything a change must pass. Only -race wants a C compiler; the program is
# built without one.
GO ?= go
PACKAGES ?= ./...

.PHONY: test build vet runtime bench fuzz clean

test: vet build runtime
	@command -v $${CC:-cc} >/dev/null || { echo "make test: the race detector wants a C compiler; install gcc or clang, or run: go test ./..."; exit 1; }
	$(GO) test -race -timeout 20m $(PACKAGES)

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o assay ./cmd/assay

vet:
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt would change: $$unformatted"; exit 1; }
	$(GO) vet $(PACKAGES)

# ONNX Runtime, through the package manager that is configured here.
runtime: build
	./assay runtime install

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
