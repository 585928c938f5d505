# SPDX-License-Identifier: MIT
"""What the programs can do that the lab runs in its parts. It stands apart from them: Python complains when a module
is run that its own package has imported before."""

# How long load may last.
LOAD_SECONDS = 600
# What an impostor in a proxy's place can answer, and how one in a site's place can be bad.
PROXY_STATUSES = ("500", "502", "503", "504")
SITE_WAYS = ("expired", "self-signed", "wrong-name", "cut-tls", "wrong-body", "slow-headers", "slow-body",
             "endless-body", "redirects")
