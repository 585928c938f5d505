/* SPDX-License-Identifier: MIT
 *
 * Proxies behind proxies, each of them real: names that only the proxy before one
 * can resolve, TLS within TLS, SOCKS, faults at each place.
 */
#include "probe_bench.h"

#include "local_server.h"
#include "option_tree.h"
#include "peer.h"
#include "socket_pair.h"
#include "throwaway.h"

#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PROXIES_MAX 3

static struct throwaway throwaway;
static struct throwaway_leaf proxy_leaf, origin_leaf;

/* Each proxy is "http", "https" or "socks5h"; the last scheme is the target's. */
struct nest {
  size_t count;
  struct peer *proxies[PROXIES_MAX];
  struct peer *origin;
  struct bench bench;
};

static struct peer *start_peer(const char *scheme, enum peer_role role,
                               const struct peer_options *like,
                               const struct throwaway_leaf *leaf) {
  struct peer_options options = like ? *like : (struct peer_options){0};

  options.role = strcmp(scheme, "socks5h") == 0 ? PEER_SOCKS : role;
  options.certificate = strcmp(scheme, "https") == 0 ? leaf->path : NULL;
  return peer_start(&options);
}

/* Only the first proxy has a name that means anything here. */
static size_t write_hops(const struct nest *nest, const char *const *schemes,
                         const char *option, char *text, size_t size) {
  size_t used = 0;

  for (size_t i = 0; i < nest->count; i++)
    used += (size_t)snprintf(text + used, size - used,
                             "<Hop \"h%zu\">\nURL \"%s://%s:%u\"\n%s%s%s%s</Hop>\n", i,
                             schemes[i], i == 0 ? "localhost" : "inner.invalid",
                             peer_port(nest->proxies[i]),
                             strcmp(schemes[i], "https") == 0 ? "CACert \"" : "",
                             strcmp(schemes[i], "https") == 0 ? throwaway.authority : "",
                             strcmp(schemes[i], "https") == 0 ? "\"\n" : "", option);
  used += (size_t)snprintf(text + used, size - used, "<Chain \"c\">\nMode \"nested\"\nHops");
  for (size_t i = 0; i < nest->count; i++)
    used += (size_t)snprintf(text + used, size - used, " \"h%zu\"", i);
  return used;
}

/* `faulty`: of the proxy at `place`. */
static void begin(struct nest *nest, const char *const *schemes,
                  const struct peer_options *faulty, size_t place, const char *option) {
  const char *target;
  char text[2048];
  size_t used;

  for (nest->count = 0; schemes[nest->count + 1]; nest->count++)
    nest->proxies[nest->count] =
        start_peer(schemes[nest->count], PEER_PROXY,
                   nest->count == place ? faulty : NULL, &proxy_leaf);
  target = schemes[nest->count];
  nest->origin = start_peer(target, PEER_ORIGIN, NULL, &origin_leaf);
  used = write_hops(nest, schemes, option, text, sizeof(text));
  snprintf(text + used, sizeof(text) - used,
           "\n<Target \"t\">\nURL \"%s://origin.invalid:%u%s\"\n%s%s%s</Target>\n</Chain>\n",
           target, peer_port(nest->origin), strcmp(target, "tcp") == 0 ? "" : "/",
           strcmp(target, "https") == 0 ? "CACert \"" : "",
           strcmp(target, "https") == 0 ? throwaway.authority : "",
           strcmp(target, "https") == 0 ? "\"\n" : "");
  start(&nest->bench, "<Plugin egress_probe>\nInterval 0.8\n%s</Plugin>\n", text);
}

static void end(struct nest *nest) {
  stop(&nest->bench);
  for (size_t i = 0; i < nest->count; i++)
    peer_stop(nest->proxies[i]);
  peer_stop(nest->origin);
}

static const struct attempt_report *last_of(struct nest *nest) {
  wait_for(&nest->bench, "a round", is_known, 0);
  return &target_of(&nest->bench, 0)->last;
}

/* --- What works -------------------------------------------------------------------- */

static const char *const ways[][PROXIES_MAX + 2] = {
    {"http", "http", "https"},
    {"http", "http", "http"},
    {"http", "http", "tcp"},
    {"http", "https", "https"},
    {"https", "http", "https"},
    {"https", "http", "http"},
    {"https", "https", "https"},
    {"https", "https", "tcp"},
    {"socks5h", "http", "https"},
    {"http", "socks5h", "https"},
    {"http", "socks5h", "http"},
    {"https", "socks5h", "tcp"},
    {"socks5h", "socks5h", "https"},
    {"http", "http", "http", "https"},
    {"http", "http", "http", "http"},
    {"https", "http", "https", "https"},
    {"https", "https", "https", "https"},
    {"http", "socks5h", "http", "tcp"},
};

static void assert_phases(const struct nest *nest, const char *const *schemes,
                          const struct attempt_report *last) {
  for (unsigned i = 0; i < nest->count; i++) {
    bool last_plain = i + 1 == nest->count && strcmp(schemes[i + 1], "http") == 0;
    bool socks = strcmp(schemes[i], "socks5h") == 0;
    bool tunnel = socks ? i > 0 : !last_plain;

    assert_int_equal(strcmp(schemes[i], "https") == 0,
                     length_of(last, PHASE_PROXY_TLS, i) > 0);
    assert_int_equal(tunnel, length_of(last, PHASE_TUNNEL, i) > 0);
    assert_int_equal(tunnel && !socks ? 200 : 0, last->connect_statuses[i]);
  }
  assert_int_equal(strcmp(schemes[nest->count], "https") == 0,
                   length_of(last, PHASE_TLS, 0) > 0);
  assert_adds_up(last);
}

static void test_every_way_works(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
    const struct attempt_report *last;
    struct nest nest;
    bool plain;

    begin(&nest, ways[i], NULL, 0, "");
    last = last_of(&nest);
    if (last->outcome.result != RESULT_OK)
      print_error("way %zu: %s\n", i, result_names[last->outcome.result]);
    assert_int_equal(RESULT_OK, last->outcome.result);
    plain = strcmp(ways[i][nest.count], "http") == 0 &&
            strcmp(ways[i][nest.count - 1], "http") == 0;
    for (size_t j = 0; j < nest.count; j++)
      assert_true(peer_requests(nest.proxies[j]) > 0);
    /* A plain request is the last proxy's to answer; tcp:// sends nothing. */
    assert_int_equal(!plain && strcmp(ways[i][nest.count], "tcp") != 0,
                     peer_requests(nest.origin) > 0);
    if (plain)
      assert_true(peer_last_has(nest.proxies[nest.count - 1], "GET http://origin.invalid"));
    assert_phases(&nest, ways[i], last);
    assert_true(last->rtt > 0);
    end(&nest);
  }
}

static int count_descriptors(void) {
  DIR *folder = opendir("/proc/self/fd");
  int count = 0;

  assert_non_null(folder);
  while (readdir(folder))
    count++;
  closedir(folder);
  return count;
}

static bool has_probed(const struct bench *bench, int times) {
  return target_of(bench, 0)->counters.results[RESULT_OK] >= times;
}

/* Of both kinds of hand-over, and as much data as the relay has to wait for. */
static void test_descriptors_do_not_grow(void **state) {
  static const char *const schemes[][4] = {{"http", "http", "https"},
                                           {"https", "https", "https"}};
  int before = count_descriptors();

  (void)state;
  for (size_t i = 0; i < 2; i++) {
    struct nest nest;

    begin(&nest, schemes[i], NULL, 0, "");
    wait_for(&nest.bench, "three probes", has_probed, 3);
    end(&nest);
    assert_int_equal(before, count_descriptors());
  }
}

static void test_relay_carries_a_long_answer(void **state) {
  const struct peer_options proxying = {.role = PEER_PROXY, .certificate = proxy_leaf.path};
  const struct peer_options answering = {
      .role = PEER_ORIGIN, .certificate = origin_leaf.path, .body_size = 5000000};
  struct peer *outer = peer_start(&proxying), *inner = peer_start(&proxying);
  struct peer *origin = peer_start(&answering);
  struct bench bench;

  (void)state;
  start(&bench,
        "<Plugin egress_probe>\nInterval 4\nTimeout 3.9\n"
        "<Hop \"a\">\nURL \"https://localhost:%u\"\nCACert \"%s\"\n</Hop>\n"
        "<Hop \"b\">\nURL \"https://inner.invalid:%u\"\nCACert \"%s\"\n</Hop>\n"
        "<Chain \"c\">\nHops \"a\" \"b\"\nMode \"nested\"\nLadder false\n"
        "<Target \"t\">\nURL \"https://origin.invalid:%u/\"\nCACert \"%s\"\n"
        "MaxBody 6000000\nExpectBody \"^x{10}\"\n</Target>\n</Chain>\n</Plugin>\n",
        peer_port(outer), throwaway.authority, peer_port(inner), throwaway.authority,
        peer_port(origin), throwaway.authority);
  wait_for(&bench, "the answer", has_result, RESULT_OK);
  stop(&bench);
  peer_stop(outer);
  peer_stop(inner);
  peer_stop(origin);
}

/* --- What fails ------------------------------------------------------------------------- */

static const struct fault {
  const char *name;
  const char *const schemes[PROXIES_MAX + 2];
  size_t place;
  struct peer_options faulty;
  const char *option;
  enum result result;
  int hop;             /* that the attempt ended at */
  int location;        /* the verdict */
} faults[] = {
    {"the first denies", {"http", "http", "https"}, 0, {.refuses_with = 403}, "",
     RESULT_PROXY_DENIED, 0, VERDICT_HOP},
    {"the second denies", {"http", "http", "https"}, 1, {.refuses_with = 407}, "",
     RESULT_PROXY_DENIED, 1, VERDICT_HOP + 1},
    {"the second denies, in TLS", {"https", "https", "https"}, 1, {.refuses_with = 403},
     "", RESULT_PROXY_DENIED, 1, VERDICT_HOP + 1},
    {"the first cannot reach the second", {"http", "http", "https"}, 0,
     {.refuses_with = 503}, "", RESULT_PROXY_ERROR, 0, VERDICT_HOP + 1},
    {"the first is silent", {"http", "http", "https"}, 0, {.is_silent = true}, "",
     RESULT_TUNNEL_TIMEOUT, 0, VERDICT_HOP},
    {"the last is silent", {"http", "http", "https"}, 1, {.is_silent = true}, "",
     RESULT_TUNNEL_TIMEOUT, 1, VERDICT_UNKNOWN},
    {"the second of three is silent", {"http", "https", "http", "https"}, 1,
     {.is_silent = true}, "", RESULT_TUNNEL_TIMEOUT, 1, VERDICT_HOP + 1},
    {"the first SOCKS denies", {"socks5h", "http", "https"}, 0, {.refuses_with = 1}, "",
     RESULT_PROXY_DENIED, 0, VERDICT_HOP},
    {"the second SOCKS denies", {"https", "socks5h", "https"}, 1, {.refuses_with = 1}, "",
     RESULT_PROXY_DENIED, 1, VERDICT_HOP + 1},
    {"the second SOCKS is silent", {"http", "socks5h", "http", "https"}, 1,
     {.is_silent = true}, "", RESULT_TUNNEL_TIMEOUT, 1, VERDICT_HOP + 1},
    {"the second cuts TLS", {"http", "https", "https"}, 1, {.cuts_handshake = true}, "",
     RESULT_TLS, 1, VERDICT_HOP + 1},
    {"the first is silent, and the second's time is short", {"http", "http", "https"}, 0,
     {.is_silent = true}, "ConnectTimeout 0.05\n", RESULT_TUNNEL_TIMEOUT, 0, VERDICT_HOP},
};

/* The ladder must not enter at the second place: a Pod could not. */
static void test_faults(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
    const struct fault *fault = &faults[i];
    const struct target_report *target;
    struct nest nest;

    begin(&nest, fault->schemes, &fault->faulty, fault->place, fault->option);
    wait_for(&nest.bench, fault->name, has_result, (int)fault->result);
    wait_for(&nest.bench, fault->name, is_judged_at, fault->location);
    target = target_of(&nest.bench, 0);
    assert_int_equal(fault->hop, target->last.outcome.hop);
    for (int hop = 0; hop < fault->hop; hop++)
      assert_int_equal(PART_WORKED, target->parts[hop]);
    if (fault->location >= VERDICT_HOP)
      assert_int_equal(PART_FAILED, target->parts[fault->location - VERDICT_HOP]);
    assert_adds_up(&target->last);
    if (*fault->option)
      assert_true(length_of(&target->last, PHASE_TUNNEL, 0) <
                  nest.bench.config.chains[0].timeout);
    end(&nest);
  }
}

static void test_credentials_for_each_hop(void **state) {
  const struct peer_options proxying = {.role = PEER_PROXY};
  const struct peer_options answering = {.role = PEER_ORIGIN};
  struct peer *outer = peer_start(&proxying), *inner = peer_start(&proxying);
  struct peer *origin = peer_start(&answering);
  struct bench bench;

  (void)state;
  start(&bench,
        "<Plugin egress_probe>\nInterval 0.8\n"
        "<Hop \"a\">\nURL \"http://localhost:%u\"\nUser \"one\"\nProxyHeader \"X-A: a\"\n"
        "</Hop>\n<Hop \"b\">\nURL \"http://inner.invalid:%u\"\nUser \"two\"\n"
        "ProxyHeader \"X-B: b\"\n</Hop>\n"
        "<Chain \"c\">\nHops \"a\" \"b\"\nMode \"nested\"\n"
        "<Target \"t\">\nURL \"tcp://origin.invalid:%u\"\n</Target>\n</Chain>\n</Plugin>\n",
        peer_port(outer), peer_port(inner), peer_port(origin));
  wait_for(&bench, "a good round", has_result, RESULT_OK);
  /* base64 of "one:" and "two:" */
  assert_true(peer_last_has(outer, "Basic b25lOg==") && peer_last_has(outer, "X-A: a"));
  assert_true(peer_last_has(inner, "Basic dHdvOg==") && peer_last_has(inner, "X-B: b"));
  assert_false(peer_last_has(outer, "X-B") || peer_last_has(inner, "X-A"));
  stop(&bench);
  peer_stop(outer);
  peer_stop(inner);
  peer_stop(origin);
}

static void test_stops_while_a_relay_is_open(void **state) {
  static const char *const schemes[] = {"https", "http", "https", NULL};
  const struct peer_options silent = {.is_silent = true};
  struct nest nest;

  (void)state;
  begin(&nest, schemes, &silent, 1, "");
  for (int i = 0; i < WAIT_SECONDS * 100 && peer_requests(nest.proxies[1]) == 0; i++)
    usleep(10000);
  assert_true(peer_requests(nest.proxies[1]) > 0);
  end(&nest);
}

static void test_a_pair_of_sockets(void **state) {
  struct pollfd wait = {.events = POLLIN};
  char byte = 0;
  int near, far;

  (void)state;
  assert_int_equal(0, socket_pair_open(&near, &far));
  assert_int_equal(1, send(near, "x", 1, 0));
  wait.fd = far;
  assert_int_equal(1, poll(&wait, 1, 10000));
  assert_int_equal(1, recv(far, &byte, 1, 0));
  assert_int_equal('x', byte);
  assert_int_equal(-1, recv(far, &byte, 1, 0));
  assert_int_equal(EAGAIN, errno);
  close(near);
  close(far);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_pair_of_sockets),
      cmocka_unit_test(test_every_way_works),
      cmocka_unit_test(test_descriptors_do_not_grow),
      cmocka_unit_test(test_relay_carries_a_long_answer),
      cmocka_unit_test(test_faults),
      cmocka_unit_test(test_credentials_for_each_hop),
      cmocka_unit_test(test_stops_while_a_relay_is_open),
  };
  int failed;

  signal(SIGPIPE, SIG_IGN);
  poison_environment();
  curl_global_init(CURL_GLOBAL_DEFAULT);
  throwaway_begin(&throwaway);
  throwaway_issue(&throwaway, "origin.invalid", 3600, 0, &origin_leaf);
  /* One for every proxy, whatever its name. */
  throwaway_issue(&throwaway, "localhost,DNS:inner.invalid", 3600, 0, &proxy_leaf);
  failed = cmocka_run_group_tests_name("probe nested", tests, NULL, NULL);
  throwaway_end(&throwaway);
  return failed;
}
