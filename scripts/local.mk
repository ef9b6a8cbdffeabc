# scripts: what the README and CI call
EXTRA_DIST += scripts/build
EXTRA_DIST += scripts/deps
EXTRA_DIST += scripts/run
EXTRA_DIST += scripts/test
