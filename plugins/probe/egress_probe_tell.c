/* SPDX-License-Identifier: MIT */
#include "egress_probe_tell.h"

#include "egress/nat_status.h"

#include <math.h>
#include <string.h>

#define PLUGIN "egress_probe"

/* Cloud NAT's default TCP TIME_WAIT timeout
 * (cloud.google.com/nat/docs/tune-nat-configuration). */
#define NAT_TIME_WAIT (120 * NANOSECONDS_PER_SECOND)

/* Of a gateway's ports toward one destination, for watching alone. */
#define COST_SHARE_MAX 0.1

/* --- A chain's rounds -------------------------------------------------------------- */

static void tell_change(const struct probe_chain *chain,
                        const struct verdict_change *change, struct chain_told *told) {
  int severity = !change->raised   ? NOTIF_OKAY
                 : change->partial ? NOTIF_WARNING
                                   : NOTIF_FAILURE;

  if (change->serial == told->change)
    return;
  told->change = change->serial;
  plugin_log(change->raised ? LOG_WARNING : LOG_NOTICE, PLUGIN ": %s", change->sentence);
  daemon_notify(severity, PLUGIN, chain->name, "fault", NULL, change->sentence);
}

static void tell_tls_file(const struct probe_chain *chain, const struct tls_trouble *found,
                          struct trouble *trouble) {
  if (found->error != 0)
    trouble_begin(trouble,
                  PLUGIN ": chain \"%s\": %s \"%s\": %s; it is tried again at each probe",
                  chain->name, tls_option_name(found->option), found->file,
                  found->error != EINVAL ? strerror(found->error)
                  : found->option == TLS_CA_CERT
                      ? "expected a file of certificates in PEM"
                      : "expected a file in PEM, of a certificate or of its key");
  else
    trouble_end(trouble, PLUGIN ": chain \"%s\": all its certificates and keys can be "
                                "used again",
                chain->name);
}

/* Less than a whole Timeout might have been waited out anyway. */
static void tell_absence(const struct probe_chain *chain, nanoseconds absence,
                         struct trouble *trouble) {
  if (absence >= chain->timeout)
    trouble_begin(trouble,
                  PLUGIN ": chain \"%s\": the prober was itself kept from its work for %.1f "
                         "s of a probe, and Timeout is %.1f s; no limit counts that, but "
                         "probes take longer: give collectd more CPU",
                  chain->name, nanoseconds_to_seconds(absence),
                  nanoseconds_to_seconds(chain->timeout));
  else
    trouble_end(trouble, PLUGIN ": chain \"%s\": the prober is at its work again",
                chain->name);
}

void probe_tell_chain(const struct probe_chain *chain, const struct chain_report *report,
                      struct chain_told *told) {
  tell_tls_file(chain, &report->tls_trouble, &told->no_tls_file);
  tell_absence(chain, report->absence, &told->absent);
  if (report->round_error != 0)
    trouble_begin(&told->no_round, PLUGIN ": chain \"%s\" was not probed: %s",
                  chain->name, strerror(report->round_error));
  else
    trouble_end(&told->no_round, PLUGIN ": chain \"%s\" is probed again", chain->name);
  tell_change(chain, &report->change, told);
}

void probe_tell_secret(const struct probe_hop *hop, int error, struct trouble *trouble) {
  if (error != 0)
    trouble_begin(trouble,
                  PLUGIN ": hop \"%s\" is not probed: PasswordFile \"%s\": %s; it is "
                         "tried again each round",
                  hop->name, hop->password_file,
                  error == EINVAL ? "expected a regular file whose first line is the "
                                    "password"
                                  : strerror(error));
  else
    trouble_end(trouble, PLUGIN ": hop \"%s\": PasswordFile \"%s\" can be read again",
                hop->name, hop->password_file ? hop->password_file : "");
}

/* --- The start, and what the probes cost ------------------------------------------- */

static void tell_cost(const struct probe_port_cost *cost) {
  char endpoint[272];

  if (cost->url)
    INFO(PLUGIN ": this configuration holds about %.0f NAT ports toward %s",
         ceil(cost->ports), probe_url_endpoint(cost->url, endpoint, sizeof(endpoint)));
  else
    WARNING(PLUGIN ": out of memory: cannot tell how many NAT ports this configuration "
                   "holds");
}

static void tell_lonely(const struct probe_chain *chain) {
  if (probe_chain_count_targets(chain, false) < 2 &&
      probe_chain_count_targets(chain, true) == 0)
    WARNING(PLUGIN ": chain \"%s\" has one <Target> and no <Control>: a fault of the "
                   "target cannot be told from one on the way to it; add one of either",
            chain->name);
}

static void tell_budget(const struct probe_config *config, const struct budget *budget) {
  size_t wanted = budget_wanted(config);

  if (wanted > budget->transfers)
    WARNING(PLUGIN ": up to %zu probes may be under way at once when nothing answers, but the "
                   "limit of %zu open files allows %zu, and the others wait; raise "
                   "RLIMIT_NOFILE (systemd: LimitNOFILE) or lengthen Interval",
            wanted, budget->files, budget->transfers);
}

void probe_tell_start(const struct probe_config *config, const struct budget *budget,
                      struct cost_told *told) {
  *told = (struct cost_told){.cost = probe_config_port_cost(config, NAT_TIME_WAIT)};
  tell_cost(&told->cost);
  for (size_t i = 0; i < config->chain_count; i++)
    tell_lonely(&config->chains[i]);
  tell_budget(config, budget);
}

void probe_tell_share(struct cost_told *told, nanoseconds now) {
  const struct probe_port_cost *cost = &told->cost;
  uint32_t limit = told->compared || !cost->url ? 0 : nat_status_limit(now);
  char endpoint[272];

  if (limit == 0)
    return;
  told->compared = true;
  if (cost->ports > limit * COST_SHARE_MAX)
    WARNING(PLUGIN ": the probes themselves hold about %.0f of the %u NAT ports toward %s, "
                   "more than %.0f %%: lengthen Interval, or spread the targets",
            ceil(cost->ports), limit,
            probe_url_endpoint(cost->url, endpoint, sizeof(endpoint)),
            100 * COST_SHARE_MAX);
}

