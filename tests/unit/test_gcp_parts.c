/* SPDX-License-Identifier: MIT
 *
 * The small models around discovery: token, URLs, history, figures.
 */
#include "unit.h"

#include "estimate_history.h"
#include "gateway_figures.h"
#include "gcp_token.h"
#include "gcp_url.h"

#include <errno.h>
#include <string.h>

#define SECONDS(n) ((n)*NANOSECONDS_PER_SECOND)

/* --- Token --------------------------------------------------------------------------- */

static void test_a_token_is_kept_until_it_expires(void **state) {
  struct gcp_token_answer answer = {.token = "ya29.abcdefghijklmnop", .expires_in = 300};
  struct gcp_token token = {0};

  (void)state;
  assert_null(gcp_token_get(&token, 0));
  assert_false(gcp_token_is_in(&token, "anything"));
  assert_int_equal(0, gcp_token_set(&token, &answer, SECONDS(1000)));
  assert_string_equal("", answer.token);
  assert_string_equal("ya29.abcdefghijklmnop", gcp_token_get(&token, SECONDS(1239)));
  assert_null(gcp_token_get(&token, SECONDS(1240)));
  assert_true(gcp_token_is_in(&token, "you sent ya29.abcdefghijk"));
  assert_false(gcp_token_is_in(&token, "you sent nothing"));
  gcp_token_forget(&token);
  assert_string_equal("", token.text);
}

static void test_what_is_no_token(void **state) {
  static const struct gcp_token_answer answers[] = {
      {.token = "", .expires_in = 300},
      {.token = "with blank", .expires_in = 300},
      {.token = "\xc3\xa4", .expires_in = 300},
      {.token = "good", .expires_in = GCP_ABSENT},
      {.token = "good", .expires_in = INT64_MAX},
  };

  (void)state;
  for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
    struct gcp_token_answer answer = answers[i];
    struct gcp_token token = {.text = "old", .until = INT64_MAX};

    assert_int_equal(-EINVAL, gcp_token_set(&token, &answer, 0));
    assert_string_equal("", token.text);
  }
}

/* --- URLs ------------------------------------------------------------------------------ */

static void test_where_a_token_may_go(void **state) {
  static const char *const good[] = {
      "https://compute.googleapis.com",
      "https://10.0.0.1:8443/psc/",
      "http://127.0.0.1:80",
      "http://169.254.169.254",
      "http://[::1]/",
      "http://[fe80::1]:8080",
      "HTTPS://example.com",
      "https://[2001:db8::1]:443/x",
  };

  (void)state;
  for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
    if (!gcp_url_is_allowed(good[i]))
      fail_msg("refused: %s", good[i]);
}

static void test_where_it_may_not(void **state) {
  static const char *const bad[] = {
      "http://example.com",
      "http://10.0.0.1",
      "ftp://127.0.0.1",
      "https://",
      "https://a b",
      "https://u:p@example.com",
      "https://example.com?x=1",
      "https://example.com#x",
      "https://example.com:0",
      "https://example.com:70000",
      "https://example.com:x",
      "http://127.0.0.1.example.com",
      "http://[::1",
      "http://169.254.169.254\n",
      "http://169.254.169.254:80x",
      "https:/example.com",
      "",
      "http://localhost",
  };

  (void)state;
  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
    if (gcp_url_is_allowed(bad[i]))
      fail_msg("allowed: %s", bad[i]);
}

static void test_a_url_is_made_of_escaped_parts(void **state) {
  static char token[GCP_PAGE_TOKEN_SIZE];
  struct gcp_url url;

  (void)state;
  gcp_url_begin(&url, "https://example.com///");
  gcp_url_add(&url, "/a?b=");
  gcp_url_add_escaped(&url, "x/y&z=\xc3\xa4 ~-._9");
  assert_string_equal("https://example.com/a?b=x%2Fy%26z%3D%C3%A4%20~-._9", url.text);
  memset(token, '/', sizeof(token) - 1);
  gcp_url_add_escaped(&url, token);
  assert_int_equal(url.length, strlen(url.text));
  assert_true(url.length > 3 * (sizeof(token) - 1));
  gcp_url_add_escaped(&url, token);
  assert_string_equal("", url.text);
  gcp_url_add(&url, "more");
  assert_string_equal("", url.text);
}

/* --- Times --------------------------------------------------------------------------- */

static void test_times(void **state) {
  static const char *const bad[] = {"",
                                    "2026-11-23",
                                    "2026-13-23T00:00:00Z",
                                    "2026-11-23T02:55:00",
                                    "2026-11-23T02:55:00X",
                                    "2026-11-23T25:55:00Z",
                                    "2026-11-23T02:55:00+0100",
                                    "1969-11-23T02:55:00Z",
                                    "2026-11-23T02:55:00Z "};
  int64_t seconds;

  (void)state;
  assert_int_equal(0, gcp_parse_time("1970-01-02T00:00:01Z", &seconds));
  assert_int_equal(86401, seconds);
  assert_int_equal(0, gcp_parse_time("1970-01-02T00:00:01.5-00:30", &seconds));
  assert_int_equal(86401 + 1800, seconds);
  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
    assert_int_equal(-EINVAL, gcp_parse_time(bad[i], &seconds));
}

/* --- History ------------------------------------------------------------------------------ */

static void test_history(void **state) {
  struct estimate_history history = {0};

  (void)state;
  assert_int_equal(-1, estimate_history_find(&history, 600));
  assert_int_equal(-1, estimate_history_find(&history, 0));
  estimate_history_add(&history, 545, 5);
  estimate_history_add(&history, 595, 7);
  estimate_history_add(&history, 601, 9);
  assert_int_equal(7, estimate_history_find(&history, 600)); /* 9 to 10 minutes */
  assert_int_equal(9, estimate_history_find(&history, 630));
  assert_int_equal(-1, estimate_history_find(&history, 540));
  estimate_history_add(&history, 600 + 60 * ESTIMATE_MINUTES, 1);
  assert_int_equal(-1, estimate_history_find(&history, 630));
}

/* --- Figures -------------------------------------------------------------------------------- */

static struct gcp_series series;
static struct gateway_figures figures;

static int begin(void **state) {
  (void)state;
  figures = (struct gateway_figures){.drops_known = false};
  gcp_series_init(&series, "");
  return 0;
}

static void add_point(int64_t end, int64_t value, enum gcp_protocol protocol,
                      enum gcp_drop_reason reason) {
  series.points[series.count++] = (struct gcp_point){
      .end = end, .value = value, .protocol = protocol, .reason = reason};
}

static void test_usage(void **state) {
  (void)state;
  gateway_figures_set_usage(&figures, &series);
  assert_false(figures.usage[GCP_TCP].known);
  add_point(1100, 5, GCP_TCP, GCP_OTHER_REASON);
  add_point(1160, 8, GCP_TCP, GCP_OTHER_REASON);
  add_point(1160, 6, GCP_TCP, GCP_OTHER_REASON);
  add_point(1040, 99, GCP_TCP, GCP_OTHER_REASON);
  add_point(1200, 77, GCP_OTHER_PROTOCOL, GCP_OTHER_REASON);
  gateway_figures_set_usage(&figures, &series);
  assert_true(figures.usage[GCP_TCP].known);
  assert_int_equal(8, figures.usage[GCP_TCP].ports);
  assert_int_equal(1160, figures.usage[GCP_TCP].end);
  assert_false(figures.usage[GCP_UDP].known);
}

static void test_allocated(void **state) {
  (void)state;
  add_point(1100, 64, GCP_OTHER_PROTOCOL, GCP_OTHER_REASON);
  add_point(1160, 32, GCP_OTHER_PROTOCOL, GCP_OTHER_REASON);
  add_point(1160, 16, GCP_OTHER_PROTOCOL, GCP_OTHER_REASON);
  gateway_figures_set_allocated(&figures, &series);
  assert_int_equal(48, figures.allocated); /* two addresses */
  add_point(1160, 128, GCP_TCP, GCP_OTHER_REASON);
  add_point(1160, 128, GCP_UDP, GCP_OTHER_REASON);
  gateway_figures_set_allocated(&figures, &series);
  assert_int_equal(128, figures.allocated);
  add_point(1160, INT64_MAX, GCP_TCP, GCP_OTHER_REASON);
  gateway_figures_set_allocated(&figures, &series);
  assert_int_equal(128, figures.allocated);
}

static void test_each_drop_counts_once(void **state) {
  (void)state;
  assert_false(figures.drops_known);
  add_point(1060, 5, GCP_TCP, GCP_OUT_OF_RESOURCES);
  add_point(1000, 100, GCP_TCP, GCP_OUT_OF_RESOURCES); /* before the start */
  add_point(1060, 100, GCP_OTHER_PROTOCOL, GCP_OUT_OF_RESOURCES);
  for (int i = 0; i < 3; i++)
    gateway_figures_add_drops(&figures, &series, 1000);
  assert_true(figures.drops_known);
  assert_int_equal(5, figures.drops[GCP_TCP][GCP_OUT_OF_RESOURCES]);
  add_point(1180, 2, GCP_TCP, GCP_OUT_OF_RESOURCES);
  add_point(1120, 1, GCP_TCP, GCP_OUT_OF_RESOURCES);
  add_point(1060, 9, GCP_UDP, GCP_ENDPOINT_CONFLICT); /* comes later than the others */
  for (int i = 0; i < 3; i++)
    gateway_figures_add_drops(&figures, &series, 1000);
  assert_int_equal(8, figures.drops[GCP_TCP][GCP_OUT_OF_RESOURCES]);
  assert_int_equal(9, figures.drops[GCP_UDP][GCP_ENDPOINT_CONFLICT]);
}

/* The clock was ahead at the start, is put right, and goes wrong again: neither is anything
 * counted twice, nor must real time catch up before anything is. */
static void test_drops_where_the_clock_is_set(void **state) {
  (void)state;
  add_point(940, 100, GCP_TCP, GCP_OUT_OF_RESOURCES);
  add_point(1060, 5, GCP_TCP, GCP_OUT_OF_RESOURCES);
  gateway_figures_add_drops(&figures, &series, 87400);
  assert_true(figures.drops_known);
  assert_int_equal(0, figures.drops[GCP_TCP][GCP_OUT_OF_RESOURCES]);
  gateway_figures_add_drops(&figures, &series, 1000);
  assert_int_equal(5, figures.drops[GCP_TCP][GCP_OUT_OF_RESOURCES]);
  add_point(1120, 2, GCP_TCP, GCP_OUT_OF_RESOURCES);
  gateway_figures_add_drops(&figures, &series, 900);
  assert_int_equal(7, figures.drops[GCP_TCP][GCP_OUT_OF_RESOURCES]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_token_is_kept_until_it_expires),
      cmocka_unit_test(test_what_is_no_token),
      cmocka_unit_test(test_where_a_token_may_go),
      cmocka_unit_test(test_where_it_may_not),
      cmocka_unit_test(test_a_url_is_made_of_escaped_parts),
      cmocka_unit_test(test_times),
      cmocka_unit_test(test_history),
      cmocka_unit_test_setup(test_usage, begin),
      cmocka_unit_test_setup(test_allocated, begin),
      cmocka_unit_test_setup(test_each_drop_counts_once, begin),
      cmocka_unit_test_setup(test_drops_where_the_clock_is_set, begin),
  };

  return cmocka_run_group_tests_name("gcp_parts", tests, NULL, NULL);
}
