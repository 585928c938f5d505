/* SPDX-License-Identifier: MIT
 *
 * The sentence of an error: which block, which option, what was given.
 */
#include "egress/option.h"

#include "egress/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define VALUE_SHOWN_MAX 80 /* bytes; the reason must find room behind the value */

/* A growing sentence in a buffer of fixed size; what does not fit is cut. */
struct sentence {
  char *text;
  size_t size, used;
};

static void sentence_add_bytes(struct sentence *sentence, const char *text,
                               size_t length) {
  sentence->used += text_clean(sentence->text + sentence->used,
                               sentence->size - sentence->used, text, length);
}

static void sentence_add(struct sentence *sentence, const char *text) {
  sentence_add_bytes(sentence, text, strlen(text));
}

/* Whatever option it was given to: what holds an '@' may be a URL with a password
 * in it, and a URL's query may hold a token. */
static void sentence_add_string(struct sentence *sentence, const char *text) {
  size_t length = strstr(text, "://") ? strcspn(text, "?#") : strlen(text);
  size_t fits = length < VALUE_SHOWN_MAX ? length : VALUE_SHOWN_MAX;

  if (strchr(text, '@')) {
    sentence_add(sentence, "***");
    return;
  }
  sentence_add_bytes(sentence, text, fits);
  if (fits < length)
    sentence_add(sentence, "...");
  else if (text[length])
    sentence_add(sentence, "?***");
}

static void sentence_add_value(struct sentence *sentence,
                               const struct option_value *value) {
  char number[32];

  switch (value->type) {
  case OPTION_STRING:
    sentence_add(sentence, "\"");
    sentence_add_string(sentence, value->string);
    sentence_add(sentence, "\"");
    break;
  case OPTION_NUMBER:
    snprintf(number, sizeof(number), "%.15g", value->number);
    sentence_add(sentence, number);
    break;
  case OPTION_BOOLEAN:
    sentence_add(sentence, value->boolean ? "true" : "false");
    break;
  }
}

static void sentence_add_option(struct sentence *sentence, const struct option *option,
                                bool secret) {
  sentence_add(sentence, option->name);
  for (size_t i = 0; i < option->value_count; i++) {
    sentence_add(sentence, " ");
    if (secret)
      sentence_add(sentence, "\"***\"");
    else
      sentence_add_value(sentence, &option->values[i]);
  }
}

/* <Plugin "egress_probe"> <Chain "prod"> ... outermost first. */
static void sentence_add_blocks(struct sentence *sentence, const struct option *block) {
  if (!block)
    return;
  sentence_add_blocks(sentence, block->parent);
  sentence_add(sentence, "<");
  sentence_add_option(sentence, block, false);
  sentence_add(sentence, "> ");
}

__attribute__((format(printf, 4, 0))) static int
fail(const struct option *option, struct option_error *error, bool secret,
     const char *format, va_list arguments) {
  struct sentence sentence = {error->text, sizeof(error->text), 0};
  char reason[sizeof(error->text)];

  error->text[0] = '\0';
  if (option->parent) {
    sentence_add_blocks(&sentence, option->parent);
    sentence_add_option(&sentence, option, secret);
  } else {
    sentence_add(&sentence, "<");
    sentence_add_option(&sentence, option, secret);
    sentence_add(&sentence, ">");
  }
  sentence_add(&sentence, ": ");
  vsnprintf(reason, sizeof(reason), format, arguments);
  sentence_add(&sentence, reason);
  return -EINVAL;
}

int option_fail(const struct option *option, struct option_error *error,
                const char *format, ...) {
  va_list arguments;
  int result;

  va_start(arguments, format);
  result = fail(option, error, false, format, arguments);
  va_end(arguments);
  return result;
}

int option_fail_secret(const struct option *option, struct option_error *error,
                       const char *format, ...) {
  va_list arguments;
  int result;

  va_start(arguments, format);
  result = fail(option, error, true, format, arguments);
  va_end(arguments);
  return result;
}
