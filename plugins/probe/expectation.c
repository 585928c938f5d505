/* SPDX-License-Identifier: MIT */
#include "expectation.h"

#include <errno.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

/* The work that one match may cost (pcre2api, "match limit"): tens of milliseconds
 * at the most, for a pattern that a hostile body makes backtrace without end. */
#define MATCH_LIMIT 1000000
#define MATCH_HEAP_KIBIBYTES 1024

#define STATUS_MIN 100
#define STATUS_MAX 599

/* Three digits; moves *text past them. */
static bool take_status(const char **text, uint16_t *status) {
  unsigned number = 0;

  for (size_t i = 0; i < 3; i++, (*text)++) {
    if (**text < '0' || **text > '9')
      return false;
    number = number * 10 + (unsigned)(**text - '0');
  }
  *status = (uint16_t)number;
  return number >= STATUS_MIN && number <= STATUS_MAX;
}

static void skip_blanks(const char **text) { *text += strspn(*text, " \t"); }

static bool take_range(const char **text, struct status_range *range) {
  skip_blanks(text);
  if (!take_status(text, &range->first))
    return false;
  range->last = range->first;
  if (**text == '-') {
    (*text)++;
    if (!take_status(text, &range->last))
      return false;
  }
  skip_blanks(text);
  return range->first <= range->last;
}

int expectation_set_status(struct expectation *expectation, const char *text) {
  struct status_range ranges[STATUS_RANGES_MAX];
  const char *rest = text;
  size_t count = 0;
  char *copy;

  do {
    if (count == STATUS_RANGES_MAX || !take_range(&rest, &ranges[count]))
      return -EINVAL;
    count++;
  } while (*rest == ',' && rest++);
  if (*rest != '\0')
    return -EINVAL;
  copy = strdup(text);
  if (!copy)
    return -ENOMEM;
  free(expectation->status_text);
  expectation->status_text = copy;
  memcpy(expectation->ranges, ranges, sizeof(ranges[0]) * count);
  expectation->range_count = count;
  return 0;
}

int expectation_set_body(struct expectation *expectation, const char *text,
                         char *complaint, size_t complaint_size) {
  PCRE2_SIZE offset = 0;
  int code = 0;

  if (expectation->body_text)
    return -EINVAL;
  expectation->body = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
                                    PCRE2_MULTILINE, &code, &offset, NULL);
  if (!expectation->body) {
    pcre2_get_error_message(code, (PCRE2_UCHAR *)complaint, complaint_size);
    return code == PCRE2_ERROR_NOMEMORY ? -ENOMEM : -EINVAL;
  }
  expectation->body_text = strdup(text);
  if (expectation->body_text)
    return 0;
  pcre2_code_free(expectation->body);
  expectation->body = NULL;
  return -ENOMEM;
}

void expectation_clear(struct expectation *expectation) {
  pcre2_code_free(expectation->body);
  free(expectation->body_text);
  free(expectation->status_text);
  *expectation = (struct expectation){0};
}

bool expectation_status_met(const struct expectation *expectation, int status) {
  for (size_t i = 0; i < expectation->range_count; i++)
    if (status >= expectation->ranges[i].first && status <= expectation->ranges[i].last)
      return true;
  return expectation->range_count == 0;
}

static bool is_found(const pcre2_code *pattern, const char *body, size_t length) {
  pcre2_match_data *data = pcre2_match_data_create(1, NULL);
  pcre2_match_context *context = pcre2_match_context_create(NULL);
  bool found = false;

  if (data && context) {
    pcre2_set_match_limit(context, MATCH_LIMIT);
    pcre2_set_heap_limit(context, MATCH_HEAP_KIBIBYTES);
    found = pcre2_match(pattern, (PCRE2_SPTR)body, length, 0, 0, data, context) >= 0;
  }
  pcre2_match_context_free(context);
  pcre2_match_data_free(data);
  return found;
}

bool expectation_body_met(const struct expectation *expectation, const char *body,
                          size_t length) {
  return !expectation->body || is_found(expectation->body, length > 0 ? body : "", length);
}
