/* SPDX-License-Identifier: MIT
 *
 * The verdict's rules as a table of cases. A leg is written as a word:
 *   ok, -           it works; it was not tried
 *   refused, silent, unreachable, dns, local     TCP and before, at the hop entered
 *   hang, garbage, 403, 407, 500, 502, 503, 504  the hop entered, asked to CONNECT
 *   nodns           503, and the hop says that it cannot resolve the name
 *   status, body, cert, tls, timeout             beyond the chain
 * A word with '?' has never succeeded, so it is no evidence.
 */
#include "unit.h"

#include "verdict.h"

/* A case says only what it is about. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TARGETS_MAX 4
#define HOPS_MAX 3

static const struct word {
  const char *text;
  struct outcome outcome;
} words[] = {
    {"ok", {.result = RESULT_OK, .phase = PHASE_TRANSFER}},
    {"refused", {.result = RESULT_REFUSED, .phase = PHASE_CONNECT}},
    {"silent", {.result = RESULT_CONNECT_TIMEOUT, .phase = PHASE_CONNECT}},
    {"unreachable", {.result = RESULT_UNREACHABLE, .phase = PHASE_CONNECT}},
    {"dns", {.result = RESULT_DNS, .phase = PHASE_DNS}},
    {"local",
     {.result = RESULT_LOCAL, .phase = PHASE_CONNECT, .system_error = ENETUNREACH}},
    {"hang", {.result = RESULT_TUNNEL_TIMEOUT, .phase = PHASE_TUNNEL}},
    {"garbage", {.result = RESULT_PROXY_ERROR, .phase = PHASE_TUNNEL}},
    {"403", {.result = RESULT_PROXY_DENIED, .phase = PHASE_TUNNEL, .status = 403}},
    {"407", {.result = RESULT_PROXY_DENIED, .phase = PHASE_TUNNEL, .status = 407}},
    {"500", {.result = RESULT_PROXY_ERROR, .phase = PHASE_TUNNEL, .status = 500}},
    {"502", {.result = RESULT_PROXY_ERROR, .phase = PHASE_TUNNEL, .status = 502}},
    {"503", {.result = RESULT_PROXY_ERROR, .phase = PHASE_TUNNEL, .status = 503}},
    {"504", {.result = RESULT_PROXY_ERROR, .phase = PHASE_TUNNEL, .status = 504}},
    {"nodns",
     {.result = RESULT_PROXY_ERROR,
      .phase = PHASE_TUNNEL,
      .status = 503,
      .reason = PROXY_REASON_DNS}},
    {"status",
     {.result = RESULT_STATUS, .phase = PHASE_TRANSFER, .hop = -1, .status = 503}},
    {"body", {.result = RESULT_BODY, .phase = PHASE_TRANSFER, .hop = -1}},
    {"cert", {.result = RESULT_CERTIFICATE, .phase = PHASE_TLS, .hop = -1}},
    {"tls", {.result = RESULT_TLS, .phase = PHASE_TLS, .hop = -1}},
    {"timeout", {.result = RESULT_TIMEOUT, .phase = PHASE_TTFB, .hop = -1}},
};

struct target_case {
  const char *legs; /* a word for each entry; NULL ends the list */
  bool control, nat, plain;
  unsigned via, via_good; /* of entry 0 */
};

struct verdict_case {
  const char *title;
  size_t hops;
  const char *tcp; /* a word for each hop */
  struct target_case targets[TARGETS_MAX + 1];
  const char *expected; /* none, local, egress, target, unknown, a, b, c */
  const char *says;     /* part of the sentence; NULL: not looked at */
  bool nested;
  int nested_hop; /* of all outcomes, if nested */
};

static const char *const hop_names[HOPS_MAX] = {"a", "b", "c"};

/* From the Pod: two hops, no way straight out. From the VM: one hop, and straight
 * out. Columns of a target: whole chain, later hops, straight out. */
static const struct verdict_case cases[] = {
    {"what fails on the prober's own side is nobody else's fault", 1, "ok",
     {{"ok ok"}, {"local -"}}, "local"},
    {"but another target's failure is that target's", 1, "ok",
     {{"ok ok"}, {"local -"}, {"status status"}}, "target"},
    {"all certificates refused: the own trust store or clock, or somebody between", 1,
     "ok", {{"cert cert"}, {"cert cert"}}, "unknown"},
    {"all certificates refused, fine straight out: the hop shows others", 1, "ok",
     {{"cert ok"}, {"cert ok"}}, "a"},
    {"one target's legs say nothing of another one's", 2, "ok ok",
     {{"503 503? ok"}, {"503 503 503"}}, "unknown"},
    {"a control's 503 is no target's", 1, "ok",
     {{"503 -"}, {"503 -", .control = true}}, "unknown"},
    {"all works", 2, "ok ok", {{"ok ok -"}, {"ok ok -"}}, "none", "all targets work"},
    {"works, nothing climbed", 2, "- -", {{"ok - -"}, {"ok - -"}}, "none"},

    /* Rule 1 */
    {"no route at all", 2, "local local", {{"local local -"}}, "local", "no route"},
    {"no route, first round", 2, "local local?", {{"local? local? -"}}, "local"},
    {"no resolver", 1, "dns", {{"dns dns"}, {"dns dns"}}, "local", "resolved"},
    {"no descriptors, no hop", 0, "", {{"local"}, {"local"}}, "local"},
    {"a closed way does not speak against local", 1, "local",
     {{"local silent?"}}, "local"},
    {"an open port does", 1, "ok", {{"local local"}}, "unknown"},
    {"name of the first hop alone", 2, "dns ok", {{"dns ok -"}}, "a", "resolved"},

    /* Rule 2 */
    {"one target answers 503", 2, "ok ok", {{"ok ok -"}, {"status status -"}},
     "target", "t1"},
    {"one target hangs", 2, "ok ok", {{"ok ok -"}, {"hang hang -"}}, "target"},
    {"one target is out of ports", 1, "ok",
     {{"ok ok"}, {"hang silent", .nat = true}}, "egress", "64 NAT ports are held of 64"},
    {"out of ports, yet it works", 1, "ok",
     {{"ok ok", .nat = true}, {"hang silent"}}, "target", "t1"},
    {"two fail, one out of ports", 1, "ok",
     {{"status status"}, {"hang silent", .nat = true}, {"ok ok"}}, "egress", "t1"},
    {"the only target answers 500", 1, "ok", {{"status status"}}, "target", "reached"},
    {"all certificates ended", 2, "ok ok", {{"cert cert -"}, {"cert cert -"}}, "unknown"},
    {"a plain answer may be a proxy's", 1, "ok",
     {{"status status", .plain = true}}, "unknown"},
    {"a control is no target", 1, "ok",
     {{"hang -"}, {"ok -", .control = true}}, "egress"},

    /* Rule 3 */
    {"Pod: first proxy stopped", 2, "refused ok", {{"refused ok -"}, {"refused ok -"}},
     "a", "entering at b works"},
    {"Pod: first proxy denies", 2, "ok ok", {{"403 ok -"}, {"403 ok -"}}, "a", "403"},
    {"Pod: first proxy hangs", 2, "ok ok", {{"hang ok -"}}, "a"},
    {"VM: proxy stopped", 1, "refused", {{"refused ok"}}, "a", "straight out works"},
    {"VM: proxy hangs", 1, "ok", {{"hang ok"}, {"hang ok"}}, "a"},
    {"last of two, straight out open", 2, "ok ok", {{"503 503 ok"}}, "b"},
    {"first of two, straight out open", 2, "ok ok", {{"503 ok ok"}}, "a"},
    {"middle one of three", 3, "ok ok ok", {{"503 503 ok -"}}, "b"},
    {"a gap: the middle one cannot be entered", 2, "ok ok?", {{"503 403? ok"}},
     "unknown", "from a to b"},
    {"a gap, but a dead port in it", 2, "ok refused", {{"503 503? ok"}}, "b",
     "connection refused"},
    {"the gap is left after the first", 3, "ok ok ok", {{"503 503 - ok"}}, "unknown",
     "from b to c"},

    /* Rule 4 */
    {"Pod: last proxy stopped", 2, "ok refused", {{"503 refused -"}, {"503 refused -"}},
     "b", "connection refused"},
    {"Pod: last proxy stopped, port never asked", 2, "ok -",
     {{"503 refused -"}, {"503 silent -"}}, "b"},
    {"last proxy: control fails too", 2, "ok ok",
     {{"hang hang -"}, {"hang hang -", .control = true}}, "b", "control fails"},
    {"control works", 2, "ok ok", {{"hang hang -"}, {"ok ok -", .control = true}},
     "egress", "the control works"},
    {"a control that never worked", 2, "ok ok",
     {{"hang hang -"}, {"hang? hang? -", .control = true}}, "unknown"},
    {"gateway errors for two", 2, "ok ok", {{"503 503 -"}, {"503 504 -"}}, "egress",
     "b itself says so"},
    {"gateway error for one", 2, "ok ok", {{"503 503 -"}}, "unknown", "from b to target"},
    {"gateway errors, control too", 2, "ok ok",
     {{"503 503 -"}, {"503 503 -", .control = true}}, "unknown"},
    {"last proxy denies", 1, "ok", {{"407 silent?"}, {"407 silent?"}}, "a", "407"},
    {"last proxy talks nonsense", 1, "ok", {{"garbage -"}}, "a"},
    {"last proxy cannot resolve", 1, "ok", {{"nodns -"}, {"nodns -"}}, "a", "resolve"},
    {"last proxy hangs, no control", 1, "ok", {{"hang -"}, {"hang -"}}, "unknown"},
    {"never worked, last port refuses", 1, "refused?", {{"refused? -"}}, "a"},
    {"prober cannot resolve straight out", 1, "ok",
     {{"hang dns"}, {"hang dns"}, {"hang dns", .control = true}}, "a", "control fails"},

    /* Rule 5 */
    {"policy: first proxy dead", 2, "refused silent?",
     {{"refused silent? -"}, {"refused silent? -"}}, "a"},
    {"policy: second one unknown", 2, "ok silent?", {{"503 silent? -"}}, "unknown",
     "from a to target"},
    {"policy: second port was open once", 2, "ok refused", {{"503 403? -"}}, "b"},
    {"Via: the first proxy answered alone", 2, "ok silent?",
     {{"503 silent? -", .plain = true, .via = 1, .via_good = 2}}, "b", "saw the request"},
    {"Via: both proxies answered", 2, "ok silent?",
     {{"503 silent? -", .plain = true, .via = 2, .via_good = 2}}, "unknown",
     "from b to target"},
    {"Via: not believed", 2, "ok silent?",
     {{"503 silent? -", .plain = true, .via = 1, .via_good = 1}}, "unknown"},

    /* Rule 6 */
    {"all fails, straight out too", 1, "ok", {{"hang silent"}, {"503 silent"}}, "egress",
     "straight out too"},
    {"one target, straight out too", 1, "ok", {{"hang silent"}}, "unknown",
     "from egress to target"},
    {"one target, control works", 1, "ok",
     {{"hang silent"}, {"ok ok", .control = true}}, "egress"},
    {"no hops, all fails", 0, "", {{"silent"}, {"silent"}}, "egress"},
    {"no hops, one target", 0, "", {{"silent"}}, "unknown"},
    {"no hops, some work", 0, "", {{"silent"}, {"ok"}}, "target"},

    /* Rule 7 */
    {"nested: the first cannot reach the second", 3, "ok silent? silent?",
     {{"503 - - -"}}, "b", "a itself says so", .nested = true, .nested_hop = 0},
    {"nested: the second cannot reach the third", 3, "ok silent? silent?",
     {{"503 - - -"}}, "c", "b itself says so", .nested = true, .nested_hop = 1},
    {"nested: the first, a tinyproxy, cannot reach the second", 2, "ok silent?",
     {{"500 - -"}}, "b", "a itself says so", .nested = true, .nested_hop = 0},
    {"nested: the first cannot resolve the second", 2, "ok silent?", {{"nodns - -"}},
     "a", "first that fails", .nested = true, .nested_hop = 0},
    {"nested: the second denies the third", 3, "ok silent? silent?", {{"403 - - -"}},
     "b", "first that fails", .nested = true, .nested_hop = 1},
    {"nested: the first is silent", 2, "ok silent?", {{"hang - -"}}, "a",
     "no answer to CONNECT", .nested = true, .nested_hop = 0},
    {"nested: the first is silent, the second's port was open once", 2, "ok silent",
     {{"hang - -"}}, "b", "no answer to TCP", .nested = true, .nested_hop = 0},
    {"nested: the first is refused", 2, "refused silent?", {{"refused - -"}}, "a",
     "connection refused", .nested = true, .nested_hop = 0},
    {"nested: the last cannot reach two targets", 2, "ok silent?",
     {{"503 - -"}, {"503 - -"}}, "egress", "b itself says so", .nested = true,
     .nested_hop = 1},
    {"nested: the last denies", 2, "ok silent?", {{"403 - -"}, {"403 - -"}}, "b",
     "its own", .nested = true, .nested_hop = 1},
    {"nested: the last is silent, the control works", 2, "ok silent?",
     {{"hang - -"}, {"ok - -", .control = true}}, "egress", NULL, .nested = true,
     .nested_hop = 1},
    {"nested: the last is silent, for the control too", 2, "ok silent?",
     {{"hang - -"}, {"hang - -", .control = true}}, "b", "control fails", .nested = true,
     .nested_hop = 1},
    {"nested: the last is silent", 2, "ok silent?", {{"hang - -"}}, "unknown",
     "from b to target", .nested = true, .nested_hop = 1},
    {"nested: straight out fails too", 2, "ok silent?", {{"503 - silent"}, {"503 - silent"}},
     "egress", "straight out too", .nested = true, .nested_hop = 1},
    {"nested: entering at the second works", 2, "ok ok", {{"503 ok -"}}, "a",
     "entering at b works", .nested = true, .nested_hop = 0},
};

static struct outcome outcome_named(const char *text, size_t length, int hop) {
  for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
    if (strlen(words[i].text) == length && strncmp(words[i].text, text, length) == 0) {
      struct outcome outcome = words[i].outcome;

      if (outcome.hop == 0 && outcome.result != RESULT_OK)
        outcome.hop = hop;
      return outcome;
    }
  fail_msg("no such word: %s", text);
  return (struct outcome){0};
}

static void fill_legs(const char *text, struct verdict_leg *legs, size_t count) {
  for (size_t i = 0; i < count; i++) {
    size_t length = strcspn(text, " ?");
    bool never = text[length] == '?';

    assert_true(length > 0);
    legs[i] = (struct verdict_leg){0};
    if (text[0] != '-')
      legs[i] = (struct verdict_leg){.tried = true,
                                     .ever = !never,
                                     .outcome = outcome_named(text, length, (int)i)};
    text += length + (never ? 1 : 0);
    text += strspn(text, " ");
  }
  assert_int_equal('\0', *text);
}

static const char *location_name(int location) {
  static const char *const names[] = {"none", "local", "egress", "target", "unknown"};

  return location < VERDICT_HOP ? names[location] : hop_names[location - VERDICT_HOP];
}

static void make_targets(const struct verdict_case *one, struct verdict_table *table,
                         struct verdict_target *targets, struct verdict_leg *legs) {
  static const char *const names[] = {"t0", "t1", "t2", "t3"};

  for (size_t i = 0; i < TARGETS_MAX && one->targets[i].legs; i++) {
    const struct target_case *target = &one->targets[i];
    struct verdict_leg *row = &legs[i * (one->hops + 1)];

    targets[i] = (struct verdict_target){.name = names[i],
                                         .control = target->control,
                                         .sealed = !target->plain,
                                         .nat_trouble = target->nat,
                                         .nat_ports_used = 64,
                                         .nat_ports_limit = 64,
                                         .nat_stalled = 2};
    fill_legs(target->legs, row, one->hops + 1);
    row[0].via = target->via;
    row[0].via_good = target->via_good;
    if (one->nested)
      row[0].outcome.hop = one->nested_hop;
    table->target_count = i + 1;
  }
}

static struct verdict judge(const struct verdict_case *one) {
  struct verdict_hop hops[HOPS_MAX];
  struct verdict_target targets[TARGETS_MAX];
  struct verdict_leg legs[TARGETS_MAX * (HOPS_MAX + 1)];
  struct verdict_leg ports[HOPS_MAX];
  struct verdict_table table = {.chain = "prod",
                                .nested = one->nested,
                                .hop_count = one->hops,
                                .hops = hops,
                                .targets = targets,
                                .legs = legs};

  fill_legs(one->tcp, ports, one->hops);
  for (size_t i = 0; i < one->hops; i++)
    hops[i] = (struct verdict_hop){
        .name = hop_names[i], .endpoint = "10.128.0.9:3128", .tcp = ports[i]};
  make_targets(one, &table, targets, legs);
  return verdict_of(&table);
}

static void test_cases(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct verdict verdict = judge(&cases[i]);

    if (strcmp(location_name(verdict.location), cases[i].expected) != 0)
      fail_msg("%s: expected %s, found %s (%s)", cases[i].title, cases[i].expected,
               location_name(verdict.location), verdict.sentence);
    if (cases[i].says && !strstr(verdict.sentence, cases[i].says))
      fail_msg("%s: \"%s\" is not in \"%s\"", cases[i].title, cases[i].says,
               verdict.sentence);
  }
}

static void test_sentence(void **state) {
  const struct verdict_case one = {
      "", 2, "ok refused", {{"503 refused ok"}, {"503 refused ok"}, {"503 refused ok"}},
      "b", NULL};
  struct verdict verdict = judge(&one);

  (void)state;
  assert_string_equal("prod: fault at b (10.128.0.9:3128): connection refused; 3 of 3 "
                      "targets fail, straight out works",
                      verdict.sentence);
  assert_false(verdict.partial);
}

/* However long the names are, it ends at a character, and the cause is in it. */
static void test_long_names_are_shortened(void **state) {
  char name[128], endpoint[264];
  struct verdict_leg legs[] = {{.tried = true, .outcome = words[1].outcome},
                               {.tried = true, .ever = true}};
  struct verdict_hop hop = {.name = name, .endpoint = endpoint, .tcp = legs[0]};
  struct verdict_target target = {.name = name};
  struct verdict_table table = {.chain = name, .hop_count = 1, .hops = &hop,
                                .target_count = 1, .targets = &target, .legs = legs};
  struct verdict verdict;

  (void)state;
  for (size_t length = 1; length < sizeof(name); length++) {
    memset(endpoint, 'h', sizeof(endpoint));
    endpoint[sizeof(endpoint) - 1] = '\0';
    for (size_t i = 0; i < length; i++)
      name[i] = i % 2 ? '\xa9' : '\xc3'; /* é, of two bytes */
    name[length - length % 2] = '\0';
    verdict = verdict_of(&table);
    assert_int_equal(VERDICT_HOP, verdict.location);
    assert_non_null(strstr(verdict.sentence, "connection refused"));
    for (const char *c = verdict.sentence; *c; c++)
      if (*c == '\xc3')
        assert_int_equal('\xa9', c[1]);
  }
}

/* Whatever the legs say, the verdict is of this table, and always the same. */
static void test_any_table(void **state) {
  unsigned seed = (unsigned)time(NULL);
  struct verdict_leg legs[TARGETS_MAX * (HOPS_MAX + 1)];
  struct verdict_hop hops[HOPS_MAX];
  struct verdict_target targets[TARGETS_MAX];

  (void)state;
  print_message("seed %u\n", seed);
  for (unsigned round = 0; round < 20000; round++) {
    struct verdict_table table = {.chain = "c", .hops = hops, .targets = targets,
                                  .legs = legs};
    struct verdict one, two;
    bool failing = false;

    table.hop_count = (size_t)rand_r(&seed) % (HOPS_MAX + 1);
    table.target_count = 1 + (size_t)rand_r(&seed) % TARGETS_MAX;
    for (size_t i = 0; i < sizeof(legs) / sizeof(legs[0]); i++)
      legs[i] = (struct verdict_leg){
          .tried = rand_r(&seed) % 4 != 0,
          .ever = rand_r(&seed) % 2 != 0,
          .outcome = words[(size_t)rand_r(&seed) % (sizeof(words) / sizeof(words[0]))]
                         .outcome,
          .via = (unsigned)rand_r(&seed) % 4,
          .via_good = (unsigned)rand_r(&seed) % 4};
    for (size_t i = 0; i < HOPS_MAX; i++)
      hops[i] = (struct verdict_hop){
          .name = hop_names[i], .endpoint = "e", .tcp = legs[(size_t)rand_r(&seed) % 4]};
    for (size_t i = 0; i < TARGETS_MAX; i++)
      targets[i] = (struct verdict_target){.name = "t",
                                           .control = i > 0 && rand_r(&seed) % 3 == 0,
                                           .sealed = rand_r(&seed) % 2 != 0,
                                           .nat_trouble = rand_r(&seed) % 4 == 0};
    for (size_t i = 0; i < table.target_count; i++)
      failing = failing ||
                (!targets[i].control && verdict_leg_at(&table, i, 0)->tried &&
                 verdict_leg_at(&table, i, 0)->outcome.result != RESULT_OK);
    one = verdict_of(&table);
    two = verdict_of(&table);
    assert_int_equal(one.location, two.location);
    assert_string_equal(one.sentence, two.sentence);
    assert_in_range(one.location, 0, VERDICT_HOP + (int)table.hop_count - 1);
    assert_int_equal(failing, one.location != VERDICT_NONE);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_cases),
      cmocka_unit_test(test_sentence),
      cmocka_unit_test(test_long_names_are_shortened),
      cmocka_unit_test(test_any_table),
  };

  return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
