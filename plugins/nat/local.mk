# egress_nat: NAT ports held, by destination.

noinst_HEADERS += \
	plugins/nat/close_event.h \
	plugins/nat/close_events.h \
	plugins/nat/close_filter.h \
	plugins/nat/discovery.h \
	plugins/nat/discovery_cycle.h \
	plugins/nat/discovery_thread.h \
	plugins/nat/egress_nat_gateway.h \
	plugins/nat/estimate_history.h \
	plugins/nat/gateway_figures.h \
	plugins/nat/gateway_settings.h \
	plugins/nat/gateway_source.h \
	plugins/nat/gcp_api.h \
	plugins/nat/gcp_http.h \
	plugins/nat/gcp_json.h \
	plugins/nat/gcp_token.h \
	plugins/nat/gcp_trouble.h \
	plugins/nat/gcp_url.h \
	plugins/nat/gcp_vm.h \
	plugins/nat/json_walk.h \
	plugins/nat/nat_bypass.h \
	plugins/nat/nat_config.h \
	plugins/nat/nat_conntrack.h \
	plugins/nat/nat_engine.h \
	plugins/nat/nat_engine_state.h \
	plugins/nat/nat_forecast.h \
	plugins/nat/nat_gone.h \
	plugins/nat/nat_held.h \
	plugins/nat/nat_huge.h \
	plugins/nat/nat_intake.h \
	plugins/nat/nat_host.h \
	plugins/nat/nat_merge.h \
	plugins/nat/nat_metrics.h \
	plugins/nat/nat_model.h \
	plugins/nat/nat_model_state.h \
	plugins/nat/nat_neighbour.h \
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
libegress_nat_la_CFLAGS = $(AM_CFLAGS) $(LIBMNL_CFLAGS) $(LIBCURL_CFLAGS) $(YAJL_CFLAGS)
libegress_nat_la_LIBADD = $(LIBMNL_LIBS) $(LIBCURL_LIBS) $(YAJL_LIBS) -lm
libegress_nat_la_SOURCES = \
	plugins/nat/close_event.c \
	plugins/nat/close_events.c \
	plugins/nat/close_filter.c \
	plugins/nat/discovery.c \
	plugins/nat/discovery_cycle.c \
	plugins/nat/discovery_thread.c \
	plugins/nat/estimate_history.c \
	plugins/nat/gateway_figures.c \
	plugins/nat/gateway_settings.c \
	plugins/nat/gateway_source.c \
	plugins/nat/gcp_api.c \
	plugins/nat/gcp_http.c \
	plugins/nat/gcp_json.c \
	plugins/nat/gcp_json_mapping.c \
	plugins/nat/gcp_json_router.c \
	plugins/nat/gcp_json_series.c \
	plugins/nat/gcp_token.c \
	plugins/nat/gcp_trouble.c \
	plugins/nat/gcp_url.c \
	plugins/nat/gcp_vm.c \
	plugins/nat/json_walk.c \
	plugins/nat/nat_bypass.c \
	plugins/nat/nat_config.c \
	plugins/nat/nat_conntrack.c \
	plugins/nat/nat_engine.c \
	plugins/nat/nat_engine_closes.c \
	plugins/nat/nat_estimate.c \
	plugins/nat/nat_forecast.c \
	plugins/nat/nat_gone.c \
	plugins/nat/nat_held.c \
	plugins/nat/nat_host.c \
	plugins/nat/nat_huge.c \
	plugins/nat/nat_merge.c \
	plugins/nat/nat_metrics.c \
	plugins/nat/nat_model.c \
	plugins/nat/nat_neighbour.c \
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
egress_nat_la_CFLAGS = $(AM_CFLAGS) $(COLLECTD_CFLAGS) $(LIBCURL_CFLAGS)
egress_nat_la_LDFLAGS = $(LINK_PLUGIN)
egress_nat_la_LIBADD = libegress-nat.la libegress.la
egress_nat_la_SOURCES = \
	plugins/nat/egress_nat.c \
	plugins/nat/egress_nat_gateway.c

noinst_HEADERS += tests/unit/nat_given.h

if HAVE_CMOCKA
check_PROGRAMS += \
	tests/unit/test_close_event \
	tests/unit/test_close_events \
	tests/unit/test_close_filter \
	tests/unit/test_discovery \
	tests/unit/test_discovery_thread \
	tests/unit/test_gcp_json \
	tests/unit/test_gcp_parts \
	tests/unit/test_nat_bypass \
	tests/unit/test_nat_config \
	tests/unit/test_nat_engine \
	tests/unit/test_nat_forecast \
	tests/unit/test_nat_gone \
	tests/unit/test_nat_model \
	tests/unit/test_nat_neighbour \
	tests/unit/test_nat_reader \
	tests/unit/test_nat_reference \
	tests/unit/test_nat_retime \
	tests/unit/test_nat_reuse \
	tests/unit/test_nat_table \
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

tests_unit_test_close_filter_SOURCES = tests/unit/test_close_filter.c
tests_unit_test_close_filter_CFLAGS = $(NAT_UNIT_CFLAGS) $(LIBMNL_CFLAGS)
tests_unit_test_close_filter_LDADD = $(NAT_UNIT_LIBS) $(LIBMNL_LIBS)

tests_unit_test_nat_bypass_SOURCES = tests/unit/test_nat_bypass.c
tests_unit_test_nat_bypass_CFLAGS = $(NAT_UNIT_CFLAGS)
tests_unit_test_nat_bypass_LDADD = $(NAT_UNIT_LIBS)
tests_unit_test_nat_config_SOURCES = tests/unit/test_nat_config.c
tests_unit_test_nat_config_CFLAGS = $(NAT_UNIT_CFLAGS)
tests_unit_test_nat_config_LDADD = liboption-tree.la $(NAT_UNIT_LIBS)

tests_unit_test_nat_engine_SOURCES = tests/unit/test_nat_engine.c
tests_unit_test_nat_engine_CFLAGS = $(NAT_UNIT_CFLAGS)
tests_unit_test_nat_engine_LDADD = $(NAT_UNIT_LIBS)

tests_unit_test_nat_gone_SOURCES = tests/unit/test_nat_gone.c
tests_unit_test_nat_gone_CFLAGS = $(NAT_UNIT_CFLAGS)
tests_unit_test_nat_gone_LDADD = $(NAT_UNIT_LIBS)

tests_unit_test_nat_reference_SOURCES = tests/unit/test_nat_reference.c
tests_unit_test_nat_reference_CFLAGS = $(NAT_UNIT_CFLAGS)
tests_unit_test_nat_reference_LDADD = $(NAT_UNIT_LIBS)

tests_unit_test_nat_table_SOURCES = tests/unit/test_nat_table.c
tests_unit_test_nat_table_CFLAGS = $(NAT_UNIT_CFLAGS)
tests_unit_test_nat_table_LDADD = $(NAT_UNIT_LIBS)

tests_unit_test_nat_model_SOURCES = tests/unit/test_nat_model.c
tests_unit_test_nat_model_CFLAGS = $(NAT_UNIT_CFLAGS)
tests_unit_test_nat_model_LDADD = $(NAT_UNIT_LIBS)

tests_unit_test_nat_neighbour_SOURCES = tests/unit/test_nat_neighbour.c
tests_unit_test_nat_neighbour_CFLAGS = $(NAT_UNIT_CFLAGS)
tests_unit_test_nat_neighbour_LDADD = $(NAT_UNIT_LIBS)

tests_unit_test_nat_reader_SOURCES = tests/unit/test_nat_reader.c
tests_unit_test_nat_reader_CFLAGS = $(NAT_UNIT_CFLAGS)
tests_unit_test_nat_reader_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=close_events_open,--wrap=close_events_refilter \
	-Wl,--wrap=close_events_start,--wrap=clock_gettime
tests_unit_test_nat_reader_LDADD = $(NAT_UNIT_LIBS)

tests_unit_test_nat_top_SOURCES = tests/unit/test_nat_top.c
tests_unit_test_nat_top_CFLAGS = $(NAT_UNIT_CFLAGS)
tests_unit_test_nat_top_LDADD = $(NAT_UNIT_LIBS)

tests_unit_test_nat_traffic_SOURCES = tests/unit/test_nat_traffic.c
tests_unit_test_nat_traffic_CFLAGS = $(NAT_UNIT_CFLAGS)
tests_unit_test_nat_traffic_LDADD = $(NAT_UNIT_LIBS)

tests_unit_test_discovery_SOURCES = tests/unit/test_discovery.c
tests_unit_test_discovery_CFLAGS = $(NAT_UNIT_CFLAGS)
tests_unit_test_discovery_LDADD = $(NAT_UNIT_LIBS)

tests_unit_test_gcp_json_SOURCES = tests/unit/test_gcp_json.c
tests_unit_test_gcp_json_CFLAGS = $(NAT_UNIT_CFLAGS)
tests_unit_test_gcp_json_LDADD = $(NAT_UNIT_LIBS)

tests_unit_test_gcp_parts_SOURCES = tests/unit/test_gcp_parts.c
tests_unit_test_gcp_parts_CFLAGS = $(NAT_UNIT_CFLAGS)
tests_unit_test_gcp_parts_LDADD = $(NAT_UNIT_LIBS)

tests_unit_test_discovery_thread_SOURCES = tests/unit/test_discovery_thread.c
tests_unit_test_discovery_thread_CFLAGS = $(NAT_UNIT_CFLAGS) $(LIBCURL_CFLAGS)
tests_unit_test_discovery_thread_LDADD = $(NAT_UNIT_LIBS) $(LIBCURL_LIBS)

tests_unit_test_nat_retime_SOURCES = tests/unit/test_nat_retime.c
tests_unit_test_nat_retime_CFLAGS = $(NAT_UNIT_CFLAGS)
tests_unit_test_nat_retime_LDADD = $(NAT_UNIT_LIBS)

tests_unit_test_nat_forecast_SOURCES = tests/unit/test_nat_forecast.c
tests_unit_test_nat_forecast_CFLAGS = $(NAT_UNIT_CFLAGS)
tests_unit_test_nat_forecast_LDADD = $(NAT_UNIT_LIBS)

tests_unit_test_nat_reuse_SOURCES = tests/unit/test_nat_reuse.c
tests_unit_test_nat_reuse_CFLAGS = $(NAT_UNIT_CFLAGS)
tests_unit_test_nat_reuse_LDADD = $(NAT_UNIT_LIBS)

tests_unit_test_nat_tracked_SOURCES = tests/unit/test_nat_tracked.c
tests_unit_test_nat_tracked_CFLAGS = $(NAT_UNIT_CFLAGS)
tests_unit_test_nat_tracked_LDADD = $(NAT_UNIT_LIBS)
