# Countersign. `make demo` and `make test` do everything on a fresh machine.
SHELL := /bin/bash
.DEFAULT_GOAL := help
SWIFT ?= swift
STRICT := --explicit-target-dependency-import-check error -Xswiftc -warnings-as-errors
RELEASE := .build/release/countersign
DEMO := .demo
# what the targets below leave under names that begin so: runs with one stack, and stacks within runs
RUNS := -interop -api-fuzz -load -crash -chaos -drills -fail-points -fail-points-tiles -batch -faults -reconcile
STACKS := -rekor2/stack -big-document/stack -interop2/stack -matrix/stamped/stack -matrix/plain/stack -matrix/real/stack \
    -rotation/v1/stack -rotation/v2/stack
# everything of the long chaos lies on tmpfs where there is one: a disk is not what it tests
CHAOS_LONG := $(if $(wildcard /dev/shm/.),/dev/shm/countersign-chaos,$(DEMO)-chaos)
CHAOS_LONG_DATABASE := $(if $(wildcard /dev/shm/.),TMPDIR=/dev/shm)
CONFORMANCE ?= ../shared/conformance
# tests at once: all of them at once starve each other's servers until their timeouts end, on a small or busy machine
TEST_WIDTH ?= 8

.PHONY: help
help: ## What each target does
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.PHONY: demo
demo: release ## Start everything on loopback, push samples, print what was signed, stop; exit 0 only if all verify
	@scripts/demo run $(DEMO)

.PHONY: demo-up
demo-up: release ## The same, left running; .demo/demo.env says where everything is
	@scripts/demo up $(DEMO)

.PHONY: demo-down
demo-down: ## Stop what demo-up started
	@scripts/stack down $(DEMO)

.PHONY: test
test: deps ## Every test, against a real PostgreSQL and docker-registry that the tests start themselves
	$(SWIFT) build --build-tests --disable-xctest $(STRICT)
	@set -o pipefail; SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=$(TEST_WIDTH) $(SWIFT) test --skip-build --disable-xctest \
	    $(STRICT) 2>&1 | tee .build/tests.log; result=$$?; scripts/skipped .build/tests.log; exit $$result

.PHONY: build
build: deps ## Debug build
	$(SWIFT) build $(STRICT)

.PHONY: release
release: deps ## Release build, Swift runtime linked in
	$(SWIFT) build -c release --static-swift-stdlib $(STRICT)

.PHONY: lint
lint: ## swift-format, findings as errors
	$(SWIFT) format lint -r --strict Package.swift Sources Tests Fuzz Benchmarks Examples

.PHONY: format
format: ## Format all Swift code
	$(SWIFT) format -i -r Package.swift Sources Tests Fuzz Benchmarks Examples

.PHONY: interop
interop: release ## Stock cosign, crane, rekor-cli, sigstore-go and sigstore-python judge all that we publish
	@scripts/interop $(DEMO)-interop
	@scripts/interop-rekor2 $(DEMO)-interop2
	@scripts/interop-matrix $(DEMO)-matrix

.PHONY: load
load: release ## 600 images at 20 a second, then 1,000 as fast as they go; latencies, CPU, memory, requests
	@scripts/load $(DEMO)-load

.PHONY: bench-verify
bench-verify: release ## 1,000 bundles over 50 certificates, at least 1,000 a second (500 with timestamps); beside sigstore-python
	@scripts/bench-verify

.PHONY: benchmarks
benchmarks: deps ## Builds the package that bench and bench-verify measure with
	@scripts/dependent Benchmarks

.PHONY: examples
examples: release ## README's examples of the libraries, built as another package, and run against a lab
	@scripts/examples

.PHONY: bench
bench: release ## Webhook, queue, push→signed, digests a second, CPU and WAL, beside cosign sign in the same run (JUDGE=1: held to the lines)
	@scripts/bench

.PHONY: soak
soak: release ## 40 minutes at half load: memory grows by less than 1 MiB an hour after the first ten, descriptors not at all
	@scripts/bench memory

.PHONY: drills
drills: release ## Lost answers of the log, a restore from an old dump, roles, a next version beside this one, PgBouncer, notifications
	@scripts/drills $(DEMO)-drills

.PHONY: crash
crash: release ## A burst with the daemon killed, PostgreSQL, lab and registry restarted; an independent check at the end
	@scripts/crash $(DEMO)-crash

.PHONY: batch
batch: release ## 10,000 tags over 6,000 digests: killed, cancelled, resumed; then in groups of 1,024 (TAGS=, DIGESTS=: fewer)
	@scripts/batch $(DEMO)-batch

.PHONY: chaos
chaos: release ## Three daemons killed, frozen and cut off while 2,000 images are pushed; an independent check of every signature
	@WITHIN=$${WITHIN:-600} scripts/chaos $(DEMO)-chaos

.PHONY: chaos-long
chaos-long: release ## The same for two hours and a half, in memory: 30,000 images, 1,000 kills, 100 restarts of PostgreSQL, a full disk
	@IMAGES=30000 KILLS=1000 RESTARTS=100 SECONDS=8500 FULL_DISK=$${FULL_DISK:-1} $(CHAOS_LONG_DATABASE) scripts/chaos $(CHAOS_LONG)

.PHONY: fail-points
fail-points: release ## A daemon dies, fails, stands still or loses an answer before and after every step: 1,280 cells, 148 of them over a Rekor v2, resumable; JOBS=3: three at once
	@failed=0; scripts/fail-points $(DEMO)-fail-points || failed=$$?; \
	LAB_LOG=2 scripts/fail-points $(DEMO)-fail-points-tiles || failed=$$?; exit $$failed

.PHONY: reconcile
reconcile: release ## Webhooks delivered 20 times, 2,000 images without any, 50 referrers deleted: one signature each, all of them, put back
	@scripts/reconcile $(DEMO)-reconcile

.PHONY: faults
faults: release ## Each dependency broken in turn: the job waits with a named error and is signed once the cause is gone
	@scripts/faults $(DEMO)-faults

.PHONY: fuzz
fuzz: deps ## Fuzz every parser of outside bytes, a minute each (SECONDS_EACH=600: ten)
	@scripts/fuzz

.PHONY: api-fuzz
api-fuzz: release ## schemathesis over the served OpenAPI document: no 5xx, no answer that is not as described
	@scripts/api-fuzz $(DEMO)-api-fuzz

.PHONY: sanitize
sanitize: deps ## The test suite under the address sanitizer, then under the thread sanitizer
	@scripts/sanitize address
	@scripts/sanitize prove
	@scripts/sanitize thread

.PHONY: tuf-conformance
tuf-conformance: release ## The TUF project's conformance suite against our client: SUITE=its checkout
	@scripts/tuf-conformance "$(SUITE)" .build/release/countersign

.PHONY: flips
flips: deps ## Every bit of signed images and of the trusted root changed, one at a time: all must be refused
	@scripts/flips

.PHONY: conformance
conformance: release ## The 140 offline cases of sigstore-conformance: CONFORMANCE=the folder of its data and runner
	@if [ -f "$(CONFORMANCE)/run.py" ]; then python3 "$(CONFORMANCE)/run.py" "$(RELEASE) conformance"; \
	else . scripts/not_run; not_run conformance "there is no $(CONFORMANCE)/run.py"; exit $$left_out; fi

.PHONY: rotation
rotation: release ## Every key of the instance and of its TUF repository is rotated under a running daemon
	@scripts/rotation $(DEMO)-rotation/v1
	@LAB_OPTIONS="--rekor v2 --checkpoint-interval 1" MATERIAL="rekor2 fulcio tsa" scripts/rotation $(DEMO)-rotation/v2

.PHONY: rekor2
rekor2: release ## 200 digests at once over Rekor v2: the lab's, then the real server, killed meanwhile
	@scripts/rekor2 $(DEMO)-rekor2

.PHONY: big-document
big-document: release ## A 40 MiB SBOM attached over Rekor v2 and v1; the daemon's memory stays below 250 MiB
	@scripts/big-document $(DEMO)-big-document

.PHONY: deps
deps: ## System packages for building, testing and the demo (apt; asks nothing)
	@scripts/install-dependencies

.PHONY: clean
clean: ## Stop demos, remove what they and the builds left
	@for d in $(DEMO) $(CHAOS_LONG) $(RUNS:%=$(DEMO)%) $(STACKS:%=$(DEMO)%); do scripts/stack down $$d; rm -rf $$d; done
	@for d in $(DEMO)-interop2 $(DEMO)-rekor2 $(DEMO)-matrix/real; do [ ! -d $$d/real ] || scripts/real-logs-run . $$d/real stop; done
	rm -rf $(DEMO)-interop2 $(DEMO)-matrix $(DEMO)-rekor2 $(DEMO)-big-document $(DEMO)-rotation .build .build-asan .build-tsan
