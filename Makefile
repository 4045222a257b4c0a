# The short way to everything. The build itself is CMake; see CMakePresets.json.

.PHONY: run build test bench format tidy fuzz trainer model clean help
.DEFAULT_GOAL := build

PORT ?= 8080
FUZZ_SECONDS ?= 60

build:  ## the program, build/mimo
	@scripts/install_packages.sh build
	@scripts/build.sh release -DMIMO_TESTS=OFF -- mimo

run: build  ## the server on http://127.0.0.1:8080 with a demonstration model
	@scripts/run_server.sh $(PORT)

test:  ## everything that must hold, about twenty minutes on two cores
	@scripts/install_packages.sh build check trainer
	@scripts/run_tests.sh

bench:  ## benchmarks of single operations
	@scripts/install_packages.sh build check
	@scripts/build.sh release -DMIMO_TESTS=ON -- benches
	@for program in build/*_bench; do "$$program" || exit 1; done

format:  ## clang-format over our C++ files
	@scripts/install_packages.sh check
	@find src apps tests \( -name '*.cc' -o -name '*.h' \) -print0 | xargs -0 clang-format -i

tidy:  ## clang-tidy over our C++ files, and the tests about the tree itself
	@scripts/install_packages.sh build check
	@scripts/build.sh release -DMIMO_TESTS=ON
	@scripts/run_clang_tidy.sh build
	@python3 -m unittest discover -s tests/tidy -p '*_test.py'

fuzz:  ## each fuzz target for FUZZ_SECONDS (60), starting from its committed corpus
	@scripts/install_packages.sh build check
	@scripts/run_fuzzers.sh $(FUZZ_SECONDS)

trainer:  ## the program that makes models, build/mimo-train; needs libtorch
	@scripts/install_packages.sh build trainer
	@scripts/build.sh release -DMIMO_TESTS=OFF -DMIMO_TRAINER=ON -- mimo-train

model:  ## assets/default-model.gguf again, from nothing; about two hours on two cores
	@scripts/install_packages.sh build trainer
	@scripts/build.sh release -DMIMO_TESTS=OFF -DMIMO_TRAINER=ON -- mimo mimo-train
	@scripts/train_home_model.sh build/home-model

clean:  ## removes every build folder
	@rm -rf build build-*

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile
