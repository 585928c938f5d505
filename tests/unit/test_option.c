/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "egress/clock.h"
#include "option_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct settings {
  char *text;
  char *secret;
  bool flag;
  double real;
  int64_t integer;
  nanoseconds duration;
  int choice;
  unsigned blocks;
};

static const char *const modes[] = {"cascade", "nested", NULL};

static int read_block(const struct option *option, void *into,
                      struct option_error *error) {
  static const struct option_rule rules[] = {
      {.name = "Flag", .kind = OPTION_FLAG, .offset = offsetof(struct settings, flag)},
  };
  struct settings *settings = into;

  settings->blocks++;
  return option_walk(option, rules, 1, into, error);
}

#define FIELD(field) .offset = offsetof(struct settings, field)

static const struct option_rule rules[] = {
    {.name = "Text", .kind = OPTION_TEXT, FIELD(text)},
    {.name = "Secret", .kind = OPTION_TEXT, FIELD(secret), .secret = true},
    {.name = "Flag", .kind = OPTION_FLAG, FIELD(flag)},
    {.name = "Real", .kind = OPTION_REAL, FIELD(real), .minimum = 0.5, .maximum = 2},
    {.name = "Integer", .kind = OPTION_INTEGER, FIELD(integer), .minimum = 1, .maximum = 65535},
    {.name = "Duration", .kind = OPTION_DURATION, FIELD(duration), .minimum = 0, .maximum = 60},
    {.name = "Mode", .kind = OPTION_CHOICE, FIELD(choice), .choices = modes},
    {.name = "Block", .kind = OPTION_CUSTOM, .read = read_block, .repeats = true},
};

static int read_text(const char *text, struct settings *settings,
                     struct option_error *error) {
  struct option *tree = option_tree_parse(text);
  int result;

  assert_non_null(tree);
  error->text[0] = '\0';
  result = option_walk(tree, rules, sizeof(rules) / sizeof(*rules), settings, error);
  option_tree_free(tree);
  return result;
}

static void settings_clear(struct settings *settings) {
  free(settings->text);
  free(settings->secret);
}

static void test_reads_every_kind(void **state) {
  struct settings settings = {0};
  struct option_error error;

  (void)state;
  assert_int_equal(0, read_text("<Plugin \"egress_x\">\n"
                                "  # a comment\n"
                                "  text \"hello\"\n"
                                "  Flag true\n"
                                "  Real 0.75\n"
                                "  Integer \"443\"\n"
                                "  Duration 1.5\n"
                                "  Mode \"NESTED\"\n"
                                "  <Block \"one\">\n    Flag false\n  </Block>\n"
                                "  <Block \"two\">\n  </Block>\n"
                                "</Plugin>\n",
                                &settings, &error));
  assert_string_equal("hello", settings.text);
  assert_false(settings.flag);
  assert_true(settings.real == 0.75);
  assert_int_equal(443, settings.integer);
  assert_int_equal(1500 * NANOSECONDS_PER_MILLISECOND, settings.duration);
  assert_int_equal(1, settings.choice);
  assert_int_equal(2, settings.blocks);
  settings_clear(&settings);
}

static void check_error(const char *line, const char *expected) {
  struct settings settings = {0};
  struct option_error error;
  char text[1400];

  snprintf(text, sizeof(text), "<Plugin \"egress_x\">\n%s\n</Plugin>\n", line);
  assert_int_equal(-EINVAL, read_text(text, &settings, &error));
  assert_string_equal(expected, error.text);
  settings_clear(&settings);
}

static void test_errors_say_what_is_wrong_and_allowed(void **state) {
  (void)state;
  check_error("Integer 70000", "<Plugin \"egress_x\"> Integer 70000: expected a whole "
                               "number from 1 to 65535");
  check_error("Integer 1.5",
              "<Plugin \"egress_x\"> Integer 1.5: expected a whole number from 1 to 65535");
  check_error("Integer \"+5\"", "<Plugin \"egress_x\"> Integer \"+5\": expected a whole "
                                "number from 1 to 65535");
  check_error("Real 1 2",
              "<Plugin \"egress_x\"> Real 1 2: expected a number from 0.5 to 2");
  check_error("Mode \"cascde\"", "<Plugin \"egress_x\"> Mode \"cascde\": expected "
                                 "\"cascade\" or \"nested\"");
  check_error("Flag \"yes\"", "<Plugin \"egress_x\"> Flag \"yes\": expected true or "
                              "false, without quotes");
  check_error("Text \"\"", "<Plugin \"egress_x\"> Text \"\": expected one string in "
                           "quotes, not empty");
  check_error("Text \"a\"\nText \"b\"", "<Plugin \"egress_x\"> Text \"b\": given twice; "
                                        "allowed once in this block");
  check_error("Duration \"nan\"",
              "<Plugin \"egress_x\"> Duration \"nan\": expected a number from 0 to 60");
  check_error("<Block \"one\">\nFlag 3\n</Block>",
              "<Plugin \"egress_x\"> <Block \"one\"> Flag 3: expected true or false, "
              "without quotes");
}

static void test_errors_show_no_secret(void **state) {
  (void)state;
  check_error("Secret \"hunter2\" \"x\"",
              "<Plugin \"egress_x\"> Secret \"***\" \"***\": expected one string in "
              "quotes, not empty");
  check_error("Secret \"a\"\nSecret \"b\"", "<Plugin \"egress_x\"> Secret \"***\": given "
                                            "twice; allowed once in this block");
  check_error("Pasword \"hunter2\"",
              "<Plugin \"egress_x\"> Pasword \"***\": unknown option; allowed here: Text, "
              "Secret, Flag, Real, Integer, Duration, Mode, Block");
}

static void test_an_unknown_option_is_shown_with_its_value(void **state) {
  (void)state;
  check_error("Discover false",
              "<Plugin \"egress_x\"> Discover false: unknown option; allowed here: Text, "
              "Secret, Flag, Real, Integer, Duration, Mode, Block");
}

static void test_control_characters_stay_out_of_errors(void **state) {
  (void)state;
  check_error("Mode \"a\x1b[31m\"", "<Plugin \"egress_x\"> Mode \"a?[31m\": expected "
                                    "\"cascade\" or \"nested\"");
  check_error("Mode \"a\xc2\x9b\x31m\xff\"", "<Plugin \"egress_x\"> Mode \"a?1m?\": "
                                             "expected \"cascade\" or \"nested\"");
}

static void test_a_long_value_leaves_room_for_the_reason(void **state) {
  char line[1200] = "Mode \"";
  char expected[256];

  (void)state;
  memset(line + strlen("Mode \""), 'x', 1000);
  line[strlen("Mode \"") + 1000] = '"';
  snprintf(expected, sizeof(expected),
           "<Plugin \"egress_x\"> Mode \"%.80s...\": expected \"cascade\" or \"nested\"",
           line + strlen("Mode \""));
  check_error(line, expected);
}

static void test_a_url_keeps_its_secrets_wherever_it_stands(void **state) {
  (void)state;
  check_error("Mode \"http://bob:hunter2@h:1\"", "<Plugin \"egress_x\"> Mode \"***\": "
                                               "expected \"cascade\" or \"nested\"");
  check_error("Mode \"https://h/?token=hunter2#a\"",
              "<Plugin \"egress_x\"> Mode \"https://h/?***\": expected \"cascade\" or "
              "\"nested\"");
  check_error("Cookie \"session=hunter2\"",
              "<Plugin \"egress_x\"> Cookie \"***\": unknown option; allowed here: Text, "
              "Secret, Flag, Real, Integer, Duration, Mode, Block");
}

static int check_name(const char *name, size_t limit) {
  static const char *const reserved[] = {"egress", "target", NULL};
  const struct option option = {.name = "Chain"};
  struct option_error error;

  return option_check_name(&option, name, limit, reserved, &error);
}

static void test_names(void **state) {
  static const char *const bad[] = {
      "a:b",      "a/b",          "a@b",      "tab\t",        "egress",       "target",
      "\xc0\x80", "\xed\xa0\x80", "\xff",     "\xe2\x82",     "\xf5\x80\x80\x80",
      "\xc2\x85", "\x7f",         "123456789"};

  (void)state;
  assert_int_equal(0, check_name("gce-proxy", 127));
  assert_int_equal(0, check_name("z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x98\x80", 127));
  assert_int_equal(0, check_name("12345678", 8));
  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
    assert_int_equal(-EINVAL, check_name(bad[i], 8));
}

static void test_texts(void **state) {
  struct option *tree = option_tree_parse("<Plugin x>\nHops \"a\" \"b\"\nHops\n"
                                          "Hops \"a\" 3\nHops \"\"\n</Plugin>\n");
  struct option_error error;

  (void)state;
  assert_int_equal(4, tree->child_count);
  assert_int_equal(0, option_require_texts(&tree->children[0], &error));
  for (size_t i = 1; i < 4; i++)
    assert_int_equal(-EINVAL, option_require_texts(&tree->children[i], &error));
  option_tree_free(tree);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_reads_every_kind),
      cmocka_unit_test(test_errors_say_what_is_wrong_and_allowed),
      cmocka_unit_test(test_errors_show_no_secret),
      cmocka_unit_test(test_an_unknown_option_is_shown_with_its_value),
      cmocka_unit_test(test_control_characters_stay_out_of_errors),
      cmocka_unit_test(test_a_long_value_leaves_room_for_the_reason),
      cmocka_unit_test(test_a_url_keeps_its_secrets_wherever_it_stands),
      cmocka_unit_test(test_names),
      cmocka_unit_test(test_texts),
  };

  return cmocka_run_group_tests_name("option", tests, NULL, NULL);
}
