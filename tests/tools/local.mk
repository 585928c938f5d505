# What the documents must agree with, printed by the code itself, and the test
# that they do.

noinst_PROGRAMS += \
	tests/tools/metric_tables \
	tests/tools/option_tables

TABLES_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins/nat \
	-I$(top_srcdir)/plugins/netlink -I$(top_srcdir)/plugins/probe
TABLES_LIBS = libegress-probe.la libegress-netlink.la libegress-nat.la libegress-core.la

tests_tools_metric_tables_SOURCES = tests/tools/metric_tables.c
tests_tools_metric_tables_CPPFLAGS = $(TABLES_CPPFLAGS)
tests_tools_metric_tables_LDADD = $(TABLES_LIBS)

tests_tools_option_tables_SOURCES = tests/tools/option_tables.c
tests_tools_option_tables_CPPFLAGS = $(TABLES_CPPFLAGS)
tests_tools_option_tables_LDADD = $(TABLES_LIBS)

# Prints the dashboards and the alert policies: PYTHONPATH=tests/tools python3 -m monitoring
EXTRA_DIST += tests/tools/monitoring

TEST_EXTENSIONS = .py
PY_LOG_COMPILER = /usr/bin/python3
TESTS += tests/unit/test_documents.py tests/unit/test_alerts.py \
	tests/unit/test_expressions.py
EXTRA_DIST += tests/unit/test_documents.py tests/unit/test_alerts.py \
	tests/unit/test_expressions.py tests/tools/dispatched.py \
	tests/tools/documents.py tests/tools/expressions.py \
	tests/tools/foreign.py tests/tools/promql.py tests/tools/tallied.py
