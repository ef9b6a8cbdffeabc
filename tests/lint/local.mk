# checks of the sources
#     LINT_TESTS += tests/lint/NAME.sh
