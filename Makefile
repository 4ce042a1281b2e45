# build: a static binary in ./bin     test: everything, then once more with the race detector
# lint:  format, linters, other systems     fuzz, bench: bounded by FUZZTIME and BENCHTIME

FUZZTIME  ?= 10s
BENCHTIME ?= 1s

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS := -s -w $(if $(VERSION),-X main.version=$(VERSION))

# Linters have a go.mod of their own: they bring hundreds of modules.
LINT := go tool -modfile=.tools/go.mod golangci-lint

.PHONY: build test lint fmt fuzz bench clean

build:
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/lastack ./cmd/lastack

# The first command compiles, on all cores. The second runs one package at a time:
# loads that run side by side falsify each other's latencies and counters.
# The race detector needs a C compiler; its pass leaves out what -short leaves out, and the
# packages whose tests start the program over and over: each of those ends with the race
# runtime's pause of a second, and what runs in them is raced in loadgen and server.
# Vet is lint's.
test:
	go test -vet=off -run '^$$' ./... >/dev/null
	go test -vet=off -p 1 ./...
	@if command -v "$$(go env CC)" >/dev/null; then \
		echo "CGO_ENABLED=1 go test -race -short"; \
		CGO_ENABLED=1 go test -vet=off -p 1 -race -short $$(go list ./... | grep -vE '/bench(/sandbox)?$$|/cmd/lastack$$'); \
	else \
		echo "no C compiler: without the race detector"; \
	fi

lint:
	$(LINT) run ./...
	CGO_ENABLED=0 GOOS=darwin go build ./...

fmt:
	$(LINT) fmt ./...

# go test fuzzes one target at a time.
fuzz:
	@set -e; for package in $$(go list ./...); do \
		for target in $$(go test -vet=off -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
			go test -vet=off -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

bench:
	go test -vet=off -p 1 -run '^$$' -bench . -benchtime $(BENCHTIME) -benchmem ./...

clean:
	rm -rf bin
