/* SPDX-License-Identifier: MIT
 *
 * Model: what an answer must look like to count as good.
 */
#ifndef EGRESS_EXPECTATION_H
#define EGRESS_EXPECTATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STATUS_RANGES_MAX 16

struct status_range {
  uint16_t first, last;
};

struct expectation {
  size_t range_count; /* 0: any status */
  struct status_range ranges[STATUS_RANGES_MAX];
  char *status_text; /* as configured; NULL: the default */
  char *body_text;   /* as configured; NULL: any body */
  struct pcre2_real_code_8 *body; /* of body_text; pcre2.h calls it pcre2_code */
};

/* "200-399", "200,204,301-308"; statuses from 100 to 599. Returns 0, -EINVAL
 * (the old ranges stay) or -ENOMEM. */
int expectation_set_status(struct expectation *expectation, const char *text);

/* A Perl-compatible regular expression (pcre2pattern(3)), searched anywhere in the
 * first MaxBody bytes, case-sensitive; `^` and `$` also match at line borders. A
 * plain word is such an expression too. The work of a match is bounded: a body that
 * would take longer does not meet it. Returns 0, -EINVAL with the reason in
 * `complaint`, or -ENOMEM. */
int expectation_set_body(struct expectation *expectation, const char *text,
                         char *complaint, size_t complaint_size);
void expectation_clear(struct expectation *expectation);

bool expectation_status_met(const struct expectation *expectation, int status);
/* The body may hold NULs; NULL is an empty one. */
bool expectation_body_met(const struct expectation *expectation, const char *body,
                          size_t length);

#endif
