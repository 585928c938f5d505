/* SPDX-License-Identifier: MIT
 *
 * Each allocation of the plugin's own code fails in turn, and those of libcurl's that
 * it asks for: what cannot be done is said, nothing crashes, nothing leaks, and the
 * prober goes on when there is memory again. The linker puts the functions below in
 * the place of the real ones.
 */
#include "probe_bench.h"

#include "local_server.h"
#include "option_tree.h"
#include "round.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Allocations left until one fails; 0 and less: none does. */
static atomic_int countdown;

static bool fails(void) { return atomic_fetch_sub(&countdown, 1) == 1; }

static void fail_at(int number) { atomic_store(&countdown, number); }

/* Whether the one that was to fail has been reached. */
static bool has_failed(void) { return atomic_load(&countdown) <= 0; }

#define WRAP(type, function, parameters, arguments)                                      \
  type __real_##function parameters;                                                     \
  type __wrap_##function parameters;                                                     \
  type __wrap_##function parameters {                                                    \
    return fails() ? NULL : __real_##function arguments;                                 \
  }

WRAP(void *, malloc, (size_t size), (size))
WRAP(void *, calloc, (size_t count, size_t size), (count, size))
WRAP(void *, realloc, (void *old, size_t size), (old, size))
WRAP(char *, strdup, (const char *text), (text))
WRAP(char *, strndup, (const char *text, size_t size), (text, size))
WRAP(void *, curl_easy_init, (void), ())
WRAP(void *, curl_multi_init, (void), ())
WRAP(void *, curl_share_init, (void), ())
WRAP(struct curl_slist *, curl_slist_append, (struct curl_slist * list, const char *text),
     (list, text))

/* Every option that takes memory. */
static const char configuration[] =
    "<Plugin egress_probe>\nUserAgent \"me\"\n"
    "<Hop \"a\">\nURL \"http://127.0.0.1:1\"\nUser \"u\"\nPasswordFile \"/p\"\n"
    "ProxyHeader \"A: b\"\nProxyHeader \"C: d\"\nCACert \"/c\"\nClientCert \"/d\"\n"
    "ClientKey \"/e\"\n</Hop>\n<Hop \"b\">\nURL \"https://[::1]:2\"\n</Hop>\n"
    "<Chain \"c\">\nHops \"a\" \"b\"\nMode \"nested\"\nDirect true\n"
    "<Target \"t\">\nURL \"https://127.0.0.1:1/\"\nMethod \"PUT\"\nHeader \"A: b\"\n"
    "Body \"b\"\nExpectStatus \"200,204\"\nExpectBody \"x\"\nSourceAddress \"192.0.2.1\"\n"
    "CACert \"/c\"\nClientCert \"/d\"\nClientKey \"/e\"\n</Target>\n"
    "<Target \"u\">\nURL \"tcp://127.0.0.1:4\"\n</Target>\n"
    "<Control \"g\">\nURL \"http://127.0.0.1:5/\"\n</Control>\n</Chain>\n</Plugin>\n";

static int read_configuration(const struct option *tree, struct probe_config *config,
                              struct option_error *error) {
  int result;

  probe_config_init(config);
  error->text[0] = '\0';
  result = probe_config_parse(tree, config, error);
  return result < 0 ? result
                    : probe_config_settle(config, NANOSECONDS_PER_SECOND, true, error);
}

static void test_configuration(void **state) {
  struct option *tree = option_tree_parse(configuration);
  int number = 0;

  (void)state;
  do {
    struct probe_config config;
    struct option_error error;
    int result;

    fail_at(++number);
    result = read_configuration(tree, &config, &error);
    if (result < 0)
      assert_true(error.text[0] != '\0');
    else
      assert_false(has_failed());
    if (result < 0 && result != -ENOMEM)
      print_message("allocation %d: %s\n", number, error.text);
    probe_config_clear(&config);
  } while (has_failed());
  assert_true(number > 20);
  fail_at(0);
  option_tree_free(tree);
}

static void test_rounds_and_start(void **state) {
  struct option *tree = option_tree_parse(configuration);
  struct probe_config config;
  struct option_error error;
  int number = 0;

  (void)state;
  fail_at(0);
  assert_int_equal(0, read_configuration(tree, &config, &error));
  do {
    struct engine *engine = NULL;
    struct board *board = NULL;
    struct round *round = NULL;
    struct leg *legs = NULL;
    size_t count = 0;
    int result;

    fail_at(++number);
    result = board_new(&config, &board);
    if (result == 0)
      result = engine_start(&config, board, &engine);
    engine_stop(engine);
    if (result == 0)
      result = round_new(&config, &config.chains[0], &round);
    if (result == 0)
      result = round_begin(round, &legs, &count);
    free(legs);
    legs = NULL;
    if (result == 0)
      result = round_begin_ladder(round, &legs, &count);
    free(legs);
    round_free(round);
    board_free(board);
    if (result != 0)
      assert_int_equal(-ENOMEM, result);
  } while (has_failed() && number < 1000);
  assert_in_range(number, 10, 999);
  fail_at(0);
  assert_true(probe_config_port_cost(&config, NANOSECONDS_PER_SECOND).url != NULL);
  fail_at(1);
  assert_null(probe_config_port_cost(&config, NANOSECONDS_PER_SECOND).url);
  fail_at(0);
  probe_config_clear(&config);
  option_tree_free(tree);
}

static bool has_reached(const struct bench *bench, int argument) {
  (void)bench;
  (void)argument;
  return has_failed();
}

static int64_t count_attempts(const struct bench *bench) {
  int64_t count = 0;

  for (size_t i = 0; i < RESULT_COUNT; i++)
    count += target_of(bench, 0)->counters.results[i];
  return count;
}

static bool has_gone_on(const struct bench *bench, int attempts) {
  return count_attempts(bench) >= attempts &&
         target_of(bench, 0)->last.outcome.result == RESULT_OK &&
         bench->report.location == VERDICT_NONE;
}

/* The first round, with its ladder, and the ones after it, whichever allocation fails
 * in them: the next one works. */
static void test_running(void **state) {
  struct local_server *server = local_server_start(LOCAL_SERVER_GOOD);
  struct bench bench;

  (void)state;
  start(&bench,
        "<Plugin egress_probe>\nInterval 0.1\nLadderEvery 1\n"
        "<Hop \"a\">\nURL \"http://127.0.0.1:%u\"\nProxyHeader \"A: b\"\nUser \"u\"\n"
        "</Hop>\n<Chain \"c\">\nHops \"a\"\n"
        "<Target \"t\">\nURL \"http://x.invalid/\"\nHeader \"A: b\"\n"
        "ExpectBody \"fine\"\n</Target>\n</Chain>\n</Plugin>\n",
        local_server_port(server));
  wait_for(&bench, "a good round", has_gone_on, 1);
  for (int number = 1; number <= 40; number++) {
    fail_at(number);
    wait_for(&bench, "the failure", has_reached, 0);
    wait_for(&bench, "a good round after it", has_gone_on,
             (int)count_attempts(&bench) + 1);
  }
  fail_at(0);
  stop(&bench);
  local_server_stop(server);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_configuration),
      cmocka_unit_test(test_rounds_and_start),
      cmocka_unit_test(test_running),
  };

  curl_global_init(CURL_GLOBAL_DEFAULT);
  return cmocka_run_group_tests_name("probe memory", tests, NULL, NULL);
}
