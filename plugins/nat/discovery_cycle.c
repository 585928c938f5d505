/* SPDX-License-Identifier: MIT */
#include "discovery_cycle.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define METRIC(name) "compute.googleapis.com/nat/" name

/* Cloud Monitoring shows a point up to 225 s late; some polls may fail. */
#define SERIES_SECONDS 900

void discovery_cycle_init(struct discovery_cycle *cycle,
                          const struct gateway_source *source, struct gcp_http *http,
                          struct discovery_scratch *scratch) {
  *cycle = (struct discovery_cycle){
      .source = source,
      .wish = {.project = source->project,
               .region = source->region,
               .router = source->router,
               .nat = source->nat,
               .rule = source->rule},
      .api = {.http = http,
              .metadata_url =
                  source->metadata_url ? source->metadata_url : GATEWAY_METADATA_URL,
              .compute_url =
                  source->compute_url ? source->compute_url : GATEWAY_COMPUTE_URL,
              .monitoring_url = source->monitoring_url ? source->monitoring_url
                                                       : GATEWAY_MONITORING_URL,
              .ca_cert = source->ca_cert},
      .scratch = scratch,
      .begun = clock_now(CLOCK_BOOTTIME),
  };
}

void discovery_cycle_end(struct discovery_cycle *cycle) {
  gcp_token_forget(&cycle->api.token);
}

/* A little less than the interval, so that jitter does not make it two. */
static bool is_old(const struct discovery_cycle *cycle, nanoseconds read) {
  return read == 0 ||
         clock_now(CLOCK_MONOTONIC) - read >= cycle->source->interval / 4 * 3;
}

/* Notes the trouble of a call, or that there is none any more; not that the daemon is
 * being stopped. */
static int note(struct discovery_cycle *cycle, enum discovery_step step, int status,
                const struct gcp_trouble *trouble) {
  if (status != -ECANCELED)
    cycle->view.troubles[step] = *trouble;
  return status;
}

static int read_vm(struct discovery_cycle *cycle) {
  struct gcp_trouble trouble = {0};
  struct gcp_vm vm;
  int status;

  if (!is_old(cycle, cycle->vm_read))
    return 0;
  status = gcp_api_read_vm(&cycle->api, &vm, &trouble);
  if (status == 0)
    status = gcp_api_get_token(&cycle->api, &trouble);
  if (status == 0) {
    cycle->vm = vm;
    cycle->vm_read = clock_now(CLOCK_MONOTONIC);
  }
  return note(cycle, DISCOVERY_METADATA, status, &trouble);
}

/* --- The gateway -------------------------------------------------------------------- */

static int ask_mapping(struct discovery_cycle *cycle, const struct gcp_nat *nat,
                       struct gcp_trouble *trouble) {
  const struct gcp_nat_place place = {
      .project = discovery_project(&cycle->wish, &cycle->vm),
      .region = discovery_region(&cycle->wish, &cycle->vm),
      .router = nat->router,
      .nat = nat->name,
  };
  struct gcp_mapping *mapping = &cycle->scratch->mapping;
  int status = -EINVAL;

  gcp_mapping_init(mapping, cycle->vm.address, cycle->wish.rule);
  if (!cycle->filter_refused)
    status = gcp_api_read_mapping(&cycle->api, &place, cycle->vm.name, mapping, trouble);
  if (status != -EINVAL)
    return status;
  cycle->filter_refused = true;
  trouble->text[0] = '\0';
  gcp_mapping_init(mapping, cycle->vm.address, cycle->wish.rule);
  return gcp_api_read_mapping(&cycle->api, &place, NULL, mapping, trouble);
}

static void conclude(struct discovery_cycle *cycle, const struct gcp_nat *nat,
                     const struct gcp_ports *ports) {
  nanoseconds now = clock_now(CLOCK_MONOTONIC);

  cycle->nat = *nat;
  discovery_conclude(nat, ports, &cycle->wish, &cycle->vm, &cycle->view.facts);
  cycle->ports_until = ports ? now + 3 * cycle->source->interval : 0;
}

/* Goes through the NATs that may serve us, up to the one that does. Returns 1 if there
 * is one, 0 if there is none, or -errno. */
static int find_nat(struct discovery_cycle *cycle, struct gcp_trouble *trouble) {
  const struct gcp_nats *nats = &cycle->scratch->nats;
  int certain;

  for (size_t i = 0; i < nats->count; i++) {
    int status;

    if (!discovery_may_serve(&nats->nats[i], &cycle->wish, &cycle->vm))
      continue;
    status = ask_mapping(cycle, &nats->nats[i], trouble);
    if (status < 0)
      return status;
    if (gcp_mapping_ports(&cycle->scratch->mapping)->found) {
      conclude(cycle, &nats->nats[i], gcp_mapping_ports(&cycle->scratch->mapping));
      return 1;
    }
  }
  certain = discovery_certain(nats, &cycle->wish, &cycle->vm);
  if (certain >= 0)
    conclude(cycle, &nats->nats[certain], NULL);
  return certain >= 0;
}

/* A NIC with an external address takes no public NAT, whichever there is. */
static void conclude_none(struct discovery_cycle *cycle, struct gcp_trouble *trouble) {
  struct gateway_facts *facts = &cycle->view.facts;

  *facts = (struct gateway_facts){0};
  cycle->ports_until = 0;
  if (cycle->vm.external[0] && !cycle->wish.nat)
    memcpy(facts->external, cycle->vm.external, sizeof(facts->external));
  else
    discovery_explain(&cycle->scratch->nats, &cycle->wish, &cycle->vm, trouble);
}

/* The router that served us last is asked alone; when it does not any more, all. */
static int search(struct discovery_cycle *cycle, struct gcp_trouble *trouble) {
  const char *project = discovery_project(&cycle->wish, &cycle->vm);
  const char *region = discovery_region(&cycle->wish, &cycle->vm);
  int found = 0;

  if (cycle->view.facts.known) {
    int status = gcp_api_read_nats(&cycle->api, project, region, cycle->nat.router,
                                   &cycle->scratch->nats, trouble);

    if (status < 0 && status != -ENOENT)
      return status;
    trouble->text[0] = '\0';
    found = status == 0 ? find_nat(cycle, trouble) : 0;
  }
  if (found == 0) {
    int status = gcp_api_read_nats(&cycle->api, project, region, cycle->wish.router,
                                   &cycle->scratch->nats, trouble);

    if (status < 0)
      return status;
    found = find_nat(cycle, trouble);
  }
  if (found == 0)
    conclude_none(cycle, trouble);
  return found < 0 ? found : 0;
}

/* Of a rule that there is not nothing is known. */
static void check_rule(struct discovery_cycle *cycle, struct gcp_trouble *trouble) {
  if (!cycle->view.facts.known || discovery_has_rule(&cycle->nat, &cycle->wish))
    return;
  gcp_trouble_set(trouble, "NAT \"%s\" of router \"%s\" has no rule %lld (NatRule)",
                  cycle->nat.name, cycle->nat.router, (long long)cycle->wish.rule);
  cycle->view.facts = (struct gateway_facts){0};
}

/* Between two searches only the ports are asked for. */
static int read_ports(struct discovery_cycle *cycle, struct gcp_trouble *trouble) {
  const struct gcp_nat nat = cycle->nat;
  int status = ask_mapping(cycle, &nat, trouble);
  const struct gcp_ports *ports = gcp_mapping_ports(&cycle->scratch->mapping);

  if (status == 0 && ports->found)
    conclude(cycle, &nat, ports);
  return status;
}

static int run_compute(struct discovery_cycle *cycle) {
  struct gcp_trouble trouble = {0};
  bool whole = !cycle->view.facts.known || is_old(cycle, cycle->nat_read);
  int status = whole ? search(cycle, &trouble) : read_ports(cycle, &trouble);

  if (status == 0 && whole)
    cycle->nat_read = clock_now(CLOCK_MONOTONIC);
  if (status == 0)
    check_rule(cycle, &trouble);
  /* What was granted for a while is not known for good. */
  if (status < 0 && cycle->view.facts.dynamic &&
      clock_now(CLOCK_MONOTONIC) > cycle->ports_until)
    cycle->view.facts.ports_now = cycle->view.facts.ports_drained = 0;
  return note(cycle, DISCOVERY_COMPUTE, status, &trouble);
}

/* --- Its figures ---------------------------------------------------------------------- */

static int read_series(struct discovery_cycle *cycle, const char *metric,
                       struct gcp_trouble *trouble) {
  const char *nat = cycle->wish.nat ? cycle->wish.nat : cycle->view.facts.nat;
  int64_t now = time(NULL);

  gcp_series_init(&cycle->scratch->series, nat);
  return gcp_api_read_series(&cycle->api, &cycle->vm, metric, now - SERIES_SECONDS, now,
                             &cycle->scratch->series, trouble);
}

/* The machine's clock may have been put right since. */
static int64_t start_by_the_clock(const struct discovery_cycle *cycle) {
  return time(NULL) - (clock_now(CLOCK_BOOTTIME) - cycle->begun) / NANOSECONDS_PER_SECOND;
}

static int run_monitoring(struct discovery_cycle *cycle) {
  struct gateway_figures *figures = &cycle->view.figures;
  const struct gcp_series *series = &cycle->scratch->series;
  struct gcp_trouble trouble = {0};
  int status = read_series(cycle, METRIC("port_usage"), &trouble);

  if (status == 0) {
    gateway_figures_set_usage(figures, series);
    status = read_series(cycle, METRIC("dropped_sent_packets_count"), &trouble);
  }
  if (status == 0) {
    gateway_figures_add_drops(figures, series, start_by_the_clock(cycle));
    status = read_series(cycle, METRIC("allocated_ports"), &trouble);
  }
  if (status == 0)
    gateway_figures_set_allocated(figures, series);
  return note(cycle, DISCOVERY_MONITORING, status, &trouble);
}

int discovery_cycle_run(struct discovery_cycle *cycle, enum discovery_step step) {
  int status = read_vm(cycle);

  if (status == 0)
    status = step == DISCOVERY_COMPUTE ? run_compute(cycle) : run_monitoring(cycle);
  if (status != -ECANCELED)
    cycle->view.version++;
  return status;
}
