/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "option_tree.h"
#include "probe_config.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* One more block. */
static int add(const char *inside, struct probe_config *config,
               struct option_error *error) {
  char text[4096];
  struct option *tree;
  int result;

  snprintf(text, sizeof(text), "<Plugin egress_probe>\n%s\n</Plugin>\n", inside);
  tree = option_tree_parse(text);
  assert_non_null(tree);
  error->text[0] = '\0';
  result = probe_config_parse(tree, config, error);
  option_tree_free(tree);
  return result;
}

static int parse(const char *inside, struct probe_config *config,
                 struct option_error *error) {
  probe_config_init(config);
  return add(inside, config, error);
}

/* The stanza of the manual. */
static const char whole[] = "Interval 30\n"
                            "Timeout 10\n"
                            "<Chain \"prod\">\n"
                            "  Hops \"pod-proxy\" \"gce-proxy\"\n"
                            "  Mode \"cascade\"\n"
                            "  Direct false\n"
                            "  <Target \"github\">\n"
                            "    URL \"https://github.com/\"\n"
                            "    ExpectStatus \"200-399\"\n"
                            "    Header \"X-Key: abc\"\n"
                            "  </Target>\n"
                            "  <Target \"db\">\n"
                            "    URL \"tcp://[2001:db8::5]:5432\"\n"
                            "  </Target>\n"
                            "  <Control \"google\">\n"
                            "    URL \"https://storage.googleapis.com/\"\n"
                            "  </Control>\n"
                            "</Chain>\n"
                            "<Hop \"pod-proxy\">\n"
                            "  URL \"http://egress-proxy.proxy.svc:3128\"\n"
                            "  ConnectTimeout 1.5\n"
                            "</Hop>\n"
                            "<Hop \"gce-proxy\">\n"
                            "  URL \"https://10.128.0.9\"\n"
                            "  User \"probe\"\n"
                            "  PasswordFile \"/etc/collectd/egress.secret\"\n"
                            "</Hop>\n";

static void test_whole_stanza(void **state) {
  struct probe_config config;
  struct option_error error;
  const struct probe_chain *chain;
  char endpoint[64];

  (void)state;
  assert_int_equal(0, parse(whole, &config, &error));
  assert_int_equal(2, config.verdict_after);
  assert_int_equal(10, config.ladder_every);
  assert_true(config.histogram);
  chain = &config.chains[0];
  assert_int_equal(2, chain->hop_count);
  assert_string_equal("gce-proxy", config.hops[chain->hops[1]].name);
  assert_int_equal(443, config.hops[chain->hops[1]].url.port);
  assert_int_equal(1500 * NANOSECONDS_PER_MILLISECOND, config.hops[0].connect_timeout);
  assert_true(chain->ladder);
  assert_int_equal(3, chain->target_count);
  assert_true(chain->targets[2].control);
  assert_true(expectation_status_met(&chain->targets[0].expectation, 302));
  assert_false(expectation_status_met(&chain->targets[0].expectation, 404));
  assert_true(expectation_status_met(&chain->targets[2].expectation, 400));
  assert_string_equal("http://[2001:db8::5]:5432/", chain->targets[1].url.text);
  assert_string_equal("[2001:db8::5]:5432",
                      probe_url_endpoint(&chain->targets[1].url, endpoint, 64));
  assert_int_equal(0, probe_config_settle(&config, 10 * NANOSECONDS_PER_SECOND, true, &error));
  assert_int_equal(30 * NANOSECONDS_PER_SECOND, chain->interval);
  assert_int_equal(10 * NANOSECONDS_PER_SECOND, chain->timeout);
  probe_config_clear(&config);
}

#define HOP "<Hop \"h\">\nURL \"http://10.0.0.1:3128\"\n</Hop>\n"
#define TARGET "<Target \"t\">\nURL \"https://example.com/\"\n</Target>\n"
#define CHAIN(inside) "<Chain \"c\">\n" inside TARGET "</Chain>\n"
#define IN_TARGET(inside)                                                                \
  "<Chain \"c\">\n<Target \"t\">\n" inside "</Target>\n</Chain>\n"
#define IN_HOP(inside) "<Hop \"h\">\n" inside "</Hop>\n"
#define URL "URL \"https://example.com/\"\n"

static const struct {
  const char *inside;
  const char *says[3]; /* parts of the line */
} mistakes[] = {
    {"Intervall 3\n", {"Intervall", "allowed here: Interval, Timeout"}},
    {"Timeout \"soon\"\n", {"Timeout \"soon\"", "0.01"}},
    {"Interval 0\n", {"Interval 0", "86400"}},
    {"VerdictAfter 0\n", {"VerdictAfter 0", "from 1"}},
    {CHAIN("Mode \"twice\"\n"),
     {"<Chain \"c\"> Mode \"twice\"", "\"cascade\" or \"nested\""}},
    {CHAIN("Hops \"x\"\n"), {"no <Hop \"x\">"}},
    {HOP CHAIN("Hops \"h\" \"h\"\n"), {"Hops", "twice"}},
    {"<Chain \"c\">\n</Chain>\n", {"Chain \"c\"", "at least one <Target"}},
    {"<Chain \"a:b\">\n" TARGET "</Chain>\n", {"':'"}},
    {CHAIN("") CHAIN(""), {"Chain \"c\"", "already"}},
    {HOP HOP, {"Hop \"h\"", "already"}},
    {CHAIN(TARGET), {"Target \"t\"", "already"}},
    {"<Hop \"egress\">\nURL \"http://10.0.0.1:3128\"\n</Hop>\n", {"reserved"}},
    {"<Hop \"unknown\">\nURL \"http://10.0.0.1:3128\"\n</Hop>\n", {"reserved"}},
    {IN_HOP(""), {"URL is missing"}},
    {IN_HOP("URL \"ftp://x\"\n"), {"URL \"ftp://x\"", "socks5h://"}},
    {IN_HOP("URL \"http://10.0.0.1:3128/path\"\n"), {"nothing after it"}},
    {IN_HOP("URL \"http://x:3128\"\nPasswordFile \"/p\"\n"), {"without User"}},
    {IN_HOP("URL \"http://x:3128\"\nClientKey \"/k\"\n"), {"without ClientCert"}},
    {IN_HOP("URL \"socks5h://x\"\nProxyHeader \"A: b\"\n"), {"ProxyHeader"}},
    {IN_TARGET(""), {"Target \"t\"", "URL is missing"}},
    {IN_TARGET("URL \"tcp://x\"\n"), {"expected a port"}},
    {IN_TARGET("URL \"tcp://x:1\"\nExpectBody \"a\"\n"), {"only connected to"}},
    {IN_TARGET("URL \"https://\"\n"), {"URL"}},
    {IN_TARGET("URL \"https://x/#a\"\n"), {"fragment"}},
    {IN_TARGET(URL "ExpectStatus \"2xx\"\n"), {"ExpectStatus \"2xx\"", "200-399"}},
    {IN_TARGET(URL "ExpectBody \"(\"\n"), {"ExpectBody", "regular expression"}},
    {IN_TARGET(URL "ExpectBody \"a\"\nMethod \"HEAD\"\n"), {"needs a body"}},
    {IN_TARGET(URL "Body \"a\"\nMethod \"HEAD\"\n"), {"Body is not sent", "HEAD"}},
    {IN_TARGET(URL "SourceAddress \"::1\"\nAddressFamily \"ipv4\"\n"),
     {"SourceAddress \"::1\"", "same family"}},
    {IN_TARGET(URL "SourceAddress \"10.0.0.1\"\nAddressFamily \"ipv6\"\n"),
     {"SourceAddress \"10.0.0.1\"", "same family"}},
    {IN_TARGET(URL "MaxBody -1\n"), {"MaxBody -1", "from 0"}},
    {IN_TARGET(URL "Method \"CONNECT\"\n"), {"Method"}},
    {IN_TARGET(URL "Method \"get\"\n"), {"capitals"}},
    {IN_TARGET(URL "AddressFamily \"ipv5\"\n"), {"\"any\" or \"ipv4\" or \"ipv6\""}},
    {IN_TARGET(URL "SourceAddress \"eth0\"\n"), {"IPv4 or IPv6 address"}},
    {IN_TARGET(URL "VerifyPeer \"yes\"\n"), {"true or false"}},
    {IN_TARGET(URL URL), {"given twice"}},
};

static void test_mistakes(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
    struct probe_config config;
    struct option_error error;
    int result = parse(mistakes[i].inside, &config, &error);

    if (result != -EINVAL)
      fail_msg("accepted: %s", mistakes[i].inside);
    assert_non_null(strstr(error.text, "<Plugin"));
    for (size_t j = 0; j < 3 && mistakes[i].says[j]; j++)
      if (!strstr(error.text, mistakes[i].says[j]))
        fail_msg("\"%s\" is not in \"%s\"", mistakes[i].says[j], error.text);
    probe_config_clear(&config);
  }
}

static void test_secrets_are_not_shown(void **state) {
  static const char *const with_secret[] = {
      IN_HOP("URL \"http://user:s3cret@10.0.0.1:3128\"\n"),
      IN_HOP("URL \"http://s3cret@10.0.0.1:3128\"\n"),
      IN_HOP("URL \"nonsense://user:s3cret@10.0.0.1:3128\"\n"),
      IN_HOP("URL \"http://x:1\"\nProxyHeader \"s3cret\"\n"),
      IN_TARGET("URL \"https://user:s3cret@example.com/\"\n"),
      IN_TARGET(URL "Header \"s3cret\"\n"),
      IN_TARGET(URL "Header \"A: s3cret\" \"b\"\n"),
      IN_TARGET(URL "Password \"s3cret\"\n"),
  };

  (void)state;
  for (size_t i = 0; i < sizeof(with_secret) / sizeof(with_secret[0]); i++) {
    struct probe_config config;
    struct option_error error;

    assert_int_equal(-EINVAL, parse(with_secret[i], &config, &error));
    if (strstr(error.text, "s3cret"))
      fail_msg("%s", error.text);
    probe_config_clear(&config);
  }
}

/* 127 bytes are collectd's limit for `chain:target` and for `proxy_tls-HOP`. */
static void test_long_instances_are_refused(void **state) {
  struct probe_config config;
  struct option_error error;
  char text[1024], name[128];

  (void)state;
  memset(name, 'n', sizeof(name));
  for (size_t length = 110; length < sizeof(name); length++) {
    int fits_target = 4 + 1 + length <= 127 ? 0 : -EINVAL;
    int fits_hop = strlen("proxy_tls-") + length <= 127 ? 0 : -EINVAL;

    snprintf(text, sizeof(text), "<Chain \"prod\">\n<Target \"%.*s\">\n" URL
             "</Target>\n</Chain>\n", (int)length, name);
    assert_int_equal(fits_target, parse(text, &config, &error));
    probe_config_clear(&config);
    snprintf(text, sizeof(text), "<Hop \"%.*s\">\nURL \"http://x:1\"\n</Hop>\n",
             (int)length, name);
    assert_int_equal(fits_hop, parse(text, &config, &error));
    probe_config_clear(&config);
  }
}

static void test_time_limits_must_fit(void **state) {
  struct probe_config config;
  struct option_error error;

  (void)state;
  assert_int_equal(0, parse("Retries 1\n" CHAIN(""), &config, &error));
  assert_int_equal(0, probe_config_settle(&config, 30 * NANOSECONDS_PER_SECOND, true, &error));
  assert_int_equal(8 * NANOSECONDS_PER_SECOND, config.chains[0].timeout);
  assert_int_equal(24 * NANOSECONDS_PER_SECOND,
                   probe_chain_busy(&config, &config.chains[0]));
  probe_config_clear(&config);

  assert_int_equal(0, parse("Timeout 6\n" CHAIN("Interval 10\n"), &config, &error));
  assert_int_equal(-EINVAL, probe_config_settle(&config, NANOSECONDS_PER_SECOND, true, &error));
  assert_non_null(strstr(error.text, "<Chain \"c\">"));
  assert_non_null(strstr(error.text, "Timeout 6"));
  assert_non_null(strstr(error.text, "Interval 10"));
  probe_config_clear(&config);

  assert_int_equal(0, parse("Timeout 6\n" CHAIN("Interval 10\nLadder false\n"), &config,
                            &error));
  assert_int_equal(0, probe_config_settle(&config, NANOSECONDS_PER_SECOND, true, &error));
  probe_config_clear(&config);
}

/* As collectd hands them over, and settled after each; `failing` is where it fails. */
static void check_blocks(const char *const *blocks, size_t count, size_t failing,
                         struct probe_config *config, struct option_error *error) {
  probe_config_init(config);
  for (size_t i = 0; i < count; i++) {
    int result = add(blocks[i], config, error);

    if (result == 0)
      result = probe_config_settle(config, 10 * NANOSECONDS_PER_SECOND, false, error);
    assert_int_equal(i == failing ? -EINVAL : 0, result);
    if (i == failing)
      return;
  }
  assert_int_equal(
      failing == count ? -EINVAL : 0,
      probe_config_settle(config, 10 * NANOSECONDS_PER_SECOND, true, error));
}

#define FINE SIZE_MAX

/* Every order of three blocks that only fit together. */
static void test_several_blocks_in_any_order(void **state) {
  static const char *const blocks[] = {"Interval 60\nRetries 1\n", "Timeout 20\n",
                                       CHAIN("")};
  static const size_t orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

  (void)state;
  for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
    const char *order[3];
    struct probe_config config;
    struct option_error error;

    for (size_t j = 0; j < 3; j++)
      order[j] = blocks[orders[i][j]];
    check_blocks(order, 3, FINE, &config, &error);
    assert_int_equal(60 * NANOSECONDS_PER_SECOND, config.chains[0].interval);
    assert_int_equal(20 * NANOSECONDS_PER_SECOND, config.chains[0].timeout);
    probe_config_clear(&config);
  }
}

static void test_defaults_wait_for_the_last_block(void **state) {
  static const char *const late[] = {CHAIN("") "<Chain \"own\">\nInterval 30\n" TARGET
                                              "</Chain>\n",
                                     "Interval 60\n", "Retries 2\n"};
  struct probe_config config;
  struct option_error error;

  (void)state;
  check_blocks(late, 3, FINE, &config, &error);
  assert_int_equal(60 * NANOSECONDS_PER_SECOND, config.chains[0].interval);
  assert_int_equal(12 * NANOSECONDS_PER_SECOND, config.chains[0].timeout);
  assert_int_equal(30 * NANOSECONDS_PER_SECOND, config.chains[1].interval);
  assert_int_equal(6 * NANOSECONDS_PER_SECOND, config.chains[1].timeout);
  probe_config_clear(&config);
}

/* As early as it is certain. */
static void test_blocks_that_do_not_fit(void **state) {
  static const char *const own_interval[] = {"Timeout 20\n", CHAIN("Interval 30\n"), ""};
  static const char *const never_given[] = {"Timeout 20\n" CHAIN(""), "VerdictAfter 3\n"};
  static const char *const retries[] = {"Interval 60\nTimeout 20\n" CHAIN(""),
                                        "Retries 2\n"};
  static const char *const twice[] = {"Interval 60\n" CHAIN(""), "interval 60\n"};
  struct probe_config config;
  struct option_error error;

  (void)state;
  check_blocks(own_interval, 3, 1, &config, &error);
  probe_config_clear(&config);
  check_blocks(never_given, 2, 2, &config, &error);
  assert_non_null(strstr(error.text, "Timeout 20 does not fit into Interval 10"));
  probe_config_clear(&config);
  check_blocks(retries, 2, 1, &config, &error);
  assert_non_null(strstr(error.text, "3 attempt(s) and the ladder need 80 s"));
  probe_config_clear(&config);
  check_blocks(twice, 2, 1, &config, &error);
  assert_non_null(strstr(error.text, "interval 60: given in an earlier"));
  probe_config_clear(&config);
}

/* 120 s over 30 s: four ports for each target; a ladder every tenth round enters
 * at two more places. */
static void test_port_cost(void **state) {
  static const char two_chains[] =
      "Interval 30\n" HOP "<Hop \"g\">\nURL \"http://x:1\"\n</Hop>\n"
      "<Chain \"a\">\nHops \"h\" \"g\"\nDirect true\n"
      "<Target \"one\">\nURL \"https://example.com/a\"\n</Target>\n"
      "<Target \"two\">\nURL \"https://EXAMPLE.com/b\"\n</Target>\n"
      "<Target \"three\">\nURL \"https://example.net/\"\n</Target>\n"
      "<Control \"four\">\nURL \"https://example.com/\"\n</Control>\n</Chain>\n"
      "<Chain \"b\">\nLadder false\n<Target \"t\">\nURL \"https://example.com/\"\n"
      "</Target>\n</Chain>\n";
  struct probe_config config;
  struct option_error error;
  struct probe_port_cost cost;

  (void)state;
  assert_int_equal(0, parse(two_chains, &config, &error));
  assert_int_equal(0, probe_config_settle(&config, NANOSECONDS_PER_SECOND, true, &error));
  cost = probe_config_port_cost(&config, 120 * NANOSECONDS_PER_SECOND);
  assert_string_equal("example.com", cost.url->host);
  assert_true(fabs(cost.ports - (2 * 4 * 1.2 + 4)) < 1e-9);
  probe_config_clear(&config);

  probe_config_init(&config);
  assert_null(probe_config_port_cost(&config, NANOSECONDS_PER_SECOND).url);
  probe_config_clear(&config);
}

static void test_same_origin(void **state) {
  (void)state;
  assert_true(probe_url_same_origin("https://a.example/x", "https://A.example:443/y?z"));
  assert_false(probe_url_same_origin("https://a.example/", "https://b.example/"));
  assert_false(probe_url_same_origin("https://a.example/", "http://a.example/"));
  assert_false(probe_url_same_origin("https://a.example/", "https://a.example:444/"));
  assert_false(probe_url_same_origin("https://a.example/", "nonsense"));
}

static void test_expectations(void **state) {
  struct expectation expectation = {0};
  char complaint[64];
  static const char body[] = "one\0two\nthree";

  (void)state;
  assert_true(expectation_status_met(&expectation, 500));
  assert_int_equal(0, expectation_set_status(&expectation, "200, 204 ,301-308"));
  assert_true(expectation_status_met(&expectation, 204));
  assert_true(expectation_status_met(&expectation, 308));
  assert_false(expectation_status_met(&expectation, 201));
  assert_int_equal(-EINVAL, expectation_set_status(&expectation, "200,"));
  assert_int_equal(-EINVAL, expectation_set_status(&expectation, "399-200"));
  assert_int_equal(-EINVAL, expectation_set_status(&expectation, "99"));
  assert_int_equal(-EINVAL, expectation_set_status(&expectation, "2000"));
  assert_true(expectation_status_met(&expectation, 204)); /* the old ones stay */
  assert_true(expectation_body_met(&expectation, NULL, 0));
  assert_int_equal(0, expectation_set_body(&expectation, "^(three|3)$", complaint, 64));
  assert_true(expectation_body_met(&expectation, body, sizeof(body) - 1));
  assert_false(expectation_body_met(&expectation, body, 9)); /* "one\0two\nt" */
  assert_false(expectation_body_met(&expectation, NULL, 0));
  expectation_clear(&expectation);
}

/* Each would backtrace for minutes, or without end. */
static void test_a_hostile_body_cannot_hold_a_match_up(void **state) {
  static const char *const patterns[] = {"(a+)+$b", "(a+)\\1b", "(a|aa)+c"};
  static char body[65536];

  (void)state;
  memset(body, 'a', sizeof(body));
  for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
    struct expectation expectation = {0};
    char complaint[64];

    assert_int_equal(0, expectation_set_body(&expectation, patterns[i], complaint, 64));
    assert_false(expectation_body_met(&expectation, body, sizeof(body)));
    expectation_clear(&expectation);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_whole_stanza),
      cmocka_unit_test(test_mistakes),
      cmocka_unit_test(test_secrets_are_not_shown),
      cmocka_unit_test(test_long_instances_are_refused),
      cmocka_unit_test(test_time_limits_must_fit),
      cmocka_unit_test(test_several_blocks_in_any_order),
      cmocka_unit_test(test_defaults_wait_for_the_last_block),
      cmocka_unit_test(test_blocks_that_do_not_fit),
      cmocka_unit_test(test_port_cost),
      cmocka_unit_test(test_same_origin),
      cmocka_unit_test(test_expectations),
      cmocka_unit_test(test_a_hostile_body_cannot_hold_a_match_up),
  };

  return cmocka_run_group_tests_name("probe configuration", tests, NULL, NULL);
}
