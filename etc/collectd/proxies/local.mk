# The proxies' own figures, by collectd's stock plugins.

proxystanzasdir = $(pkgdatadir)/collectd/proxies
dist_proxystanzas_DATA = \
	etc/collectd/proxies/squid.conf etc/collectd/proxies/haproxy.conf \
	etc/collectd/proxies/nginx.conf etc/collectd/proxies/tinyproxy.conf \
	etc/collectd/proxies/envoy.conf
