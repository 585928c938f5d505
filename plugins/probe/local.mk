# egress_probe: targets through chains of proxies, hop by hop.

noinst_HEADERS += \
	plugins/probe/chain_run.h \
	plugins/probe/curl_compat.h \
	plugins/probe/debounce.h \
	plugins/probe/engine.h \
	plugins/probe/expectation.h \
	plugins/probe/histogram.h \
	plugins/probe/outcome.h \
	plugins/probe/parts.h \
	plugins/probe/phases.h \
	plugins/probe/probe_chain.h \
	plugins/probe/probe_config.h \
	plugins/probe/probe_metrics.h \
	plugins/probe/probe_url.h \
	plugins/probe/proxy_answer.h \
	plugins/probe/report.h \
	plugins/probe/round.h \
	plugins/probe/schedule.h \
	plugins/probe/secret.h \
	plugins/probe/transfer.h \
	plugins/probe/verdict.h

# All but the daemon's edge: for the plugin and for the tests.
noinst_LTLIBRARIES += libegress-probe.la
libegress_probe_la_CFLAGS = $(AM_CFLAGS) $(LIBCURL_CFLAGS) $(OPENSSL_CFLAGS)
libegress_probe_la_LIBADD = $(LIBCURL_LIBS) $(OPENSSL_LIBS)
libegress_probe_la_SOURCES = \
	plugins/probe/chain_run.c \
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
	plugins/probe/report.c \
	plugins/probe/round.c \
	plugins/probe/schedule.c \
	plugins/probe/secret.c \
	plugins/probe/transfer.c \
	plugins/probe/transfer_options.c \
	plugins/probe/transfer_watch.c \
	plugins/probe/verdict.c \
	plugins/probe/verdict_say.c

plugin_LTLIBRARIES += egress_probe.la
egress_probe_la_CFLAGS = $(AM_CFLAGS) $(COLLECTD_CFLAGS) $(LIBCURL_CFLAGS)
egress_probe_la_LDFLAGS = $(LINK_PLUGIN)
egress_probe_la_LIBADD = libegress-probe.la libegress.la
egress_probe_la_SOURCES = plugins/probe/egress_probe.c
