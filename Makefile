SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
GO_BUILD := CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)'
PROGRAMS := ./cmd/certrecall ./cmd/certrecall-dev
PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64

GOLANGCI_VERSION := v2.15.0
GOLANGCI := bin/golangci-lint-$(GOLANGCI_VERSION)
COMPOSE ?= docker compose

##@ Every day

.PHONY: help
help: ## show this list
	@awk 'BEGIN {FS = ":.*## "} \
	  /^##@ / {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: dev
dev: ## NATS, a simulated DigiCert, a worker, a gateway and the console in one process, with sample commands; state in .dev
	go run ./cmd/certrecall-dev --samples --store-dir .dev

.PHONY: test
test: ## all tests, with the race detector; the worker's own, which are long in fake time, without (make race)
	go test -race -timeout 15m $$(go list ./... | grep -v '^certrecall/worker$$')
	go test -timeout 20m ./worker

.PHONY: race
race: ## the worker's own tests with the race detector: a quarter of an hour and more
	go test -race -timeout 60m ./worker

.PHONY: check
check: lint test fix fmt tidy generated rules kubernetes ## all that CI wants to see

.PHONY: build
build: ## bin/certrecall and bin/certrecall-dev, static, version stamped
	@mkdir -p bin
	$(GO_BUILD) -o bin/ $(PROGRAMS)

##@ The single checks

.PHONY: lint
lint: $(GOLANGCI) ## golangci-lint with .golangci.yml
	$(GOLANGCI) run ./...

$(GOLANGCI):
	GOBIN='$(CURDIR)/bin' go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv bin/golangci-lint $@

.PHONY: fix
fix: ## what go fix would modernize (changes nothing)
	go fix -diff ./...

.PHONY: fmt
fmt: ## files that gofmt would change (changes nothing)
	@unformatted=$$(gofmt -l .); \
	  if [ -n "$$unformatted" ]; then echo "not gofmt-ed:"; echo "$$unformatted"; exit 1; fi

.PHONY: tidy
tidy: ## what go mod tidy would change (changes nothing)
	go mod tidy -diff
	cd deploy/kubernetes/check && go mod tidy -diff

.PHONY: generated
generated: ## run go generate; fail if it changed a file
	@state() { { git ls-files -co --exclude-standard -z | xargs -0 -r sha256sum 2>/dev/null || true; } | sha256sum; }; \
	  before=$$(state); go generate ./...; \
	  if [ "$$before" != "$$(state)" ]; then echo "generated files were out of date; they are renewed now:"; git status --short; exit 1; fi

.PHONY: rules
rules: ## Prometheus rules and their tests (needs promtool: apt-get install prometheus)
	@command -v promtool >/dev/null || { echo "promtool is not on the PATH (Debian: apt-get install prometheus)"; exit 1; }
	cd deploy/prometheus && promtool check rules certrecall.rules.yml && promtool test rules certrecall.rules_test.yml

.PHONY: kubernetes
kubernetes: ## the Kubernetes manifests, decoded strictly
	cd deploy/kubernetes/check && go test -count=1 ./... # uncached: the manifests lie outside the module

##@ Longer looks

FUZZTIME ?= 30s
.PHONY: fuzz
fuzz: ## every fuzz test for FUZZTIME (30s)
	@for file in $$(git grep -l '^func Fuzz' -- '*_test.go'); do \
	  for name in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$file"); do \
	    echo "== $$(dirname "$$file") $$name"; \
	    go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) "./$$(dirname "$$file")"; \
	  done; done

SOAK_DURATION ?= 5m
SOAK_SEED ?=
.PHONY: soak
soak: ## real processes killed and frozen under load for SOAK_DURATION (5m); SOAK_SEED repeats a run
	@mkdir -p artifacts
	SOAK_DURATION=$(SOAK_DURATION) SOAK_SEED=$(SOAK_SEED) SOAK_ARTIFACTS='$(CURDIR)/artifacts' \
	  go test -race -count=1 -v -timeout 6h -run '^TestSoak$$' ./cmd/certrecall

.PHONY: screens
screens: ## pictures of every page of the console, wide and narrow, light and dark, in artifacts/screens (needs chromium)
	@mkdir -p artifacts/screens
	CONSOLE_SCREENSHOTS='$(CURDIR)/artifacts/screens' go test -count=1 -run 'TestPagesInABrowser' ./worker/console

.PHONY: proofs
proofs: ## what real processes must withstand, with figures: kills, outages, limits, a cluster (needs node and npm for one)
	@mkdir -p artifacts
	CERTRECALL_PROOFS=1 SOAK_ARTIFACTS='$(CURDIR)/artifacts' go test -race -count=1 -v -timeout 30m -run '^TestProof' ./cmd/certrecall

.PHONY: bench
bench: build ## the benchmark table, then the Go benchmarks of the parts (benchstat reads them)
	bin/certrecall-dev bench
	go test -run '^$$' -bench . -benchmem ./...

##@ Containers and releases

.PHONY: image
image: ## the images certrecall and certrecall-dev
	docker build -f deploy/Dockerfile --build-arg VERSION=$(VERSION) --target certrecall-dev -t certrecall-dev:latest .
	docker build -f deploy/Dockerfile --build-arg VERSION=$(VERSION) -t certrecall:latest -t certrecall:$(VERSION) .

.PHONY: demo-env
demo-env: ## random passwords for docker-compose.yml, in .env (ignored by git)
	deploy/demo-env.sh

.PHONY: demo
demo: ## beside a running `docker compose up`: submit commands and watch them to the end
	COMPOSE='$(COMPOSE)' deploy/demo.sh

.PHONY: examples
examples: ## the example producers and consumers, run against certrecall-dev (needs node and npm)
	deploy/examples/run.sh

.PHONY: notices
notices: ## dist/THIRD-PARTY-NOTICES.txt: the licence of every module that is linked
	@mkdir -p dist
	deploy/notices.sh $(PROGRAMS) >dist/THIRD-PARTY-NOTICES.txt

.PHONY: release
release: ## tarballs for each platform and SHA256SUMS, in dist/
	@rm -rf dist; mkdir -p dist; deploy/notices.sh $(PROGRAMS) >dist/THIRD-PARTY-NOTICES.txt; epoch=$$(git log -1 --format=%ct); \
	for platform in $(PLATFORMS); do \
	  os=$${platform%/*} arch=$${platform#*/} name=certrecall_$(VERSION)_$${platform%/*}_$${platform#*/}; \
	  echo "$$name"; mkdir "dist/$$name"; \
	  GOOS=$$os GOARCH=$$arch $(GO_BUILD) -o "dist/$$name/" $(PROGRAMS); \
	  cp README.md CHANGELOG.md SECURITY.md dist/THIRD-PARTY-NOTICES.txt "dist/$$name/"; \
	  tar -C dist --sort=name --owner=0 --group=0 --numeric-owner --mtime=@$$epoch -cf - "$$name" | gzip -9n >"dist/$$name.tar.gz"; \
	  rm -r "dist/$$name"; \
	done; \
	cd dist && sha256sum *.tar.gz >SHA256SUMS && cat SHA256SUMS

.PHONY: clean
clean: ## bin/, dist/ and the store of `make dev`
	rm -rf bin dist .dev
