/* SPDX-License-Identifier: MIT
 *
 * Which NAT serves us, what it allows, and when to ask again.
 */
#include "unit.h"

#include "gateway_settings.h"

#include <errno.h>
#include <string.h>

#define SECONDS(n) ((n)*NANOSECONDS_PER_SECOND)

static struct gcp_nats nats;
static struct gcp_vm vm;
static struct discovery_wish wish;
static struct gateway_facts facts;
static const struct gateway_figures no_figures;

static struct gcp_nat *add_nat(const char *router, const char *network, const char *name) {
  struct gcp_nat *nat = &nats.nats[nats.count++];

  *nat = nats.nat; /* all absent */
  nat->all_subnetworks = true;
  snprintf(nat->router, sizeof(nat->router), "%s", router);
  snprintf(nat->network, sizeof(nat->network), "%s", network);
  snprintf(nat->name, sizeof(nat->name), "%s", name);
  return nat;
}

static int begin(void **state) {
  (void)state;
  gcp_nats_init(&nats);
  wish = (struct discovery_wish){0};
  vm = (struct gcp_vm){.project = "own", .address = "10.0.0.2"};
  return gcp_vm_set_zone(&vm, "projects/12/zones/europe-west3-b") ||
         gcp_vm_set_network(&vm, "projects/34/networks/default");
}

static void assert_says(const struct gcp_trouble *trouble, const char *const *words) {
  assert_null(strchr(trouble->text, '\n'));
  for (; *words; words++)
    if (!strstr(trouble->text, *words))
      fail_msg("\"%s\" is not in: %s", *words, trouble->text);
}

#define SAYS(trouble, ...)                                                               \
  assert_says(trouble, (const char *const[]){__VA_ARGS__, NULL})

/* --- Which ---------------------------------------------------------------------------- */

static void test_the_metadata_servers_names(void **state) {
  static const char *const bad[] = {"",
                                    "default",
                                    "projects/1/networks/",
                                    "projects//networks/x",
                                    "projects/1/networks/a/b",
                                    "projects/1/nets/a"};
  struct gcp_vm other;

  (void)state;
  assert_string_equal("europe-west3", vm.region);
  assert_string_equal("europe-west3-b", vm.zone);
  assert_string_equal("default", vm.network);
  assert_string_equal("34", vm.network_project);
  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
    assert_int_equal(-EINVAL, gcp_vm_set_network(&other, bad[i]));
  assert_int_equal(-EINVAL, gcp_vm_set_zone(&other, "projects/1/zones/nodash"));
  assert_int_equal(-EINVAL, gcp_vm_set_zone(&other, "projects/1/zones/-"));
}

static void test_the_networks_project_is_asked(void **state) {
  (void)state;
  assert_string_equal("34", discovery_project(&wish, &vm));
  assert_string_equal("europe-west3", discovery_region(&wish, &vm));
  wish = (struct discovery_wish){.project = "host", .region = "us-east1"};
  assert_string_equal("host", discovery_project(&wish, &vm));
  assert_string_equal("us-east1", discovery_region(&wish, &vm));
}

static void test_who_may_serve(void **state) {
  struct gcp_nat *nat = add_nat("r", "default", "n");
  struct gcp_nat *elsewhere = add_nat("r", "other", "n");
  struct gcp_nat *hidden = add_nat("r", "default", "p");

  (void)state;
  hidden->type = GCP_NAT_PRIVATE;
  assert_true(discovery_may_serve(nat, &wish, &vm));
  assert_false(discovery_may_serve(elsewhere, &wish, &vm));
  assert_false(discovery_may_serve(hidden, &wish, &vm));
  wish.nat = "p";
  assert_true(discovery_may_serve(hidden, &wish, &vm));
  assert_false(discovery_may_serve(nat, &wish, &vm));
  wish.router = "r2";
  assert_false(discovery_may_serve(hidden, &wish, &vm));
}

static void test_who_is_certain(void **state) {
  (void)state;
  assert_int_equal(-1, discovery_certain(&nats, &wish, &vm));
  add_nat("r", "other", "x");
  add_nat("r", "default", "n");
  assert_int_equal(1, discovery_certain(&nats, &wish, &vm));
  nats.nats[1].all_subnetworks = false;
  assert_int_equal(-1, discovery_certain(&nats, &wish, &vm));
  nats.nats[1].all_subnetworks = true;
  add_nat("r", "default", "n2");
  assert_int_equal(-1, discovery_certain(&nats, &wish, &vm));
}

static void test_why_none(void **state) {
  struct gcp_trouble trouble = {0};

  (void)state;
  discovery_explain(&nats, &wish, &vm, &trouble);
  SAYS(&trouble, "no public NAT", "\"default\"", "\"34\"", "\"europe-west3\"", "NatName");
  add_nat("r", "default", "n");
  discovery_explain(&nats, &wish, &vm, &trouble);
  SAYS(&trouble, "10.0.0.2", "asked 1", "subnetwork");
  wish.nat = "missing";
  discovery_explain(&nats, &wish, &vm, &trouble);
  SAYS(&trouble, "NatName \"missing\"");
}

static void test_rules(void **state) {
  struct gcp_nat *nat = add_nat("r", "default", "n");

  (void)state;
  assert_true(discovery_has_rule(nat, &wish));
  wish.rule = 100;
  assert_false(discovery_has_rule(nat, &wish));
  nat->rules[nat->rule_count++] = 100;
  assert_true(discovery_has_rule(nat, &wish));
}

/* --- What ------------------------------------------------------------------------------ */

/* ports < 0: the mapping is not known. */
static void conclude(const struct gcp_nat *nat, int64_t ports) {
  const struct gcp_ports found = {.found = true, .now = ports, .drained = 3};

  discovery_conclude(nat, ports >= 0 ? &found : NULL, &wish, &vm, &facts);
  assert_true(facts.known);
}

static void test_a_static_nat(void **state) {
  struct gcp_nat *nat = add_nat("r", "default", "n");

  (void)state;
  conclude(nat, -1);
  assert_int_equal(64, facts.ports_limit);
  assert_int_equal(0, facts.ports_now);
  assert_true(facts.time_wait == 0);
  assert_true(facts.established == SECONDS(1200));
  assert_true(facts.transitory == SECONDS(30));
  nat->min_ports = 100;
  conclude(nat, -1);
  assert_int_equal(128, facts.ports_limit);
  conclude(nat, 1024); /* a VM with alias ranges */
  assert_int_equal(1024, facts.ports_limit);
  assert_int_equal(1024, facts.ports_now);
  assert_int_equal(3, facts.ports_drained);
  assert_string_equal("34", facts.project);
  assert_string_equal("r", facts.router);
}

static void test_a_dynamic_nat(void **state) {
  struct gcp_nat *nat = add_nat("r", "default", "n");

  (void)state;
  nat->dynamic = 1;
  nat->min_ports = 32;
  conclude(nat, 64);
  assert_true(facts.dynamic);
  assert_int_equal(64, facts.ports_now);
  assert_int_equal(65536, facts.ports_limit);
  nat->max_ports = 1024;
  conclude(nat, 64);
  assert_int_equal(1024, facts.ports_limit);
}

static void test_timers(void **state) {
  struct gcp_nat *nat = add_nat("r", "default", "n");

  (void)state;
  nat->time_wait = 90;
  conclude(nat, -1);
  assert_true(facts.time_wait == SECONDS(90));
  nat->effective_time_wait = 30;
  conclude(nat, -1);
  assert_true(facts.time_wait == SECONDS(30));
  nat->effective_time_wait = INT64_MAX;
  nat->established = 0;
  nat->transitory = 45;
  nat->endpoint_independent = 1;
  conclude(nat, -1);
  assert_true(facts.time_wait == SECONDS(90));
  assert_true(facts.established == SECONDS(1200));
  assert_true(facts.transitory == SECONDS(45));
  assert_true(facts.endpoint_independent);
}

/* --- Explicit beats discovered beats unknown --------------------------------------------- */

static void test_discovered_beats_unknown(void **state) {
  struct nat_gateway_config gateway = {.transitory_timeout = SECONDS(30),
                                       .reset_timeout = SECONDS(30),
                                       .given = {.reset_timeout = -1}};
  const struct gateway_figures figures = {.allocated = 48};
  struct gcp_nat *nat = add_nat("r", "default", "n");

  (void)state;
  nat->effective_time_wait = 120;
  nat->transitory = 45;
  conclude(nat, 64);
  assert_true(gateway_settings_apply(&gateway, &facts, &figures));
  assert_false(gateway_settings_apply(&gateway, &facts, &figures));
  assert_int_equal(64, nat_gateway_limit(&gateway));
  assert_int_equal(64, nat_gateway_allocated(&gateway));
  assert_true(gateway.time_wait == SECONDS(120));
  assert_true(gateway.established_timeout == SECONDS(1200));
  assert_true(gateway.transitory_timeout == SECONDS(45));
  assert_true(gateway.reset_timeout == SECONDS(45));
}

static void test_explicit_beats_discovered(void **state) {
  struct nat_gateway_config gateway = {.ports_per_vm = 256,
                                       .given = {.time_wait = SECONDS(30),
                                                 .established_timeout = SECONDS(60),
                                                 .transitory_timeout = SECONDS(20),
                                                 .reset_timeout = 0}};
  struct gcp_nat *nat = add_nat("r", "default", "n");

  (void)state;
  nat->effective_time_wait = 120;
  conclude(nat, 64);
  assert_true(gateway_settings_apply(&gateway, &facts, &no_figures));
  assert_int_equal(256, nat_gateway_limit(&gateway));
  assert_int_equal(256, nat_gateway_allocated(&gateway));
  assert_true(gateway.time_wait == SECONDS(30));
  assert_true(gateway.established_timeout == SECONDS(60));
  assert_true(gateway.transitory_timeout == SECONDS(20));
  assert_true(gateway.reset_timeout == 0);
}

static void test_nothing_found(void **state) {
  struct nat_gateway_config gateway = {.given = {.reset_timeout = -1}};
  const struct gateway_figures figures = {.allocated = 48};
  const struct gateway_facts nothing = {0};

  (void)state;
  gateway_settings_apply(&gateway, &nothing, &no_figures);
  assert_int_equal(0, nat_gateway_limit(&gateway));
  assert_true(gateway.time_wait == 0);
  assert_true(gateway.transitory_timeout == SECONDS(30));
  assert_true(gateway.reset_timeout == SECONDS(30));
  assert_true(gateway_settings_apply(&gateway, &nothing, &figures));
  assert_int_equal(48, nat_gateway_allocated(&gateway));
}

/* A flag that the block gives as false is as explicit as one that it gives as true. */
static void test_an_explicit_false(void **state) {
  static const struct {
    enum nat_word given;
    bool found, result;
  } cases[] = {
      {NAT_UNSAID, false, false}, {NAT_UNSAID, true, true}, {NAT_FALSE, true, false},
      {NAT_FALSE, false, false},  {NAT_TRUE, false, true},  {NAT_TRUE, true, true},
  };
  struct gcp_nat *nat = add_nat("r", "default", "n");

  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    struct nat_gateway_config gateway = {
        .given = {.reset_timeout = -1, .endpoint_independent = cases[i].given}};
    struct nat_gateway_config other = {
        .given = {.reset_timeout = -1, .dynamic_ports = cases[i].given}};

    gateway.endpoint_independent = other.dynamic_ports = cases[i].given == NAT_TRUE;
    nat->endpoint_independent = cases[i].found;
    nat->dynamic = 0;
    conclude(nat, -1);
    gateway_settings_apply(&gateway, &facts, &no_figures);
    assert_int_equal(cases[i].result, gateway.endpoint_independent);
    nat->endpoint_independent = 0;
    nat->dynamic = cases[i].found;
    conclude(nat, -1);
    gateway_settings_apply(&other, &facts, &no_figures);
    assert_int_equal(cases[i].result, other.dynamic_ports);
  }
}

/* What PortsPerVM means goes by whether allocation is dynamic, in the end. */
static void test_ports_where_dynamic_allocation_is_found(void **state) {
  struct nat_gateway_config gateway = {
      .ports_per_vm = 64,
      .given = {.reset_timeout = -1, .dynamic_ports = NAT_FALSE}};
  struct gcp_nat *nat = add_nat("r", "default", "n");

  (void)state;
  nat->dynamic = 1;
  nat->max_ports = 4096;
  conclude(nat, 128);
  gateway_settings_apply(&gateway, &facts, &no_figures);
  assert_int_equal(64, nat_gateway_limit(&gateway));
  gateway.ports_per_vm = 0;
  assert_int_equal(128, nat_gateway_limit(&gateway));
  gateway.ports_per_vm = 64;
  gateway.given.dynamic_ports = NAT_UNSAID;
  assert_true(gateway_settings_apply(&gateway, &facts, &no_figures));
  assert_int_equal(4096, nat_gateway_limit(&gateway));
  assert_int_equal(128, nat_gateway_allocated(&gateway));
}

static void test_dynamic_ports_with_an_explicit_limit(void **state) {
  struct nat_gateway_config gateway = {
      .dynamic_ports = true,
      .ports_per_vm = 32,
      .max_ports_per_vm = 512,
      .given = {.reset_timeout = -1, .dynamic_ports = NAT_TRUE}};
  struct gcp_nat *nat = add_nat("r", "default", "n");

  (void)state;
  nat->dynamic = 1;
  conclude(nat, 64);
  gateway_settings_apply(&gateway, &facts, &no_figures);
  assert_int_equal(512, nat_gateway_limit(&gateway));
  assert_int_equal(64, nat_gateway_allocated(&gateway));
}

static void test_an_external_address(void **state) {
  struct nat_gateway_config gateway = {.given = {.reset_timeout = -1}};
  struct gcp_nat *nat = add_nat("r", "default", "n");

  (void)state;
  snprintf(vm.external, sizeof(vm.external), "203.0.113.9");
  conclude(nat, 64);
  assert_true(gateway_settings_apply(&gateway, &facts, &no_figures));
  assert_true(gateway.own_bypass);
  nat->type = GCP_NAT_PRIVATE;
  conclude(nat, 64);
  assert_true(gateway_settings_apply(&gateway, &facts, &no_figures));
  assert_false(gateway.own_bypass);
}

static void test_description(void **state) {
  struct gcp_nat *nat = add_nat("r", "default", "n");
  char text[256];

  (void)state;
  nat->effective_time_wait = 30;
  nat->dynamic = nat->endpoint_independent = 1;
  conclude(nat, 64);
  gateway_settings_describe(&facts, text, sizeof(text));
  assert_string_equal("public NAT \"n\" of router \"r\" (project \"34\", region "
                      "\"europe-west3\"): dynamic allocation of up to 65536 ports, "
                      "TIME_WAIT 30 s, endpoint-independent mapping",
                      text);
}

/* --- When ------------------------------------------------------------------------------------ */

static void test_pauses(void **state) {
  nanoseconds interval = SECONDS(300);

  (void)state;
  assert_true(discovery_pause(interval, false, 0, 0.5) == interval);
  assert_true(discovery_pause(interval, false, 0, 0) == interval / 10 * 9);
  assert_true(discovery_pause(interval, true, 0, 0.5) == SECONDS(60));
  assert_true(discovery_pause(SECONDS(10), true, 0, 0.5) == SECONDS(10));
  assert_true(discovery_pause(interval, true, 1, 0.5) == 2 * interval);
  assert_true(discovery_pause(interval, false, 2, 0.5) == 4 * interval);
  assert_true(discovery_pause(interval, false, 1000, 0.5) == 6 * interval);
}

/* --- Troubles ---------------------------------------------------------------------------------- */

static const struct gcp_call call = {.server = "the Compute API",
                                     .url = "https://x.example",
                                     .project = "p1",
                                     .place = "region \"r\"",
                                     .permission = "compute.routers.list",
                                     .role = "roles/some",
                                     .scope = "compute.readonly",
                                     .milliseconds = 3000,
                                     .body_max = 10};

static void test_refusals(void **state) {
  struct gcp_http_answer answer = {.outcome = GCP_HTTP_ANSWERED, .status = 403};
  struct gcp_trouble trouble;

  (void)state;
  answer.error.refusal = GCP_REFUSED_SCOPE;
  gcp_trouble_describe(&call, &answer, &trouble);
  SAYS(&trouble, "access scopes", "compute.readonly");
  answer.error.refusal = GCP_REFUSED_PERMISSION;
  gcp_trouble_describe(&call, &answer, &trouble);
  SAYS(&trouble, "compute.routers.list", "\"p1\"", "roles/some");
  answer.error.refusal = GCP_REFUSED_DISABLED;
  gcp_trouble_describe(&call, &answer, &trouble);
  SAYS(&trouble, "not enabled", "\"p1\"");
  answer.error.refusal = GCP_REFUSED_OTHERWISE;
  snprintf(answer.error.message, sizeof(answer.error.message), "because");
  gcp_trouble_describe(&call, &answer, &trouble);
  SAYS(&trouble, "403", "because");
}

static void test_other_statuses(void **state) {
  struct gcp_http_answer answer = {.outcome = GCP_HTTP_ANSWERED,
                                   .error.message = "because"};
  struct gcp_trouble trouble;

  (void)state;
  answer.status = 429;
  gcp_trouble_describe(&call, &answer, &trouble);
  SAYS(&trouble, "quota", "\"p1\"");
  answer.status = 404;
  gcp_trouble_describe(&call, &answer, &trouble);
  SAYS(&trouble, "region \"r\"", "\"p1\"", "404");
  answer.status = 500;
  gcp_trouble_describe(&call, &answer, &trouble);
  SAYS(&trouble, "HTTP 500", "because");
  answer.status = 401;
  gcp_trouble_describe(&call, &answer, &trouble);
  SAYS(&trouble, "access token", "401");
}

static void test_no_answer(void **state) {
  static const struct {
    enum gcp_http_outcome outcome;
    const char *word;
  } outcomes[] = {
      {GCP_HTTP_UNREACHABLE, "broken wire"},     {GCP_HTTP_TIMEOUT, "within 3 s"},
      {GCP_HTTP_TOO_LONG, "more than 10 bytes"}, {GCP_HTTP_MALFORMED, "something else"},
      {GCP_HTTP_NOT_GOOGLE, "Metadata-Flavor"},  {GCP_HTTP_NO_MEMORY, "memory"},
      {GCP_HTTP_STOPPED, ""},
  };

  (void)state;
  for (size_t i = 0; i < sizeof(outcomes) / sizeof(*outcomes); i++) {
    const struct gcp_http_answer answer = {.outcome = outcomes[i].outcome,
                                           .detail = "broken wire"};
    struct gcp_trouble trouble = {.text = "stale"};

    gcp_trouble_describe(&call, &answer, &trouble);
    SAYS(&trouble, outcomes[i].word);
    assert_int_equal(outcomes[i].outcome == GCP_HTTP_STOPPED, trouble.text[0] == '\0');
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(test_the_metadata_servers_names, begin),
      cmocka_unit_test_setup(test_the_networks_project_is_asked, begin),
      cmocka_unit_test_setup(test_who_may_serve, begin),
      cmocka_unit_test_setup(test_who_is_certain, begin),
      cmocka_unit_test_setup(test_why_none, begin),
      cmocka_unit_test_setup(test_rules, begin),
      cmocka_unit_test_setup(test_a_static_nat, begin),
      cmocka_unit_test_setup(test_a_dynamic_nat, begin),
      cmocka_unit_test_setup(test_timers, begin),
      cmocka_unit_test_setup(test_discovered_beats_unknown, begin),
      cmocka_unit_test_setup(test_explicit_beats_discovered, begin),
      cmocka_unit_test_setup(test_nothing_found, begin),
      cmocka_unit_test_setup(test_an_explicit_false, begin),
      cmocka_unit_test_setup(test_ports_where_dynamic_allocation_is_found, begin),
      cmocka_unit_test_setup(test_dynamic_ports_with_an_explicit_limit, begin),
      cmocka_unit_test_setup(test_an_external_address, begin),
      cmocka_unit_test_setup(test_description, begin),
      cmocka_unit_test(test_pauses),
      cmocka_unit_test(test_refusals),
      cmocka_unit_test(test_other_statuses),
      cmocka_unit_test(test_no_answer),
  };

  return cmocka_run_group_tests_name("discovery", tests, NULL, NULL);
}
