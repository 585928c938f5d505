# SPDX-License-Identifier: MIT
"""What Cloud Monitoring and Grafana are given, from one description of the page and from the alerting rules."""
