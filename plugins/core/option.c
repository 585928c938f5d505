/* SPDX-License-Identifier: MIT */
#include "egress/option.h"

#include "egress/clock.h"
#include "egress/text.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define RULES_MAX 64 /* in one table; more is an error of ours */

/* What `fail` should say of the option's value. */
typedef int fail_function(const struct option *option, struct option_error *error,
                          const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* --- One value ------------------------------------------------------------ */

static int get_text(const struct option *option, const char **text,
                    struct option_error *error, fail_function *fail) {
  if (option->value_count != 1 || option->values[0].type != OPTION_STRING ||
      option->values[0].string[0] == '\0' || option->child_count > 0)
    return fail(option, error, "expected one string in quotes, not empty");
  *text = option->values[0].string;
  return 0;
}

/* A number, or a string that holds nothing but one: Port "443" is common. */
static bool get_number(const struct option *option, double *number) {
  char *end = NULL;

  if (option->value_count != 1 || option->child_count > 0)
    return false;
  if (option->values[0].type == OPTION_NUMBER) {
    *number = option->values[0].number;
    return true;
  }
  if (option->values[0].type != OPTION_STRING ||
      !isdigit((unsigned char)option->values[0].string[0]))
    return false;
  *number = strtod(option->values[0].string, &end);
  return *end == '\0';
}

static int get_real(const struct option *option, double minimum, double maximum,
                    double *value, struct option_error *error) {
  double number = NAN;

  if (!get_number(option, &number) || !(number >= minimum && number <= maximum))
    return option_fail(option, error, "expected a number from %.15g to %.15g", minimum,
                       maximum);
  *value = number;
  return 0;
}

int option_get_text(const struct option *option, const char **text,
                    struct option_error *error) {
  return get_text(option, text, error, option_fail);
}

int option_get_integer(const struct option *option, int64_t minimum, int64_t maximum,
                       int64_t *value, struct option_error *error) {
  double number = NAN;

  if (!get_number(option, &number) || !(number >= (double)minimum) ||
      !(number <= (double)maximum) || number != floor(number))
    return option_fail(option, error, "expected a whole number from %lld to %lld",
                       (long long)minimum, (long long)maximum);
  *value = (int64_t)number;
  return 0;
}

int option_require_texts(const struct option *option, struct option_error *error) {
  bool fine = option->value_count > 0 && option->child_count == 0;

  for (size_t i = 0; i < option->value_count && fine; i++)
    fine = option->values[i].type == OPTION_STRING && option->values[i].string[0] != '\0';
  return fine ? 0
              : option_fail(option, error,
                            "expected one or more strings in quotes, not empty");
}

static int get_choice(const struct option *option, const char *const *choices,
                      int *choice, struct option_error *error) {
  char allowed[256] = "";
  const char *text = NULL;

  if (option->value_count == 1 && option->values[0].type == OPTION_STRING &&
      option->child_count == 0)
    text = option->values[0].string;
  for (int i = 0; choices[i]; i++) {
    size_t used = strlen(allowed);

    if (text && strcasecmp(text, choices[i]) == 0) {
      *choice = i;
      return 0;
    }
    snprintf(allowed + used, sizeof(allowed) - used, "%s\"%s\"", i ? " or " : "",
             choices[i]);
  }
  return option_fail(option, error, "expected %s", allowed);
}

/* --- A block by its table -------------------------------------------------- */

static int store_text(const struct option *option, const struct option_rule *rule,
                      char **field, struct option_error *error) {
  const char *text = NULL;
  int result =
      get_text(option, &text, error, rule->secret ? option_fail_secret : option_fail);

  if (result < 0)
    return result;
  free(*field);
  *field = strdup(text);
  return *field ? 0 : -ENOMEM;
}

static int store_flag(const struct option *option, bool *field,
                      struct option_error *error) {
  if (option->value_count != 1 || option->values[0].type != OPTION_BOOLEAN ||
      option->child_count > 0)
    return option_fail(option, error, "expected true or false, without quotes");
  *field = option->values[0].boolean;
  return 0;
}

static int store_duration(const struct option *option, const struct option_rule *rule,
                          nanoseconds *field, struct option_error *error) {
  double seconds = NAN;
  int result = get_real(option, rule->minimum, rule->maximum, &seconds, error);

  if (result == 0)
    *field = seconds_to_nanoseconds(seconds);
  return result;
}

static int store(const struct option *option, const struct option_rule *rule, void *into,
                 struct option_error *error) {
  void *field = (char *)into + rule->offset;

  switch (rule->kind) {
  case OPTION_TEXT:
    return store_text(option, rule, field, error);
  case OPTION_FLAG:
    return store_flag(option, field, error);
  case OPTION_REAL:
    return get_real(option, rule->minimum, rule->maximum, field, error);
  case OPTION_INTEGER:
    return option_get_integer(option, (int64_t)rule->minimum, (int64_t)rule->maximum,
                              field, error);
  case OPTION_DURATION:
    return store_duration(option, rule, field, error);
  case OPTION_CHOICE:
    return get_choice(option, rule->choices, field, error);
  case OPTION_CUSTOM:
    return rule->read(option, into, error);
  }
  return -EINVAL;
}

static const struct option_rule *find_rule(const struct option_rule *rules, size_t count,
                                           const char *name) {
  for (size_t i = 0; i < count; i++)
    if (strcasecmp(rules[i].name, name) == 0)
      return &rules[i];
  return NULL;
}

/* An unknown option may be a mistyped secret: then its value is not shown. */
static bool may_be_secret(const char *name) {
  static const char *const parts[] = {"pas", "secret", "token",  "auth",   "cred",
                                      "key", "header", "cookie", "session", "user"};

  for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
    if (strcasestr(name, parts[i]))
      return true;
  return false;
}

static int fail_unknown(const struct option *option, const struct option_rule *rules,
                        size_t count, struct option_error *error) {
  char allowed[384] = "";

  for (size_t i = 0; i < count; i++) {
    size_t used = strlen(allowed);

    snprintf(allowed + used, sizeof(allowed) - used, "%s%s", i ? ", " : "",
             rules[i].name);
  }
  return (may_be_secret(option->name) ? option_fail_secret : option_fail)(
      option, error, "unknown option; allowed here: %s", allowed);
}

int option_walk(const struct option *block, const struct option_rule *rules,
                size_t rule_count, void *into, struct option_error *error) {
  bool given[RULES_MAX] = {false};

  if (rule_count > RULES_MAX)
    return -E2BIG;
  for (size_t i = 0; i < block->child_count; i++) {
    const struct option *option = &block->children[i];
    const struct option_rule *rule = find_rule(rules, rule_count, option->name);
    int result;

    if (!rule)
      return fail_unknown(option, rules, rule_count, error);
    if (given[rule - rules] && !rule->repeats)
      return (rule->secret ? option_fail_secret : option_fail)(
          option, error, "given twice; allowed once in this block");
    given[rule - rules] = true;
    result = store(option, rule, into, error);
    if (result == -ENOMEM)
      snprintf(error->text, sizeof(error->text), "out of memory");
    if (result < 0)
      return result;
  }
  return 0;
}

/* --- Names ------------------------------------------------------------------ */

int option_check_name(const struct option *option, const char *name, size_t limit,
                      const char *const *reserved, struct option_error *error) {
  if (!text_is_clean(name))
    return option_fail(option, error,
                       "expected a name in UTF-8 without control characters");
  if (strpbrk(name, ":/@"))
    return option_fail(option, error, "a name may not hold ':', '/' or '@'");
  if (strlen(name) > limit)
    return option_fail(option, error,
                       "the name has %zu bytes; allowed are %zu, since collectd would "
                       "cut a longer instance in silence",
                       strlen(name), limit);
  for (size_t i = 0; reserved && reserved[i]; i++)
    if (strcmp(name, reserved[i]) == 0)
      return option_fail(option, error, "\"%s\" is reserved; choose another name", name);
  return 0;
}

int option_take_label(const struct option *block, size_t limit,
                      const char *const *reserved, char **name,
                      struct option_error *error) {
  char *copy;
  int result;

  if (block->value_count != 1 || block->values[0].type != OPTION_STRING ||
      block->values[0].string[0] == '\0')
    return option_fail(block, error, "expected one name in quotes, as in <%s \"name\">",
                       block->name);
  result = option_check_name(block, block->values[0].string, limit, reserved, error);
  if (result < 0)
    return result;
  copy = strdup(block->values[0].string);
  if (!copy)
    return -ENOMEM;
  *name = copy;
  return 0;
}
