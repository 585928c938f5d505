/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "parts.h"
#include "verdict.h"

#include <errno.h>
#include <string.h>

/* A case says only what it is about. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define THROUGH .hop = 0
#define STRAIGHT .hop = OUTCOME_NO_HOP
#define GOOD .status_met = true, .body_met = true

static const struct outcome_case {
  const char *title;
  struct attempt attempt;
  enum result result;
  int hop, status;
} cases[] = {
    {"good", {ENDING_DONE, PHASE_TRANSFER, THROUGH, .status = 200, GOOD}, RESULT_OK, -1, 200},
    {"tcp", {ENDING_DONE, PHASE_CONNECT, STRAIGHT, GOOD}, RESULT_OK, -1, 0},
    {"resolver", {ENDING_RESOLVE, PHASE_DNS, THROUGH}, RESULT_DNS, 0, 0},
    {"slow resolver", {ENDING_TIMEOUT, PHASE_DNS, STRAIGHT}, RESULT_DNS, -1, 0},
    {"refused", {ENDING_CONNECT, PHASE_CONNECT, THROUGH, .system_error = ECONNREFUSED},
     RESULT_REFUSED, 0, 0},
    {"icmp", {ENDING_CONNECT, PHASE_CONNECT, THROUGH, .system_error = EHOSTUNREACH},
     RESULT_UNREACHABLE, 0, 0},
    {"no route",
     {ENDING_CONNECT, PHASE_CONNECT, THROUGH, .system_error = ENETUNREACH, .no_route = true},
     RESULT_LOCAL, 0, 0},
    {"no local port", {ENDING_CONNECT, PHASE_CONNECT, THROUGH, .system_error = EADDRNOTAVAIL},
     RESULT_LOCAL, 0, 0},
    {"own packet filter", {ENDING_CONNECT, PHASE_CONNECT, THROUGH, .system_error = EPERM},
     RESULT_LOCAL, 0, 0},
    {"no descriptor",
     {ENDING_CONNECT, PHASE_CONNECT, THROUGH, .no_socket = true, .system_error = EMFILE},
     RESULT_LOCAL, 0, 0},
    {"silent", {ENDING_TIMEOUT, PHASE_CONNECT, THROUGH}, RESULT_CONNECT_TIMEOUT, 0, 0},
    {"silent, after another family failed",
     {ENDING_TIMEOUT, PHASE_CONNECT, THROUGH, .system_error = ENETUNREACH},
     RESULT_CONNECT_TIMEOUT, 0, 0},
    {"silent, says the kernel",
     {ENDING_CONNECT, PHASE_CONNECT, THROUGH, .system_error = ETIMEDOUT},
     RESULT_CONNECT_TIMEOUT, 0, 0},
    {"proxy's certificate", {ENDING_CERTIFICATE, PHASE_PROXY_TLS, THROUGH},
     RESULT_CERTIFICATE, 0, 0},
    {"proxy's TLS", {ENDING_TLS, PHASE_PROXY_TLS, THROUGH}, RESULT_TLS, 0, 0},
    {"403", {ENDING_OTHER, PHASE_TUNNEL, THROUGH, .connect_status = 403},
     RESULT_PROXY_DENIED, 0, 403},
    {"407, as 8.20 says it", {ENDING_CONNECT, PHASE_TUNNEL, THROUGH, .connect_status = 407},
     RESULT_PROXY_DENIED, 0, 407},
    {"503", {ENDING_OTHER, PHASE_TUNNEL, THROUGH, .connect_status = 503},
     RESULT_PROXY_ERROR, 0, 503},
    {"hang", {ENDING_TIMEOUT, PHASE_TUNNEL, THROUGH}, RESULT_TUNNEL_TIMEOUT, 0, 0},
    {"garbage", {ENDING_NOT_HTTP, PHASE_TUNNEL, THROUGH}, RESULT_PROXY_ERROR, 0, 0},
    {"closed", {ENDING_OTHER, PHASE_TUNNEL, THROUGH}, RESULT_PROXY_ERROR, 0, 0},
    {"200, and headers without end",
     {ENDING_OTHER, PHASE_TUNNEL, THROUGH, .connect_status = 200}, RESULT_PROXY_ERROR, 0, 0},
    {"200, and hangs in the headers",
     {ENDING_TIMEOUT, PHASE_TUNNEL, THROUGH, .connect_status = 200},
     RESULT_TUNNEL_TIMEOUT, 0, 0},
    {"403, and hangs in the page",
     {ENDING_TIMEOUT, PHASE_TUNNEL, THROUGH, .connect_status = 403},
     RESULT_PROXY_DENIED, 0, 403},
    {"tcp through a tunnel",
     {ENDING_DONE, PHASE_TUNNEL, THROUGH, .connect_status = 200, GOOD}, RESULT_OK, 0, 200},
    {"resolver without a descriptor",
     {ENDING_RESOLVE, PHASE_DNS, THROUGH, .no_socket = true, .system_error = EMFILE},
     RESULT_LOCAL, 0, 0},
    {"SOCKS ruleset", {ENDING_SOCKS_DENIED, PHASE_CONNECT, THROUGH}, RESULT_PROXY_DENIED, 0, 0},
    {"SOCKS failure", {ENDING_SOCKS, PHASE_CONNECT, THROUGH}, RESULT_PROXY_ERROR, 0, 0},
    {"certificate", {ENDING_CERTIFICATE, PHASE_TLS, THROUGH}, RESULT_CERTIFICATE, -1, 0},
    {"TLS cut", {ENDING_TLS, PHASE_TLS, THROUGH}, RESULT_TLS, -1, 0},
    {"TLS hangs", {ENDING_TIMEOUT, PHASE_TLS, THROUGH}, RESULT_TIMEOUT, -1, 0},
    {"our CA file", {ENDING_OWN, PHASE_CONNECT, THROUGH}, RESULT_LOCAL, 0, 0},
    {"slow answer", {ENDING_TIMEOUT, PHASE_TTFB, THROUGH}, RESULT_TIMEOUT, -1, 0},
    {"slow body", {ENDING_TIMEOUT, PHASE_TRANSFER, STRAIGHT, .status = 200}, RESULT_TIMEOUT,
     -1, 200},
    {"target closes", {ENDING_OTHER, PHASE_TTFB, STRAIGHT}, RESULT_OTHER, -1, 0},
    {"plain: proxy closes", {ENDING_OTHER, PHASE_TTFB, THROUGH, .plain_proxy = true},
     RESULT_PROXY_ERROR, 0, 0},
    {"plain: nonsense", {ENDING_NOT_HTTP, PHASE_TTFB, THROUGH, .plain_proxy = true},
     RESULT_PROXY_ERROR, 0, 0},
    {"plain: proxy's 503",
     {ENDING_DONE, PHASE_TRANSFER, THROUGH, .plain_proxy = true, .status = 503,
      .answer.from_proxy = true, .body_met = true},
     RESULT_PROXY_ERROR, 0, 503},
    {"plain: proxy's 403",
     {ENDING_DONE, PHASE_TRANSFER, THROUGH, .plain_proxy = true, .status = 403,
      .answer.from_proxy = true, .body_met = true},
     RESULT_PROXY_DENIED, 0, 403},
    {"plain: 407 is a proxy's",
     {ENDING_DONE, PHASE_TRANSFER, THROUGH, .plain_proxy = true, .status = 407},
     RESULT_PROXY_DENIED, 0, 407},
    {"plain: target's 503",
     {ENDING_DONE, PHASE_TRANSFER, THROUGH, .plain_proxy = true, .status = 503},
     RESULT_STATUS, -1, 503},
    {"in a tunnel no header makes it a proxy's",
     {ENDING_DONE, PHASE_TRANSFER, THROUGH, .status = 503, .answer.from_proxy = true},
     RESULT_STATUS, -1, 503},
    {"body", {ENDING_DONE, PHASE_TRANSFER, THROUGH, .status = 200, .status_met = true},
     RESULT_BODY, -1, 200},
    {"redirects", {ENDING_REDIRECTS, PHASE_TRANSFER, STRAIGHT, .status = 302}, RESULT_STATUS,
     -1, 302},
};

static void test_cases(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct outcome outcome = outcome_of(&cases[i].attempt);

    if (outcome.result != cases[i].result || outcome.hop != cases[i].hop ||
        outcome.status != cases[i].status)
      fail_msg("%s: %s at hop %d with %d", cases[i].title, result_names[outcome.result],
               outcome.hop, outcome.status);
  }
}

static void test_description(void **state) {
  const struct outcome denied = {
      RESULT_PROXY_ERROR, PHASE_TUNNEL, 0, 503, 0, PROXY_REASON_DNS};
  const struct outcome status = {RESULT_STATUS, PHASE_TRANSFER, -1, 404, 0,
                                 PROXY_REASON_NONE};
  const struct outcome local = {RESULT_LOCAL, PHASE_CONNECT, 0, 0, EMFILE,
                                PROXY_REASON_NONE};
  char text[80];

  (void)state;
  assert_string_equal("CONNECT answered 503 (could not resolve the name)",
                      outcome_describe(&denied, text, sizeof(text)));
  assert_string_equal("answered 404", outcome_describe(&status, text, sizeof(text)));
  assert_non_null(strstr(outcome_describe(&local, text, sizeof(text)), "descriptors"));
  for (int result = 0; result < RESULT_COUNT; result++) {
    const struct outcome any = {.result = (enum result)result};

    assert_true(strlen(result_names[result]) > 0);
    assert_true(strlen(outcome_describe(&any, text, sizeof(text))) > 0);
  }
}

/* --- Headers -------------------------------------------------------------------- */

static struct proxy_answer answer_of(const char *first, const char *second) {
  struct proxy_answer answer = {0};

  proxy_answer_add(&answer, first, strlen(first));
  if (second)
    proxy_answer_add(&answer, second, strlen(second));
  return answer;
}

static void test_proxies_reasons(void **state) {
  static const struct {
    const char *line;
    enum proxy_reason reason;
  } lines[] = {
      {"X-Squid-Error: ERR_CONNECT_FAIL 111\r\n", PROXY_REASON_REFUSED},
      {"x-squid-error:ERR_CONNECT_FAIL 110", PROXY_REASON_CONNECT_TIMEOUT},
      {"X-Squid-Error: ERR_CONNECT_FAIL 5", PROXY_REASON_CONNECT_FAILED},
      {"X-Squid-Error: ERR_DNS_FAIL 0", PROXY_REASON_DNS},
      {"X-Squid-Error: ERR_CANNOT_FORWARD 0", PROXY_REASON_CANNOT_FORWARD},
      {"X-Squid-Error: ERR_ACCESS_DENIED 0", PROXY_REASON_DENIED},
      {"X-Squid-Error: secret\x1b[0m", PROXY_REASON_INTERNAL},
      {"Proxy-Status: p.example; error=connection_timeout", PROXY_REASON_CONNECT_TIMEOUT},
      {"Proxy-Status: a;error=dns_error;details=\"x\", b; received-status=503",
       PROXY_REASON_DNS},
      {"Proxy-Status: \"a; error=dns_error\"; error=tls_alert_received", PROXY_REASON_TLS},
      {"Proxy-Status: a; details=\"; error=dns_error\"", PROXY_REASON_NONE},
      {"Proxy-Status: a; xerror=dns_error", PROXY_REASON_NONE},
      {"Via: 1.1 child", PROXY_REASON_NONE},
      {"X-Squid-Error", PROXY_REASON_NONE},
      {"", PROXY_REASON_NONE},
  };

  (void)state;
  for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
    struct proxy_answer answer = answer_of(lines[i].line, NULL);

    if (answer.reason != lines[i].reason ||
        answer.from_proxy != (lines[i].reason != PROXY_REASON_NONE))
      fail_msg("%s: reason %d", lines[i].line, answer.reason);
  }
}

static void test_via_counts_proxies(void **state) {
  (void)state;
  assert_int_equal(1, answer_of("Via: 1.1 child (squid/5.7)", NULL).via);
  assert_int_equal(2, answer_of("via: 1.1 parent (squid, 5), 1.1 child", NULL).via);
  assert_int_equal(3, answer_of("Via: 1.1 a,1.1 b", "Via: 1.1 c\r\n").via);
  assert_int_equal(0, answer_of("Via: , ,", NULL).via);
  assert_int_equal(0, answer_of("Viable: 1.1 a", NULL).via);
}

static void test_status_lines(void **state) {
  static const struct {
    const char *line;
    int status;
  } lines[] = {
      {"HTTP/1.1 200 Connection established\r\n", 200},
      {"HTTP/1.0 503", 503},
      {"HTTP/2 403 \r\n", 403},
      {"HTTP/1.1 20", 0},
      {"HTTP/1.1 2x0 OK", 0},
      {"HTTP/1.1 999 X", 0},
      {"HTTP/1.1", 0},
      {"SSH-2.0-OpenSSH", 0},
      {"", 0},
  };

  (void)state;
  for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
    assert_int_equal(lines[i].status,
                     status_line_parse(lines[i].line, strlen(lines[i].line)));
}

/* --- Parts ------------------------------------------------------------------------- */

/* '1' worked, '0' failed, '-' not reached: hops a, b, then egress, target. */
static void assert_parts(const char *expected, struct outcome outcome, int location) {
  enum part_state states[PARTS_OF(2)];
  char found[] = "----";

  parts_of(&outcome, 2, location, states);
  for (size_t i = 0; i < PARTS_OF(2); i++)
    found[i] = "-01"[states[i]];
  assert_string_equal(expected, found);
}

static void test_parts(void **state) {
  const struct outcome ok = {.result = RESULT_OK, .phase = PHASE_TRANSFER, .hop = -1};
  const struct outcome refused = {.result = RESULT_REFUSED, .phase = PHASE_CONNECT};
  const struct outcome tunnel = {
      .result = RESULT_PROXY_ERROR, .phase = PHASE_TUNNEL, .status = 503};
  const struct outcome status = {
      .result = RESULT_STATUS, .phase = PHASE_TRANSFER, .hop = -1};
  const struct outcome local = {.result = RESULT_LOCAL, .phase = PHASE_CONNECT};

  (void)state;
  assert_parts("1111", ok, VERDICT_NONE);
  assert_parts("1111", ok, VERDICT_TARGET); /* of another target */
  assert_parts("0---", refused, VERDICT_HOP);
  assert_parts("10--", tunnel, VERDICT_HOP + 1);
  assert_parts("0---", tunnel, VERDICT_HOP);
  assert_parts("110-", tunnel, VERDICT_EGRESS);
  assert_parts("1110", tunnel, VERDICT_TARGET);
  assert_parts("----", tunnel, VERDICT_UNKNOWN);
  assert_parts("1110", status, VERDICT_UNKNOWN);
  assert_parts("----", local, VERDICT_LOCAL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_cases),          cmocka_unit_test(test_description),
      cmocka_unit_test(test_proxies_reasons), cmocka_unit_test(test_via_counts_proxies),
      cmocka_unit_test(test_status_lines),   cmocka_unit_test(test_parts),
  };

  return cmocka_run_group_tests_name("probe outcome", tests, NULL, NULL);
}
