# The manual pages: collectd-egress(7) is the entry, one page a plugin.

dist_man_MANS += \
	man/collectd-egress.7 \
	man/egress_nat.5 \
	man/egress_netlink.5 \
	man/egress_probe.5
