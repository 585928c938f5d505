# A page an alert, which its runbook_url names.

runbooksdir = $(pkgdatadir)/runbooks
dist_runbooks_DATA = \
	etc/runbooks/EgressAcceptQueueFull.md \
	etc/runbooks/EgressCertificateExpiring.md \
	etc/runbooks/EgressConnectsStalled.md \
	etc/runbooks/EgressConntrackDrops.md \
	etc/runbooks/EgressConntrackNearlyFull.md \
	etc/runbooks/EgressFaultEgress.md \
	etc/runbooks/EgressFaultHop.md \
	etc/runbooks/EgressFaultLocal.md \
	etc/runbooks/EgressFaultTarget.md \
	etc/runbooks/EgressFaultUnknown.md \
	etc/runbooks/EgressHttp4xxRising.md \
	etc/runbooks/EgressHttp5xxRising.md \
	etc/runbooks/EgressLatencyBurnFast.md \
	etc/runbooks/EgressLatencyBurnSlow.md \
	etc/runbooks/EgressMetricsMissing.md \
	etc/runbooks/EgressNatDropsFlows.md \
	etc/runbooks/EgressNatExhaustionSoon.md \
	etc/runbooks/EgressNatPortsCritical.md \
	etc/runbooks/EgressNatPortsHigh.md \
	etc/runbooks/EgressProbeFailing.md \
	etc/runbooks/EgressRetransmissions.md
