# Every target installs what it misses first (scripts/setup.sh). `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo demo-tour test bench conformance fuzz fuzz-smoke fmt lint plugins setup

TARGET := $(or $(CARGO_TARGET_DIR),target)
PORTCULLIS := $(TARGET)/debug/portcullis
PLUGINS := $(wildcard plugins/*)
# Tests that `make conformance` runs on PostgreSQL 18 too.
ON_EVERY_SERVER := binary(it) and test(/^(cancel|copy|drivers|extended|masking|replication)::|pg_recvlogical/)
# Seconds of coverage-guided fuzzing for each target of `make fuzz`.
FUZZ_SECS ?= 60

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

setup: ## install what a demo needs
	@scripts/setup.sh demo

demo: setup plugins ## PostgreSQL, an issuer and the gateway, ready to play with
	@$(PORTCULLIS) demo

demo-tour: setup plugins ## the same, walking through every feature and then ending
	@$(PORTCULLIS) demo --tour

plugins: ## build the gateway and its first-party plugins
	@echo '==> building the gateway (the first time takes about ten minutes on two cores)'
	cargo build -p portcullis
	@echo '==> building the plugins'
	@$(PORTCULLIS) plugin build $(PLUGINS) --out $(TARGET)/plugins

fmt: ## format the code
	cargo fmt --all

lint: ## formatting and clippy, warnings are errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings

# The build comes before the plugins, which the gateway itself encodes. Every step names the whole
# workspace: one package alone has other features of the same dependencies, and so another build.
test: ## everything that CI runs
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory lint
	cargo build --workspace --all-targets
	@$(PORTCULLIS) plugin build $(PLUGINS) --out $(TARGET)/plugins
	cargo test --quiet --doc --workspace
	@$(PORTCULLIS) demo --tour
	cargo nextest run --workspace
	@$(TARGET)/debug/conformance core

# The load comes from pgbench, so only the gateway is optimised; the program that measures looks
# for the gateway beside itself.
bench: ## throughput beside a direct connection and PgBouncer, into target/bench/summary.json
	@scripts/setup.sh bench
	cargo build --release -p portcullis
	cargo build -p portcullis-tests --bin bench
	@$(TARGET)/release/portcullis plugin build $(PLUGINS) --out $(TARGET)/plugins
	@cp $(TARGET)/debug/bench $(TARGET)/release/bench
	@$(TARGET)/release/bench

conformance: ## PostgreSQL's own suites through the gateway, and PostgreSQL 18
	@scripts/setup.sh conformance
	cargo build --workspace --all-targets
	@$(PORTCULLIS) plugin build $(PLUGINS) --out $(TARGET)/plugins
	@$(TARGET)/debug/conformance
	EVASION_MODES=all cargo nextest run --workspace -E 'binary(evasion) and test(/mode_lets/)'
	scripts/with-postgres-18.sh cargo nextest run --workspace -E '$(ON_EVERY_SERVER)'

fuzz-smoke: ## the seeds and a few seconds of mutations, without coverage
	cargo nextest run -p portcullis-fuzz

fuzz: ## coverage-guided fuzzing of every target, FUZZ_SECS each
	@scripts/setup.sh demo
	@scripts/fuzz.sh $(FUZZ_SECS)
