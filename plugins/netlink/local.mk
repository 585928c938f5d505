# egress_netlink: TCP sockets, accept queues and conntrack.

noinst_HEADERS += \
	plugins/netlink/egress_netlink_conntrack.h \
	plugins/netlink/netlink_config.h \
	plugins/netlink/netlink_metrics.h \
	plugins/netlink/netlink_report.h

# What needs no daemon, for the plugin and for the tests.
noinst_LTLIBRARIES += libegress-netlink.la
libegress_netlink_la_SOURCES = \
	plugins/netlink/netlink_config.c \
	plugins/netlink/netlink_metrics.c \
	plugins/netlink/netlink_report.c

plugin_LTLIBRARIES += egress_netlink.la
egress_netlink_la_CFLAGS = $(AM_CFLAGS) $(COLLECTD_CFLAGS)
egress_netlink_la_LDFLAGS = $(LINK_PLUGIN)
egress_netlink_la_LIBADD = libegress-netlink.la libegress.la
egress_netlink_la_SOURCES = \
	plugins/netlink/egress_netlink.c \
	plugins/netlink/egress_netlink_conntrack.c

if HAVE_CMOCKA
check_PROGRAMS += \
	tests/unit/test_netlink_config \
	tests/unit/test_netlink_report
endif

tests_unit_test_netlink_config_SOURCES = tests/unit/test_netlink_config.c
tests_unit_test_netlink_config_CFLAGS = $(UNIT_CFLAGS) -I$(top_srcdir)/plugins/netlink
tests_unit_test_netlink_config_LDADD = libegress-netlink.la liboption-tree.la $(UNIT_LIBS)

tests_unit_test_netlink_report_SOURCES = tests/unit/test_netlink_report.c
tests_unit_test_netlink_report_CFLAGS = $(UNIT_CFLAGS) -I$(top_srcdir)/plugins/netlink
tests_unit_test_netlink_report_LDADD = libegress-netlink.la $(UNIT_LIBS)
