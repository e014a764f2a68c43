# On a fresh Debian with only git and make, `make demo` and `make test` install what is missing, build and run.
.DEFAULT_GOAL := help
.PHONY: help demo build image lab test test-lab bench debug lint format fuzz clean deps deps-test deps-bench deps-dev
MAKEFLAGS += --no-print-directory
export CTEST_PARALLEL_LEVEL ?= 2
export CMAKE_BUILD_PARALLEL_LEVEL ?= $(shell nproc)

help: ## this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 18

demo: build ## build, then show the fault and how it is told (ARGS=--once: end by itself)
	@echo "==> build/release/telltale demo $(ARGS)"
	@build/release/telltale demo $(ARGS)

build: deps ## build the program: build/release/telltale
	@.ci/step "configuring (release)" configure-release cmake --preset release
	@.ci/step "building telltale (release); a first build takes some minutes" build-telltale \
		cmake --build --preset release --target telltale
	@echo "    built build/release/telltale"

image: ## build the container image telltale:dev (needs a running Docker engine)
	@.ci/image telltale:dev

lab: image ## build the images and start the compose lab: deploy/compose/README.md
	@.ci/lab-image telltale-lab:dev
	@deploy/compose/lab up

test: deps-test ## build all, run every test, then the unit and component tests under ASan and UBSan
	@.ci/test

test-lab: deps-test ## build the image, run it and the compose lab with a real engine (starts one where none runs)
	@.ci/test-lab $(ARGS)

bench: deps-bench ## measure beside HAProxy, nginx and others, an hour (ARGS=quick: 5 minutes; ARGS=--help)
	@.ci/step "configuring (release)" configure-release cmake --preset release
	@.ci/step "building what is measured" build-bench cmake --build --preset release \
		--target telltale floor bench_load count_allocations micro_bench
	@bench/run.sh $(ARGS)

debug: deps-test ## build all with assertions and warnings as errors: build/debug
	@.ci/step "configuring (debug)" configure-debug cmake --preset debug
	@.ci/step "building (debug)" build-debug cmake --build --preset debug

fuzz: deps-test deps-dev ## build the fuzz targets with clang: build/fuzz
	@.ci/step "configuring (fuzz)" configure-fuzz cmake --preset fuzz
	@.ci/step "building (fuzz)" build-fuzz cmake --build --preset fuzz

lint: deps-test deps-dev ## formatting and clang-tidy
	@.ci/lint

format: deps-dev ## reformat the sources
	@git ls-files '*.h' '*.cpp' | xargs $$(command -v clang-format-14 || echo clang-format) -i

clean: ## remove everything built
	@.ci/engine stop build/lab
	@rm -rf build

deps:
	@.ci/install .ci/packages.txt
deps-test:
	@.ci/install .ci/packages.txt $(wildcard tests/e2e/packages.txt)
deps-bench:
	@.ci/install .ci/packages.txt bench/packages.txt
deps-dev:
	@.ci/install .ci/packages-dev.txt
