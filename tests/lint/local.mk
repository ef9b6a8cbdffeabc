# checks of the sources
#     LINT_TESTS += tests/lint/NAME.py
EXTRA_DIST += tests/lint/lint.py
LINT_TESTS += tests/lint/test_docs.py
LINT_TESTS += tests/lint/test_globals.py
LINT_TESTS += tests/lint/test_headers.py
LINT_TESTS += tests/lint/test_layers.py
LINT_TESTS += tests/lint/test_sizes.py
LINT_TESTS += tests/lint/test_style.py
LINT_TESTS += tests/lint/test_planted.py
