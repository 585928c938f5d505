# egress_probe: targets through chains of proxies, hop by hop.

noinst_HEADERS += \
	plugins/probe/asn1_time.h \
	plugins/probe/budget.h \
	plugins/probe/chain_run.h \
	plugins/probe/deadlines.h \
	plugins/probe/debounce.h \
	plugins/probe/egress_probe_tell.h \
	plugins/probe/engine.h \
	plugins/probe/expectation.h \
	plugins/probe/histogram.h \
	plugins/probe/outcome.h \
	plugins/probe/parts.h \
	plugins/probe/phases.h \
	plugins/probe/poll_token.h \
	plugins/probe/probe_chain.h \
	plugins/probe/probe_config.h \
	plugins/probe/probe_metrics.h \
	plugins/probe/probe_url.h \
	plugins/probe/proxy_answer.h \
	plugins/probe/regular_file.h \
	plugins/probe/relay.h \
	plugins/probe/report.h \
	plugins/probe/round.h \
	plugins/probe/schedule.h \
	plugins/probe/secret.h \
	plugins/probe/socket_pair.h \
	plugins/probe/tls_files.h \
	plugins/probe/transfer.h \
	plugins/probe/trust.h \
	plugins/probe/verdict.h \
	plugins/probe/verified.h

# All but the daemon's edge: for the plugin and for the tests.
noinst_LTLIBRARIES += libegress-probe.la
libegress_probe_la_CFLAGS = $(AM_CFLAGS) $(LIBCURL_CFLAGS) $(OPENSSL_CFLAGS) \
	$(PCRE2_CFLAGS)
libegress_probe_la_LIBADD = $(LIBCURL_LIBS) $(OPENSSL_LIBS) $(PCRE2_LIBS)
libegress_probe_la_SOURCES = \
	plugins/probe/budget.c \
	plugins/probe/chain_run.c \
	plugins/probe/deadlines.c \
	plugins/probe/debounce.c \
	plugins/probe/engine.c \
	plugins/probe/expectation.c \
	plugins/probe/histogram.c \
	plugins/probe/outcome.c \
	plugins/probe/parts.c \
	plugins/probe/phases.c \
	plugins/probe/probe_chain.c \
	plugins/probe/probe_config.c \
	plugins/probe/probe_hop.c \
	plugins/probe/probe_metrics.c \
	plugins/probe/probe_option.c \
	plugins/probe/probe_target.c \
	plugins/probe/probe_url.c \
	plugins/probe/proxy_answer.c \
	plugins/probe/regular_file.c \
	plugins/probe/relay.c \
	plugins/probe/report.c \
	plugins/probe/round.c \
	plugins/probe/schedule.c \
	plugins/probe/secret.c \
	plugins/probe/socket_pair.c \
	plugins/probe/tls_files.c \
	plugins/probe/transfer.c \
	plugins/probe/transfer_limits.c \
	plugins/probe/transfer_options.c \
	plugins/probe/transfer_tls.c \
	plugins/probe/transfer_watch.c \
	plugins/probe/trust.c \
	plugins/probe/verdict.c \
	plugins/probe/verdict_say.c \
	plugins/probe/verified.c

plugin_LTLIBRARIES += egress_probe.la
egress_probe_la_CFLAGS = $(AM_CFLAGS) $(COLLECTD_CFLAGS) $(LIBCURL_CFLAGS)
egress_probe_la_LDFLAGS = $(LINK_PLUGIN)
egress_probe_la_LIBADD = libegress-probe.la libegress.la
egress_probe_la_SOURCES = \
	plugins/probe/egress_probe.c \
	plugins/probe/egress_probe_tell.c

# Servers on the loopback interface: one that misbehaves as it is told, and one that
# does its work with TLS, CONNECT and SOCKS.
noinst_HEADERS += tests/unit/local_server.h tests/unit/peer.h tests/unit/throwaway.h \
	tests/unit/probe_bench.h
check_LTLIBRARIES += liblocal-server.la libpeer.la
liblocal_server_la_SOURCES = tests/unit/local_server.c
libpeer_la_SOURCES = tests/unit/peer.c tests/unit/throwaway.c
libpeer_la_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS)
libpeer_la_LIBADD = $(OPENSSL_LIBS)

if HAVE_CMOCKA
check_PROGRAMS += \
	tests/unit/test_probe_absence \
	tests/unit/test_probe_chain_run \
	tests/unit/test_probe_config \
	tests/unit/test_probe_deadlines \
	tests/unit/test_probe_limits \
	tests/unit/test_probe_memory \
	tests/unit/test_probe_engine \
	tests/unit/test_probe_nested \
	tests/unit/test_probe_outcome \
	tests/unit/test_probe_phases \
	tests/unit/test_probe_report \
	tests/unit/test_probe_round \
	tests/unit/test_probe_schedule \
	tests/unit/test_probe_tls \
	tests/unit/test_probe_verified \
	tests/unit/test_verdict
endif

PROBE_UNIT_CFLAGS = $(UNIT_CFLAGS) -I$(top_srcdir)/plugins/probe $(LIBCURL_CFLAGS)
PROBE_UNIT_LIBS = libegress-probe.la liboption-tree.la $(UNIT_LIBS)

# It brings waits and connects of its own.
tests_unit_test_probe_absence_SOURCES = tests/unit/test_probe_absence.c tests/unit/probe_bench.c
tests_unit_test_probe_absence_CFLAGS = $(PROBE_UNIT_CFLAGS)
tests_unit_test_probe_absence_LDADD = liblocal-server.la $(PROBE_UNIT_LIBS) $(LIBCURL_LIBS)

tests_unit_test_probe_chain_run_SOURCES = tests/unit/test_probe_chain_run.c
tests_unit_test_probe_chain_run_CFLAGS = $(PROBE_UNIT_CFLAGS)
tests_unit_test_probe_chain_run_LDADD = $(PROBE_UNIT_LIBS)

tests_unit_test_probe_config_SOURCES = tests/unit/test_probe_config.c
tests_unit_test_probe_config_CFLAGS = $(PROBE_UNIT_CFLAGS)
tests_unit_test_probe_config_LDADD = $(PROBE_UNIT_LIBS)

tests_unit_test_probe_deadlines_SOURCES = tests/unit/test_probe_deadlines.c
tests_unit_test_probe_deadlines_CFLAGS = $(PROBE_UNIT_CFLAGS)
tests_unit_test_probe_deadlines_LDADD = $(PROBE_UNIT_LIBS)

tests_unit_test_probe_engine_SOURCES = tests/unit/test_probe_engine.c tests/unit/probe_bench.c
tests_unit_test_probe_engine_CFLAGS = $(PROBE_UNIT_CFLAGS)
tests_unit_test_probe_engine_LDADD = liblocal-server.la $(PROBE_UNIT_LIBS) $(LIBCURL_LIBS)

# It brings a getaddrinfo of its own.
tests_unit_test_probe_limits_SOURCES = tests/unit/test_probe_limits.c tests/unit/probe_bench.c
tests_unit_test_probe_limits_CFLAGS = $(PROBE_UNIT_CFLAGS)
tests_unit_test_probe_limits_LDADD = liblocal-server.la $(PROBE_UNIT_LIBS) $(LIBCURL_LIBS)

# Each allocation fails in turn.
WRAP_ALLOCATIONS = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup \
	-Wl,--wrap=strndup,--wrap=curl_easy_init,--wrap=curl_multi_init \
	-Wl,--wrap=curl_share_init,--wrap=curl_slist_append
tests_unit_test_probe_memory_SOURCES = tests/unit/test_probe_memory.c tests/unit/probe_bench.c
tests_unit_test_probe_memory_CFLAGS = $(PROBE_UNIT_CFLAGS)
tests_unit_test_probe_memory_LDFLAGS = $(AM_LDFLAGS) $(WRAP_ALLOCATIONS)
tests_unit_test_probe_memory_LDADD = liblocal-server.la $(PROBE_UNIT_LIBS) $(LIBCURL_LIBS)

tests_unit_test_probe_nested_SOURCES = tests/unit/test_probe_nested.c tests/unit/probe_bench.c
tests_unit_test_probe_nested_CFLAGS = $(PROBE_UNIT_CFLAGS) $(OPENSSL_CFLAGS)
tests_unit_test_probe_nested_LDADD = libpeer.la $(PROBE_UNIT_LIBS) $(LIBCURL_LIBS) $(OPENSSL_LIBS)

tests_unit_test_probe_outcome_SOURCES = tests/unit/test_probe_outcome.c
tests_unit_test_probe_outcome_CFLAGS = $(PROBE_UNIT_CFLAGS)
tests_unit_test_probe_outcome_LDADD = $(PROBE_UNIT_LIBS)

tests_unit_test_probe_phases_SOURCES = tests/unit/test_probe_phases.c
tests_unit_test_probe_phases_CFLAGS = $(PROBE_UNIT_CFLAGS)
tests_unit_test_probe_phases_LDADD = $(PROBE_UNIT_LIBS)

tests_unit_test_probe_report_SOURCES = tests/unit/test_probe_report.c
tests_unit_test_probe_report_CFLAGS = $(PROBE_UNIT_CFLAGS)
tests_unit_test_probe_report_LDADD = $(PROBE_UNIT_LIBS)

tests_unit_test_probe_round_SOURCES = tests/unit/test_probe_round.c
tests_unit_test_probe_round_CFLAGS = $(PROBE_UNIT_CFLAGS)
tests_unit_test_probe_round_LDADD = $(PROBE_UNIT_LIBS)

tests_unit_test_probe_schedule_SOURCES = tests/unit/test_probe_schedule.c
tests_unit_test_probe_schedule_CFLAGS = $(PROBE_UNIT_CFLAGS)
tests_unit_test_probe_schedule_LDADD = $(PROBE_UNIT_LIBS)

tests_unit_test_probe_verified_SOURCES = tests/unit/test_probe_verified.c
tests_unit_test_probe_verified_CFLAGS = $(PROBE_UNIT_CFLAGS) $(OPENSSL_CFLAGS)
tests_unit_test_probe_verified_LDADD = libpeer.la $(PROBE_UNIT_LIBS) $(OPENSSL_LIBS)

tests_unit_test_probe_tls_SOURCES = tests/unit/test_probe_tls.c tests/unit/probe_bench.c
tests_unit_test_probe_tls_CFLAGS = $(PROBE_UNIT_CFLAGS) $(OPENSSL_CFLAGS)
tests_unit_test_probe_tls_LDADD = libpeer.la $(PROBE_UNIT_LIBS) $(LIBCURL_LIBS) $(OPENSSL_LIBS)

tests_unit_test_verdict_SOURCES = tests/unit/test_verdict.c
tests_unit_test_verdict_CFLAGS = $(PROBE_UNIT_CFLAGS)
tests_unit_test_verdict_LDADD = $(PROBE_UNIT_LIBS)
