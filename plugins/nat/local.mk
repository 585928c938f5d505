# egress_nat: NAT ports held, by destination.

noinst_HEADERS += \
	plugins/nat/close_event.h \
	plugins/nat/close_events.h \
	plugins/nat/nat_config.h \
	plugins/nat/nat_conntrack.h \
	plugins/nat/nat_engine.h \
	plugins/nat/nat_engine_state.h \
	plugins/nat/nat_forecast.h \
	plugins/nat/nat_gone.h \
	plugins/nat/nat_held.h \
	plugins/nat/nat_host.h \
	plugins/nat/nat_merge.h \
	plugins/nat/nat_metrics.h \
	plugins/nat/nat_model.h \
	plugins/nat/nat_model_state.h \
	plugins/nat/nat_networks.h \
	plugins/nat/nat_ranges_file.h \
	plugins/nat/nat_reader.h \
	plugins/nat/nat_ring.h \
	plugins/nat/nat_rows.h \
	plugins/nat/nat_source.h \
	plugins/nat/nat_table.h \
	plugins/nat/nat_tags.h \
	plugins/nat/nat_top.h \
	plugins/nat/nat_track.h \
	plugins/nat/nat_tracked.h \
	plugins/nat/nat_traffic.h \
	plugins/nat/nat_values.h

# What needs no daemon, for the plugin and for the tests.
noinst_LTLIBRARIES += libegress-nat.la
libegress_nat_la_CFLAGS = $(AM_CFLAGS) $(LIBMNL_CFLAGS) $(YAJL_CFLAGS)
libegress_nat_la_LIBADD = $(LIBMNL_LIBS) $(YAJL_LIBS) -lm
libegress_nat_la_SOURCES = \
	plugins/nat/close_event.c \
	plugins/nat/close_events.c \
	plugins/nat/nat_config.c \
	plugins/nat/nat_conntrack.c \
	plugins/nat/nat_engine.c \
	plugins/nat/nat_engine_closes.c \
	plugins/nat/nat_estimate.c \
	plugins/nat/nat_forecast.c \
	plugins/nat/nat_gone.c \
	plugins/nat/nat_held.c \
	plugins/nat/nat_host.c \
	plugins/nat/nat_merge.c \
	plugins/nat/nat_metrics.c \
	plugins/nat/nat_model.c \
	plugins/nat/nat_networks.c \
	plugins/nat/nat_ranges_file.c \
	plugins/nat/nat_reader.c \
	plugins/nat/nat_report.c \
	plugins/nat/nat_ring.c \
	plugins/nat/nat_rows.c \
	plugins/nat/nat_source.c \
	plugins/nat/nat_table.c \
	plugins/nat/nat_tags.c \
	plugins/nat/nat_top.c \
	plugins/nat/nat_track.c \
	plugins/nat/nat_tracked.c \
	plugins/nat/nat_traffic.c \
	plugins/nat/nat_values.c

plugin_LTLIBRARIES += egress_nat.la
egress_nat_la_CFLAGS = $(AM_CFLAGS) $(COLLECTD_CFLAGS)
egress_nat_la_LDFLAGS = $(LINK_PLUGIN)
egress_nat_la_LIBADD = libegress-nat.la libegress.la
egress_nat_la_SOURCES = plugins/nat/egress_nat.c

if HAVE_CMOCKA
check_PROGRAMS += \
	tests/unit/test_close_event \
	tests/unit/test_close_events \
	tests/unit/test_nat_config \
	tests/unit/test_nat_engine \
	tests/unit/test_nat_forecast \
	tests/unit/test_nat_model \
	tests/unit/test_nat_reuse \
	tests/unit/test_nat_top \
	tests/unit/test_nat_tracked \
	tests/unit/test_nat_traffic
endif

NAT_UNIT_CFLAGS = $(UNIT_CFLAGS) -I$(top_srcdir)/plugins/nat
NAT_UNIT_LIBS = libegress-nat.la $(UNIT_LIBS)

tests_unit_test_close_event_SOURCES = tests/unit/test_close_event.c
tests_unit_test_close_event_CFLAGS = $(NAT_UNIT_CFLAGS)
tests_unit_test_close_event_LDADD = $(NAT_UNIT_LIBS)

tests_unit_test_close_events_SOURCES = tests/unit/test_close_events.c
tests_unit_test_close_events_CFLAGS = $(NAT_UNIT_CFLAGS)
tests_unit_test_close_events_LDADD = $(NAT_UNIT_LIBS)

tests_unit_test_nat_config_SOURCES = tests/unit/test_nat_config.c
tests_unit_test_nat_config_CFLAGS = $(NAT_UNIT_CFLAGS)
tests_unit_test_nat_config_LDADD = liboption-tree.la $(NAT_UNIT_LIBS)

tests_unit_test_nat_engine_SOURCES = tests/unit/test_nat_engine.c
tests_unit_test_nat_engine_CFLAGS = $(NAT_UNIT_CFLAGS)
tests_unit_test_nat_engine_LDADD = $(NAT_UNIT_LIBS)

tests_unit_test_nat_forecast_SOURCES = tests/unit/test_nat_forecast.c
tests_unit_test_nat_forecast_CFLAGS = $(NAT_UNIT_CFLAGS)
tests_unit_test_nat_forecast_LDADD = $(NAT_UNIT_LIBS)

tests_unit_test_nat_model_SOURCES = tests/unit/test_nat_model.c
tests_unit_test_nat_model_CFLAGS = $(NAT_UNIT_CFLAGS)
tests_unit_test_nat_model_LDADD = $(NAT_UNIT_LIBS)

tests_unit_test_nat_reuse_SOURCES = tests/unit/test_nat_reuse.c
tests_unit_test_nat_reuse_CFLAGS = $(NAT_UNIT_CFLAGS)
tests_unit_test_nat_reuse_LDADD = $(NAT_UNIT_LIBS)

tests_unit_test_nat_top_SOURCES = tests/unit/test_nat_top.c
tests_unit_test_nat_top_CFLAGS = $(NAT_UNIT_CFLAGS)
tests_unit_test_nat_top_LDADD = $(NAT_UNIT_LIBS)

tests_unit_test_nat_tracked_SOURCES = tests/unit/test_nat_tracked.c
tests_unit_test_nat_tracked_CFLAGS = $(NAT_UNIT_CFLAGS)
tests_unit_test_nat_tracked_LDADD = $(NAT_UNIT_LIBS)

tests_unit_test_nat_traffic_SOURCES = tests/unit/test_nat_traffic.c
tests_unit_test_nat_traffic_CFLAGS = $(NAT_UNIT_CFLAGS)
tests_unit_test_nat_traffic_LDADD = $(NAT_UNIT_LIBS)
