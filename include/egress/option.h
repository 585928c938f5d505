/* SPDX-License-Identifier: MIT
 *
 * A configuration block as plain data, and the reading of it by tables. The
 * adapter (daemon.h) makes the tree from collectd's own; a test or a fuzzer
 * makes it by hand. All of it is pure: errors come back as a sentence.
 */
#ifndef EGRESS_OPTION_H
#define EGRESS_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(default)

enum option_type { OPTION_STRING, OPTION_NUMBER, OPTION_BOOLEAN };

struct option_value {
  enum option_type type;
  const char *string; /* OPTION_STRING; owned by whoever made the tree */
  double number;      /* OPTION_NUMBER */
  bool boolean;       /* OPTION_BOOLEAN */
};

/* `Name value value` or `<Name value> children </Name>`. */
struct option {
  const char *name;
  const struct option *parent; /* NULL for the <Plugin> block */
  size_t value_count;
  struct option_value *values;
  size_t child_count;
  struct option *children;
};

/* One line: which block, which option, what was given, what is allowed. */
struct option_error {
  char text[512];
};

/* What an option may hold, and where it goes. */
enum option_kind {
  OPTION_TEXT,     /* one string, not empty -> char * (strdup; freed by caller) */
  OPTION_FLAG,     /* true or false -> bool */
  OPTION_REAL,     /* minimum <= number <= maximum -> double */
  OPTION_INTEGER,  /* the same without a fraction -> int64_t */
  OPTION_DURATION, /* seconds, minimum <= n <= maximum -> nanoseconds */
  OPTION_CHOICE,   /* one of `choices` -> int, its index */
  OPTION_CUSTOM,   /* read by `read` */
};

struct option_rule {
  const char *name;
  enum option_kind kind;
  size_t offset; /* of the field in `into`; unused for OPTION_CUSTOM */
  double minimum, maximum;
  const char *const *choices; /* ends with NULL */
  int (*read)(const struct option *option, void *into,
              struct option_error *error);
  bool repeats; /* may be given more than once in a block */
  bool secret;  /* the value is never shown in an error */
};

/* Reads every child of `block` by its rule (names compare as collectd's do,
 * without case). A child without a rule, and a second one of a rule that does
 * not repeat, is an error. Returns 0, or -EINVAL (-ENOMEM) with *error filled.
 * What was read before the error stays in `into` for the caller to free. */
int option_walk(const struct option *block, const struct option_rule *rules,
                size_t rule_count, void *into, struct option_error *error);

/* For `read` functions: the option's only value as the given kind. */
int option_get_text(const struct option *option, const char **text,
                    struct option_error *error);
int option_get_integer(const struct option *option, int64_t minimum,
                       int64_t maximum, int64_t *value,
                       struct option_error *error);

/* The option's values, at least one, all of them non-empty strings. */
int option_require_texts(const struct option *option, struct option_error *error);

/* Fills *error with `<Plugin "egress_x"> <Chain "prod"> Mode "x": ` followed by
 * the sentence given, which should say what is allowed. Returns -EINVAL. */
__attribute__((format(printf, 3, 4))) int
option_fail(const struct option *option, struct option_error *error,
            const char *format, ...);

/* The same, with the values shown as "***": for a secret, or a URL that holds
 * one. */
__attribute__((format(printf, 3, 4))) int
option_fail_secret(const struct option *option, struct option_error *error,
                   const char *format, ...);

/* Checks the label of a block or another name that becomes part of a metric's
 * instance: valid UTF-8, no control characters, none of ':' '/' '@', not longer
 * than `limit` bytes, and not one of `reserved` (NULL-terminated, or NULL). */
#pragma GCC visibility push(hidden)
int option_check_name(const struct option *option, const char *name, size_t limit,
                      const char *const *reserved, struct option_error *error);
#pragma GCC visibility pop

/* The label of a block, as in <Chain "prod">: one name that option_check_name allows.
 * *name is a copy, to be freed by the caller; left alone on an error. */
int option_take_label(const struct option *block, size_t limit,
                      const char *const *reserved, char **name,
                      struct option_error *error);

#pragma GCC visibility pop
#endif
