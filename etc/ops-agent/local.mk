# What Google's Ops Agent reads.

opsagentdir = $(pkgdatadir)/ops-agent
dist_opsagent_DATA = etc/ops-agent/config.yaml
