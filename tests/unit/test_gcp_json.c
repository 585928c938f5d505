/* SPDX-License-Identifier: MIT
 *
 * Google's answers: as documented, with fields absent, unknown or of the wrong type,
 * and cut into pieces anywhere.
 */
#include "unit.h"

#include "gcp_json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Feeds the text in pieces of a size, then the end. */
static int feed(struct json_walk *walk, const char *text, size_t piece) {
  size_t size = strlen(text);
  int status = 0;

  for (size_t at = 0; at < size && status == 0; at += piece)
    status = json_walk_feed(walk, text + at, size - at < piece ? size - at : piece);
  if (status == 0)
    status = json_walk_finish(walk);
  json_walk_free(walk);
  return status;
}

static const size_t pieces[] = {1, 2, 3, 7, 64, 100000};
#define PIECES (sizeof(pieces) / sizeof(*pieces))

/* --- Token ------------------------------------------------------------------------- */

static struct gcp_token_answer token;

static int parse_token(const char *text, size_t piece) {
  struct json_walk *walk;

  gcp_token_answer_init(&token);
  assert_int_equal(0, gcp_token_walk(&token, &walk));
  return feed(walk, text, piece);
}

static void test_token(void **state) {
  (void)state;
  for (size_t i = 0; i < PIECES; i++) {
    assert_int_equal(0, parse_token("{\"access_token\":\"ya29.x\",\"expires_in\":1967,"
                                    "\"token_type\":\"Bearer\",\"new\":{\"a\":[1,{}]}}",
                                    pieces[i]));
    assert_string_equal("ya29.x", token.token);
    assert_int_equal(1967, token.expires_in);
  }
  assert_int_equal(0, parse_token("{\"expires_in\":\"55\"}", 100));
  assert_string_equal("", token.token);
  assert_int_equal(55, token.expires_in);
  assert_int_equal(0, parse_token("{\"access_token\":5,\"expires_in\":\"soon\"}", 100));
  assert_string_equal("", token.token);
  assert_int_equal(GCP_ABSENT, token.expires_in);
  assert_int_equal(0, parse_token("{\"access_token\":\"a\\nb\"}", 100));
  assert_string_equal("", token.token);
}

static void test_token_of_2048_bytes_and_one_too_long(void **state) {
  static char text[GCP_TOKEN_SIZE + 100];
  char letters[GCP_TOKEN_SIZE + 1];

  (void)state;
  memset(letters, 'x', sizeof(letters));
  snprintf(text, sizeof(text), "{\"access_token\":\"%.*s\"}", 2048, letters);
  assert_int_equal(0, parse_token(text, 13));
  assert_int_equal(2048, strlen(token.token));
  snprintf(text, sizeof(text), "{\"access_token\":\"%.*s\"}", GCP_TOKEN_SIZE, letters);
  assert_int_equal(0, parse_token(text, 13));
  assert_int_equal(0, strlen(token.token));
}

static void test_what_is_no_json(void **state) {
  static const char *const texts[] = {
      "",      "{",     "{\"access_token\":\"x\"", "<html>", "{\"a\":nope}",
      "[1,]", "{} {}", "{\"a\":\"\xff\xfe\"}",    "nul",    "\"",
  };

  (void)state;
  for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
    for (size_t piece = 0; piece < PIECES; piece++)
      assert_int_equal(-EPROTO, parse_token(texts[i], pieces[piece]));
  assert_int_equal(0, parse_token("null", 1));
  assert_int_equal(0, parse_token("[[\"access_token\"]]", 1));
  assert_string_equal("", token.token);
  assert_int_equal(0, parse_token("{\"x\":{\"access_token\":\"no\"},\"x.access_token\":"
                                  "\"no\",\"\":\"no\"}",
                                  1));
  assert_string_equal("", token.token);
}

static void test_memory_is_bounded(void **state) {
  static char text[3 * JSON_TOKEN_MAX];
  size_t at;

  (void)state;
  memset(text, '[', 2 * JSON_DEPTH_MAX);
  text[2 * JSON_DEPTH_MAX] = '\0';
  assert_int_equal(-EPROTO, parse_token(text, 5));
  at = (size_t)snprintf(text, sizeof(text), "{\"a\":\"");
  memset(text + at, 'x', JSON_TOKEN_MAX + 1);
  snprintf(text + at + JSON_TOKEN_MAX + 1, 4, "\"}");
  assert_int_equal(-EPROTO, parse_token(text, 4096));
  snprintf(text + at + JSON_TOKEN_MAX - 1, 4, "\"}");
  assert_int_equal(0, parse_token(text, 4096));
  /* Escaped quotes do not end a string. */
  for (size_t i = 0; i < JSON_TOKEN_MAX + 2; i += 2)
    memcpy(text + at + i, "\\\"", 2);
  snprintf(text + at + JSON_TOKEN_MAX + 2, 4, "\"}");
  assert_int_equal(-EPROTO, parse_token(text, 4096));
  /* Nor does anything end a number but what may follow one. */
  memset(text + 5, '1', JSON_TOKEN_MAX + 1);
  snprintf(text + 5 + JSON_TOKEN_MAX + 1, 2, "}");
  assert_int_equal(-EPROTO, parse_token(text, 4096));
}

static void test_integers(void **state) {
  static const char *const bad[] = {"", "-", "1.0", " 1", "1 ", "+1", "0x1", "1e3",
                                    "9223372036854775808"};
  int64_t number = 0;

  (void)state;
  assert_int_equal(0, json_parse_integer("9223372036854775807", 19, &number));
  assert_true(number == INT64_MAX);
  assert_int_equal(0, json_parse_integer("-12", 3, &number));
  assert_int_equal(-12, number);
  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
    assert_int_equal(-EINVAL, json_parse_integer(bad[i], strlen(bad[i]), &number));
}

/* --- Routers ------------------------------------------------------------------------- */

static struct gcp_nats nats;

static int parse_routers(const char *text, size_t piece) {
  struct json_walk *walk;

  assert_int_equal(0, gcp_router_list_walk(&nats, &walk));
  return feed(walk, text, piece);
}

/* The router's own fields come after its NATs. */
static const char two_routers[] =
    "{\"kind\":\"compute#routerList\",\"items\":[{\"nats\":[{\"name\":\"n1\",\"type\":"
    "\"PUBLIC\",\"minPortsPerVm\":\"128\",\"maxPortsPerVm\":4096,"
    "\"enableDynamicPortAllocation\":true,\"enableEndpointIndependentMapping\":false,"
    "\"tcpTimeWaitTimeoutSec\":90,\"effectiveTcpTimeWaitTimeoutSec\":30,"
    "\"tcpEstablishedIdleTimeoutSec\":600,\"tcpTransitoryIdleTimeoutSec\":20,"
    "\"udpIdleTimeoutSec\":40,\"natIps\":[\"a\",\"b\"],\"rules\":[{\"ruleNumber\":100,"
    "\"match\":\"x\",\"action\":{\"sourceNatActiveIps\":[]}},{\"description\":\"none\"},"
    "{\"ruleNumber\":200}],\"sourceSubnetworkIpRangesToNat\":"
    "\"ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES\"},{\"name\":\"n2\",\"type\":\"PRIVATE\"}],"
    "\"name\":\"r1\",\"network\":\"https://www.googleapis.com/compute/v1/projects/p/"
    "global/networks/default\"},{\"name\":\"r2\",\"network\":\"x/other\",\"bgp\":{\"asn\":"
    "64512}},{\"name\":\"r3\",\"nats\":[{\"name\":\"n3\",\"minPortsPerVm\":1.5,"
    "\"enableDynamicPortAllocation\":\"true\",\"rules\":\"none\"},{\"type\":\"PUBLIC\"}]}],"
    "\"nextPageToken\":\"more==\"}";

static void assert_first_nat(const struct gcp_nat *first) {
  assert_string_equal("r1", first->router);
  assert_string_equal("default", first->network);
  assert_string_equal("n1", first->name);
  assert_int_equal(GCP_NAT_PUBLIC, first->type);
  assert_true(first->all_subnetworks);
  assert_int_equal(128, first->min_ports);
  assert_int_equal(4096, first->max_ports);
  assert_int_equal(1, first->dynamic);
  assert_int_equal(0, first->endpoint_independent);
  assert_int_equal(90, first->time_wait);
  assert_int_equal(30, first->effective_time_wait);
  assert_int_equal(600, first->established);
  assert_int_equal(20, first->transitory);
  assert_int_equal(40, first->udp);
  assert_int_equal(2, first->rule_count);
  assert_int_equal(100, first->rules[0]);
  assert_int_equal(200, first->rules[1]);
}

static void test_routers(void **state) {
  (void)state;
  for (size_t i = 0; i < PIECES; i++) {
    gcp_nats_init(&nats);
    assert_int_equal(0, parse_routers(two_routers, pieces[i]));
    assert_int_equal(3, nats.count);
    assert_string_equal("more==", nats.page_token);
    assert_first_nat(&nats.nats[0]);
    assert_int_equal(GCP_NAT_PRIVATE, nats.nats[1].type);
    assert_string_equal("r1", nats.nats[1].router);
    assert_false(nats.nats[1].all_subnetworks);
    /* Wrong types are absent, and nothing of the NAT before is left. */
    assert_string_equal("n3", nats.nats[2].name);
    assert_string_equal("r3", nats.nats[2].router);
    assert_string_equal("", nats.nats[2].network);
    assert_int_equal(GCP_ABSENT, nats.nats[2].min_ports);
    assert_int_equal(GCP_ABSENT, nats.nats[2].dynamic);
    assert_int_equal(GCP_ABSENT, nats.nats[2].effective_time_wait);
    assert_int_equal(0, nats.nats[2].rule_count);
  }
}

static void test_pages_add_up_and_are_bounded(void **state) {
  (void)state;
  gcp_nats_init(&nats);
  for (size_t i = 0; i < GCP_NATS_MAX; i++)
    assert_int_equal(
        0, parse_routers("{\"items\":[{\"name\":\"r\",\"nats\":[{\"name\":\"n\"}]}]}", 50));
  assert_int_equal(GCP_NATS_MAX, nats.count);
  assert_int_equal(0, nats.omitted);
  assert_int_equal(0, parse_routers(two_routers, 50));
  assert_int_equal(GCP_NATS_MAX, nats.count);
  assert_int_equal(3, nats.omitted);
  assert_int_equal(0, parse_routers("{}", 50));
  assert_string_equal("", nats.page_token);
}

static void test_one_router(void **state) {
  struct json_walk *walk;

  (void)state;
  for (size_t i = 0; i < PIECES; i++) {
    gcp_nats_init(&nats);
    assert_int_equal(0, gcp_router_walk(&nats, &walk));
    assert_int_equal(0, feed(walk,
                             "{\"name\":\"r\",\"network\":\"a/b/net\",\"nats\":[{\"name\":"
                             "\"n\",\"minPortsPerVm\":64}]}",
                             pieces[i]));
    assert_int_equal(1, nats.count);
    assert_string_equal("r", nats.nats[0].router);
    assert_string_equal("net", nats.nats[0].network);
    assert_int_equal(64, nats.nats[0].min_ports);
  }
}

/* --- Mappings ------------------------------------------------------------------------ */

static struct gcp_mapping mapping;

static int parse_mapping(const char *text, size_t piece) {
  struct json_walk *walk;

  assert_int_equal(0, gcp_mapping_walk(&mapping, &walk));
  return feed(walk, text, piece);
}

#define ONE_VM(rest)                                                                     \
  "{\"result\":[{\"instanceName\":\"vm-1\",\"interfaceNatMappings\":[" rest "]}]}"

static void test_mapping(void **state) {
  (void)state;
  for (size_t i = 0; i < PIECES; i++) {
    gcp_mapping_init(&mapping, "10.0.0.2", 0);
    assert_int_equal(
        0, parse_mapping(
               ONE_VM("{\"sourceVirtualIp\":\"10.0.0.3\",\"numTotalNatPorts\":999},"
                      "{\"numTotalNatPorts\":11,\"natIpPortRanges\":[\"203.0.113.2:12345-"
                      "12350\",\"203.0.113.3:1-5\"],\"sourceAliasIpRange\":\"\","
                      "\"drainNatIpPortRanges\":[\"203.0.113.9:1-2\"],"
                      "\"numTotalDrainNatPorts\":2,\"sourceVirtualIp\":\"10.0.0.2\"}"),
               pieces[i]));
    assert_true(gcp_mapping_ports(&mapping)->found);
    assert_int_equal(11, gcp_mapping_ports(&mapping)->now);
    assert_int_equal(2, gcp_mapping_ports(&mapping)->drained);
  }
}

static void test_mapping_without_totals_counts_ranges(void **state) {
  (void)state;
  gcp_mapping_init(&mapping, "10.0.0.2", 0);
  assert_int_equal(0, parse_mapping(ONE_VM("{\"sourceVirtualIp\":\"10.0.0.2\","
                                           "\"natIpPortRanges\":[\"192.0.2.1:1024-1087\","
                                           "7,\"nonsense\",\"192.0.2.2:5-5\"]}"),
                                    100));
  assert_int_equal(65, gcp_mapping_ports(&mapping)->now);
  assert_int_equal(0, gcp_mapping_ports(&mapping)->drained);
}

static void test_mapping_of_alias_ranges(void **state) {
  const char *alias = "{\"sourceVirtualIp\":\"10.0.0.2\",\"sourceAliasIpRange\":"
                      "\"10.4.0.0/24\",\"numTotalNatPorts\":1024}";
  char text[512];

  (void)state;
  snprintf(text, sizeof(text), ONE_VM("%s"), alias);
  gcp_mapping_init(&mapping, "10.0.0.2", 0);
  assert_int_equal(0, parse_mapping(text, 100));
  assert_int_equal(1024, gcp_mapping_ports(&mapping)->now);
  snprintf(text, sizeof(text),
           ONE_VM("%s,{\"sourceVirtualIp\":\"10.0.0.2\",\"numTotalNatPorts\":\"64\"}"),
           alias);
  gcp_mapping_init(&mapping, "10.0.0.2", 0);
  assert_int_equal(0, parse_mapping(text, 100));
  assert_int_equal(64, gcp_mapping_ports(&mapping)->now);
}

static void test_mapping_of_a_rule(void **state) {
  static const char text[] =
      ONE_VM("{\"ruleMappings\":[{\"ruleNumber\":100,\"numTotalNatPorts\":32,"
             "\"numTotalDrainNatPorts\":4},{\"natIpPortRanges\":[\"192.0.2.1:1-128\"],"
             "\"ruleNumber\":200}],\"sourceVirtualIp\":\"10.0.0.2\",\"numTotalNatPorts\":64}");
  static const struct {
    int64_t rule, now, drained;
  } expected[] = {{0, 64, 0}, {100, 32, 4}, {200, 128, 0}, {300, 0, 0}};

  (void)state;
  for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
    gcp_mapping_init(&mapping, "10.0.0.2", expected[i].rule);
    assert_int_equal(0, parse_mapping(text, 9));
    assert_true(gcp_mapping_ports(&mapping)->found);
    assert_int_equal(expected[i].now, gcp_mapping_ports(&mapping)->now);
    assert_int_equal(expected[i].drained, gcp_mapping_ports(&mapping)->drained);
  }
}

static void test_mapping_of_others_and_of_nobody(void **state) {
  (void)state;
  gcp_mapping_init(&mapping, "10.0.0.2", 0);
  assert_int_equal(0, parse_mapping("{\"nextPageToken\":\"p\"}", 5));
  assert_string_equal("p", mapping.page_token);
  assert_int_equal(0, parse_mapping("{\"result\":[{}]}", 5));
  assert_int_equal(
      0, parse_mapping(ONE_VM("{\"sourceVirtualIp\":\"10.0.0.20\",\"numTotalNatPorts\":8}"),
                       5));
  assert_false(gcp_mapping_ports(&mapping)->found);
  /* Two entries of ours, on two pages. */
  for (int page = 0; page < 2; page++)
    assert_int_equal(
        0, parse_mapping(
               ONE_VM("{\"sourceVirtualIp\":\"10.0.0.2\",\"numTotalNatPorts\":8}"), 5));
  assert_int_equal(16, gcp_mapping_ports(&mapping)->now);
}

static void test_port_ranges(void **state) {
  static const struct {
    const char *text;
    int64_t ports;
  } ranges[] = {
      {"203.0.113.2:12345-12355", 11}, {"[2001:db8::1]:1-2", 0}, {"1.1.1.1:7-7", 1},
      {"1.1.1.1:7", 0},                {"1.1.1.1:9-7", 0},       {"1.1.1.1:-1-7", 0},
      {"1.1.1.1:1-99999", 0},          {"", 0},                  {":-", 0},
      {"1.1.1.1:0-65535", 65536},
  };

  (void)state;
  for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++)
    assert_int_equal(ranges[i].ports,
                     gcp_port_range_size(ranges[i].text, strlen(ranges[i].text)));
}

/* --- Series ---------------------------------------------------------------------------- */

static struct gcp_series series;

static int parse_series(const char *text, size_t piece) {
  struct json_walk *walk;

  assert_int_equal(0, gcp_series_walk(&series, &walk));
  return feed(walk, text, piece);
}

static const char three_series[] =
    "{\"timeSeries\":[{\"points\":[{\"interval\":{\"startTime\":\"x\",\"endTime\":"
    "\"2026-11-23T02:55:00Z\"},\"value\":{\"int64Value\":\"12\"}},{\"interval\":{\"endTime\":"
    "\"2026-11-23T02:54:00.123456Z\"},\"value\":{\"int64Value\":11}}],\"metric\":{\"labels\":"
    "{\"ip_protocol\":\"TCP\",\"nat_gateway_name\":\"n1\",\"reason\":\"OUT_OF_RESOURCES\"}}},"
    "{\"metric\":{\"labels\":{\"ip_protocol\":\"17\",\"nat_gateway_name\":\"n1\",\"reason\":"
    "\"new\"}},\"points\":[{\"interval\":{\"endTime\":\"2026-11-23T03:55:00+01:00\"},"
    "\"value\":{\"int64Value\":\"3\"}},{\"interval\":{\"endTime\":\"noon\"},\"value\":"
    "{\"int64Value\":\"3\"}},{\"interval\":{\"endTime\":\"2026-11-23T02:55:00Z\"},\"value\":"
    "{\"doubleValue\":3.5}}]},{\"metric\":{\"labels\":{\"nat_gateway_name\":\"n2\"}},"
    "\"points\":[{\"interval\":{\"endTime\":\"2026-11-23T02:55:00Z\"},\"value\":"
    "{\"int64Value\":\"99\"}}]}],\"nextPageToken\":\"q\",\"unit\":\"1\"}";

static void test_series(void **state) {
  int64_t end;

  (void)state;
  assert_int_equal(0, gcp_parse_time("2026-11-23T02:55:00Z", &end));
  for (size_t i = 0; i < PIECES; i++) {
    gcp_series_init(&series, "n1");
    assert_int_equal(0, parse_series(three_series, pieces[i]));
    assert_int_equal(3, series.count);
    assert_string_equal("q", series.page_token);
    assert_int_equal(GCP_TCP, series.points[0].protocol);
    assert_int_equal(GCP_OUT_OF_RESOURCES, series.points[0].reason);
    assert_int_equal(12, series.points[0].value);
    assert_true(series.points[0].end == end);
    assert_int_equal(11, series.points[1].value);
    assert_true(series.points[1].end == end - 60);
    assert_int_equal(GCP_UDP, series.points[2].protocol);
    assert_int_equal(GCP_OTHER_REASON, series.points[2].reason);
    assert_true(series.points[2].end == end);
  }
}

static void test_series_of_all_gateways_are_bounded(void **state) {
  (void)state;
  gcp_series_init(&series, "");
  assert_int_equal(0, parse_series(three_series, 100));
  assert_int_equal(4, series.count);
  for (size_t i = 0; i < GCP_POINTS_MAX; i++)
    assert_int_equal(0, parse_series(three_series, 100000));
  assert_int_equal(GCP_POINTS_MAX, series.count);
  assert_true(series.omitted > 0);
}

/* --- Errors -------------------------------------------------------------------------------- */

static void test_errors(void **state) {
  static const struct {
    const char *text;
    enum gcp_refusal refusal;
    const char *message;
  } errors[] = {
      {"{\"error\":{\"code\":403,\"message\":\"Request had insufficient authentication "
       "scopes.\",\"errors\":[{\"reason\":\"insufficientPermissions\"}],\"details\":[{"
       "\"reason\":\"ACCESS_TOKEN_SCOPE_INSUFFICIENT\"}]}}",
       GCP_REFUSED_SCOPE, "Request had insufficient authentication scopes."},
      {"{\"error\":{\"errors\":[{\"reason\":\"forbidden\"}],\"message\":\"Required "
       "'compute.routers.list' permission\"}}",
       GCP_REFUSED_PERMISSION, "Required 'compute.routers.list' permission"},
      {"{\"error\":{\"details\":[{\"reason\":\"SERVICE_DISABLED\"}],\"errors\":[{\"reason\":"
       "\"forbidden\"}]}}",
       GCP_REFUSED_DISABLED, ""},
      {"{\"error\":{\"errors\":[{\"reason\":\"rateLimitExceeded\"}]}}", GCP_REFUSED_QUOTA,
       ""},
      {"{\"error\":{\"message\":\"a\\nb\\u007fc\"}}", GCP_REFUSED_OTHERWISE, "a?b?c"},
      {"{\"error\":\"invalid\"}", GCP_REFUSED_OTHERWISE, ""},
  };

  (void)state;
  for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
    struct gcp_error error;
    struct json_walk *walk;

    gcp_error_init(&error);
    assert_int_equal(0, gcp_error_walk(&error, &walk));
    assert_int_equal(0, feed(walk, errors[i].text, 11));
    assert_int_equal(errors[i].refusal, error.refusal);
    assert_string_equal(errors[i].message, error.message);
  }
}

static void test_a_long_message_is_cut_between_characters(void **state) {
  char text[700] = "{\"error\":{\"message\":\"";
  struct gcp_error error;
  struct json_walk *walk;

  (void)state;
  for (size_t i = strlen(text); i < 600; i += 2)
    memcpy(text + i, "\xc3\xa4", 3);
  memcpy(text + strlen(text), "\"}}", 4);
  gcp_error_init(&error);
  assert_int_equal(0, gcp_error_walk(&error, &walk));
  assert_int_equal(0, feed(walk, text, 700));
  assert_int_equal(254, strlen(error.message));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_token),
      cmocka_unit_test(test_token_of_2048_bytes_and_one_too_long),
      cmocka_unit_test(test_what_is_no_json),
      cmocka_unit_test(test_memory_is_bounded),
      cmocka_unit_test(test_integers),
      cmocka_unit_test(test_routers),
      cmocka_unit_test(test_pages_add_up_and_are_bounded),
      cmocka_unit_test(test_one_router),
      cmocka_unit_test(test_mapping),
      cmocka_unit_test(test_mapping_without_totals_counts_ranges),
      cmocka_unit_test(test_mapping_of_alias_ranges),
      cmocka_unit_test(test_mapping_of_a_rule),
      cmocka_unit_test(test_mapping_of_others_and_of_nobody),
      cmocka_unit_test(test_port_ranges),
      cmocka_unit_test(test_series),
      cmocka_unit_test(test_series_of_all_gateways_are_bounded),
      cmocka_unit_test(test_errors),
      cmocka_unit_test(test_a_long_message_is_cut_between_characters),
  };

  return cmocka_run_group_tests_name("gcp_json", tests, NULL, NULL);
}
