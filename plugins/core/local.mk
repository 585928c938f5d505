# libegress: what two plugins or more use. The convenience library holds models
# and readers, and is linked into the tests too; only libegress.so adds the
# adapter, whose symbols from collectd exist inside the daemon alone.
# Headers hide what only the library's own parts, and the tests, call: it exports what
# plugins take, no more.

noinst_HEADERS += \
	include/egress/address.h \
	include/egress/clock.h \
	include/egress/conntrack.h \
	include/egress/conntrack_flow.h \
	include/egress/daemon.h \
	include/egress/flow.h \
	include/egress/metric.h \
	include/egress/nat_status.h \
	include/egress/option.h \
	include/egress/sock_diag.h \
	include/egress/sockstat.h \
	include/egress/text.h \
	include/egress/trouble.h \
	plugins/core/collectd-config.h \
	plugins/core/collectd-shim.h \
	plugins/core/ctnetlink.h \
	plugins/core/endpoint_hash.h \
	plugins/core/flow_builder.h \
	plugins/core/curl_compat.h \
	plugins/core/flow_groups.h \
	plugins/core/flow_listeners.h \
	plugins/core/flow_member.h \
	plugins/core/flow_networks.h \
	plugins/core/flow_ports.h \
	plugins/core/flow_remotes.h \
	plugins/core/flow_source.h \
	plugins/core/flow_udp.h \
	plugins/core/log_histogram.h \
	plugins/core/netlink_answer.h \
	plugins/core/netlink_attribute.h \
	plugins/core/netlink_channel.h \
	plugins/core/proc_file.h \
	plugins/core/proc_sockets.h \
	plugins/core/proc_text.h

noinst_LTLIBRARIES += libegress-core.la
libegress_core_la_CFLAGS = $(AM_CFLAGS) $(LIBMNL_CFLAGS)
libegress_core_la_LIBADD = $(LIBMNL_LIBS) -lm
libegress_core_la_SOURCES = \
	plugins/core/address.c \
	plugins/core/conntrack.c \
	plugins/core/conntrack_entry.c \
	plugins/core/conntrack_flow.c \
	plugins/core/conntrack_parse.c \
	plugins/core/conntrack_stat.c \
	plugins/core/conntrack_totals.c \
	plugins/core/ctnetlink.c \
	plugins/core/flow_builder.c \
	plugins/core/flow_groups.c \
	plugins/core/flow_listeners.c \
	plugins/core/flow_member.c \
	plugins/core/flow_networks.c \
	plugins/core/flow_ports.c \
	plugins/core/flow_remotes.c \
	plugins/core/flow_share.c \
	plugins/core/flow_source.c \
	plugins/core/flow_udp.c \
	plugins/core/log_histogram.c \
	plugins/core/metric.c \
	plugins/core/nat_status.c \
	plugins/core/netlink_answer.c \
	plugins/core/netlink_channel.c \
	plugins/core/option.c \
	plugins/core/option_error.c \
	plugins/core/proc_file.c \
	plugins/core/proc_sockets.c \
	plugins/core/proc_sockets_parse.c \
	plugins/core/proc_text.c \
	plugins/core/sock_diag.c \
	plugins/core/sock_diag_parse.c \
	plugins/core/sockstat.c \
	plugins/core/text.c \
	plugins/core/trouble.c

pkglib_LTLIBRARIES += libegress.la
libegress_la_CFLAGS = $(AM_CFLAGS) $(COLLECTD_CFLAGS)
libegress_la_LDFLAGS = $(AM_LDFLAGS) -avoid-version -shared -Wl,-Bsymbolic-functions
libegress_la_LIBADD = libegress-core.la
libegress_la_SOURCES = plugins/core/daemon.c

# Option trees from text, for tests and fuzzers.
check_LTLIBRARIES += liboption-tree.la
liboption_tree_la_SOURCES = tests/unit/option_tree.c

if HAVE_CMOCKA
check_PROGRAMS += \
	tests/unit/test_address \
	tests/unit/test_conntrack \
	tests/unit/test_conntrack_flow \
	tests/unit/test_conntrack_source \
	tests/unit/test_flow_builder \
	tests/unit/test_flow_rtt \
	tests/unit/test_flow_share \
	tests/unit/test_flow_source \
	tests/unit/test_log_histogram \
	tests/unit/test_metric \
	tests/unit/test_nat_status \
	tests/unit/test_netlink_answer \
	tests/unit/test_netlink_channel \
	tests/unit/test_option \
	tests/unit/test_proc \
	tests/unit/test_sock_diag \
	tests/unit/test_sock_diag_method \
	tests/unit/test_text \
	tests/unit/test_trouble
endif

noinst_HEADERS += tests/unit/unit.h tests/unit/option_tree.h
UNIT_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
UNIT_LIBS = libegress-core.la $(CMOCKA_LIBS)

tests_unit_test_address_SOURCES = tests/unit/test_address.c
tests_unit_test_address_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_address_LDADD = $(UNIT_LIBS)

tests_unit_test_metric_SOURCES = tests/unit/test_metric.c
tests_unit_test_metric_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_metric_LDADD = $(UNIT_LIBS)

tests_unit_test_nat_status_SOURCES = tests/unit/test_nat_status.c
tests_unit_test_nat_status_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_nat_status_LDADD = $(UNIT_LIBS)

tests_unit_test_option_SOURCES = tests/unit/test_option.c
tests_unit_test_option_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_option_LDADD = liboption-tree.la $(UNIT_LIBS)

tests_unit_test_trouble_SOURCES = tests/unit/test_trouble.c
tests_unit_test_trouble_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_trouble_LDADD = $(UNIT_LIBS)

# Tests on recorded datagrams, and on kernels put in by the linker.
noinst_HEADERS += tests/unit/capture_file.h tests/unit/flow_records.h
CAPTURES = $(abs_top_srcdir)/tests/fuzz/corpus

tests_unit_test_conntrack_SOURCES = tests/unit/test_conntrack.c
tests_unit_test_conntrack_CPPFLAGS = $(AM_CPPFLAGS) \
	-DCAPTURE_DIRECTORY='"$(CAPTURES)/ctnetlink"'
tests_unit_test_conntrack_CFLAGS = $(UNIT_CFLAGS) $(LIBMNL_CFLAGS)
tests_unit_test_conntrack_LDADD = $(UNIT_LIBS) $(LIBMNL_LIBS)

tests_unit_test_conntrack_source_SOURCES = tests/unit/test_conntrack_source.c
tests_unit_test_conntrack_source_CFLAGS = $(UNIT_CFLAGS) $(LIBMNL_CFLAGS)
tests_unit_test_conntrack_source_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=netlink_channel_open,--wrap=netlink_channel_close \
	-Wl,--wrap=netlink_channel_exchange,--wrap=proc_file_read,--wrap=clock_gettime
tests_unit_test_conntrack_source_LDADD = $(UNIT_LIBS) $(LIBMNL_LIBS)

tests_unit_test_conntrack_flow_SOURCES = tests/unit/test_conntrack_flow.c
tests_unit_test_conntrack_flow_CPPFLAGS = $(AM_CPPFLAGS) \
	-DCAPTURE_DIRECTORY='"$(CAPTURES)/conntrack_flow"'
tests_unit_test_conntrack_flow_CFLAGS = $(UNIT_CFLAGS) $(LIBMNL_CFLAGS)
tests_unit_test_conntrack_flow_LDADD = $(UNIT_LIBS) $(LIBMNL_LIBS)

tests_unit_test_flow_builder_SOURCES = tests/unit/test_flow_builder.c
tests_unit_test_flow_builder_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_flow_builder_LDADD = $(UNIT_LIBS)

tests_unit_test_flow_rtt_SOURCES = tests/unit/test_flow_rtt.c
tests_unit_test_flow_rtt_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_flow_rtt_LDADD = $(UNIT_LIBS)

tests_unit_test_flow_share_SOURCES = tests/unit/test_flow_share.c
tests_unit_test_flow_share_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_flow_share_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=sock_diag_dump_tcp,--wrap=sock_diag_dump_udp
tests_unit_test_flow_share_LDADD = $(UNIT_LIBS)

tests_unit_test_flow_source_SOURCES = tests/unit/test_flow_source.c
tests_unit_test_flow_source_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_flow_source_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=sock_diag_open,--wrap=sock_diag_close \
	-Wl,--wrap=sock_diag_dump_tcp,--wrap=sock_diag_dump_udp \
	-Wl,--wrap=proc_sockets_dump,--wrap=clock_gettime
tests_unit_test_flow_source_LDADD = $(UNIT_LIBS)

tests_unit_test_log_histogram_SOURCES = tests/unit/test_log_histogram.c
tests_unit_test_log_histogram_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_log_histogram_LDADD = $(UNIT_LIBS)

tests_unit_test_netlink_answer_SOURCES = tests/unit/test_netlink_answer.c
tests_unit_test_netlink_answer_CPPFLAGS = $(AM_CPPFLAGS) \
	-DCAPTURE_DIRECTORY='"$(CAPTURES)/sock_diag"'
tests_unit_test_netlink_answer_CFLAGS = $(UNIT_CFLAGS) $(LIBMNL_CFLAGS)
tests_unit_test_netlink_answer_LDADD = $(UNIT_LIBS) $(LIBMNL_LIBS)

tests_unit_test_netlink_channel_SOURCES = tests/unit/test_netlink_channel.c
tests_unit_test_netlink_channel_CFLAGS = $(UNIT_CFLAGS) $(LIBMNL_CFLAGS)
tests_unit_test_netlink_channel_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=mnl_socket_sendto,--wrap=mnl_socket_recvfrom
tests_unit_test_netlink_channel_LDADD = $(UNIT_LIBS) $(LIBMNL_LIBS)

tests_unit_test_proc_SOURCES = tests/unit/test_proc.c
tests_unit_test_proc_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_proc_LDADD = $(UNIT_LIBS)

tests_unit_test_sock_diag_SOURCES = tests/unit/test_sock_diag.c
tests_unit_test_sock_diag_CPPFLAGS = $(AM_CPPFLAGS) \
	-DCAPTURE_DIRECTORY='"$(CAPTURES)/sock_diag"'
tests_unit_test_sock_diag_CFLAGS = $(UNIT_CFLAGS) $(LIBMNL_CFLAGS)
tests_unit_test_sock_diag_LDADD = $(UNIT_LIBS) $(LIBMNL_LIBS)

tests_unit_test_sock_diag_method_SOURCES = tests/unit/test_sock_diag_method.c
tests_unit_test_sock_diag_method_CFLAGS = $(UNIT_CFLAGS) $(LIBMNL_CFLAGS)
tests_unit_test_sock_diag_method_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=netlink_channel_exchange
tests_unit_test_sock_diag_method_LDADD = $(UNIT_LIBS) $(LIBMNL_LIBS)

tests_unit_test_text_SOURCES = tests/unit/test_text.c
tests_unit_test_text_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_text_LDADD = $(UNIT_LIBS)
