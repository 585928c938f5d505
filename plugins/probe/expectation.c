/* SPDX-License-Identifier: MIT */
#include "expectation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
  int code;

  if (expectation->body_text)
    return -EINVAL;
  code = regcomp(&expectation->body, text, REG_EXTENDED | REG_NEWLINE);
  if (code != 0) {
    regerror(code, &expectation->body, complaint, complaint_size);
    return code == REG_ESPACE ? -ENOMEM : -EINVAL;
  }
  expectation->body_text = strdup(text);
  if (expectation->body_text)
    return 0;
  regfree(&expectation->body);
  return -ENOMEM;
}

void expectation_clear(struct expectation *expectation) {
  if (expectation->body_text)
    regfree(&expectation->body);
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

/* REG_STARTEND: the body may hold NULs. */
bool expectation_body_met(const struct expectation *expectation, const char *body,
                          size_t length) {
  regmatch_t match = {.rm_so = 0, .rm_eo = (regoff_t)length};

  return !expectation->body_text ||
         regexec(&expectation->body, length > 0 ? body : "", 1, &match, REG_STARTEND) == 0;
}
