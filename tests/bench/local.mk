# `make bench`, or `make bench PART=sockets`: what the plugins' reads cost beside
# the tools that read the same. BENCH_FLAGS goes to the driver (see `tests/bench/bench
# --help`). Nothing here is built by a plain `make`.

EXTRA_DIST += \
	tests/bench/bench \
	tests/bench/prepare \
	tests/bench/egress_bench

EXTRA_PROGRAMS += \
	tests/bench/receive_discard \
	tests/bench/hold_sockets \
	tests/bench/fill_conntrack \
	tests/bench/parse_conntrack \
	tests/bench/handshake \
	tests/bench/make_closes \
	tests/bench/take_closes \
	tests/bench/feed_model \
	tests/bench/hold_destinations
EXTRA_LTLIBRARIES = tests/bench/bench_gate.la

BENCH_PRODUCTS = $(EXTRA_LTLIBRARIES) \
	tests/bench/receive_discard$(EXEEXT) \
	tests/bench/hold_sockets$(EXEEXT) \
	tests/bench/fill_conntrack$(EXEEXT) \
	tests/bench/parse_conntrack$(EXEEXT) \
	tests/bench/handshake$(EXEEXT) \
	tests/bench/make_closes$(EXEEXT) \
	tests/bench/take_closes$(EXEEXT) \
	tests/bench/feed_model$(EXEEXT) \
	tests/bench/hold_destinations$(EXEEXT)
CLEANFILES += $(BENCH_PRODUCTS) bench-sockets.json bench-conntrack.json bench-probe.json bench-nat.json

tests_bench_receive_discard_SOURCES = tests/bench/receive_discard.c
tests_bench_receive_discard_CFLAGS = $(AM_CFLAGS) $(LIBMNL_CFLAGS)
tests_bench_receive_discard_LDADD = $(LIBMNL_LIBS)

tests_bench_hold_sockets_SOURCES = tests/bench/hold_sockets.c

tests_bench_fill_conntrack_SOURCES = tests/bench/fill_conntrack.c
tests_bench_fill_conntrack_CFLAGS = $(AM_CFLAGS) $(LIBMNL_CFLAGS)
tests_bench_fill_conntrack_LDADD = $(LIBMNL_LIBS)

# A peer of the bench alone, so configure does not ask for it: `prepare` does.
tests_bench_parse_conntrack_SOURCES = tests/bench/parse_conntrack.c
tests_bench_parse_conntrack_CFLAGS = $(AM_CFLAGS) `$(PKG_CONFIG) --cflags libnetfilter_conntrack`
tests_bench_parse_conntrack_LDADD = -lnetfilter_conntrack

tests_bench_handshake_SOURCES = tests/bench/handshake.c
tests_bench_handshake_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS)
tests_bench_handshake_LDADD = $(OPENSSL_LIBS)

tests_bench_make_closes_SOURCES = tests/bench/make_closes.c
tests_bench_hold_destinations_SOURCES = tests/bench/hold_destinations.c

BENCH_NAT_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugins/nat
tests_bench_take_closes_SOURCES = tests/bench/take_closes.c
tests_bench_take_closes_CPPFLAGS = $(BENCH_NAT_CPPFLAGS)
tests_bench_take_closes_LDADD = libegress-nat.la libegress-core.la
tests_bench_feed_model_SOURCES = tests/bench/feed_model.c
tests_bench_feed_model_CPPFLAGS = $(BENCH_NAT_CPPFLAGS)
tests_bench_feed_model_LDADD = libegress-nat.la libegress-core.la

# -rpath makes it a module that can be loaded; it is never installed.
tests_bench_bench_gate_la_SOURCES = tests/bench/bench_gate.c
tests_bench_bench_gate_la_CFLAGS = $(AM_CFLAGS) $(COLLECTD_CFLAGS)
tests_bench_bench_gate_la_LDFLAGS = $(LINK_PLUGIN) -rpath $(abs_builddir)

.PHONY: bench
bench: all
	$(AM_V_at)PKG_CONFIG='$(PKG_CONFIG)' bash $(srcdir)/tests/bench/prepare
	$(AM_V_at)$(MAKE) $(AM_MAKEFLAGS) $(BENCH_PRODUCTS)
	$(AM_V_at)/usr/bin/python3 $(srcdir)/tests/bench/bench \
	  --build $(abs_builddir) $(BENCH_FLAGS) $(PART)
