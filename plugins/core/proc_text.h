/* SPDX-License-Identifier: MIT
 *
 * Words and numbers of the text files in /proc (pure). Texts have an end instead of
 * a final NUL.
 */
#ifndef EGRESS_PROC_TEXT_H
#define EGRESS_PROC_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is left of a text. */
struct proc_text {
  const char *at, *end;
};

/* Takes the next line off the text, without its newline; false at the end. */
bool proc_text_line(struct proc_text *text, struct proc_text *line);

/* Takes the next word (what lies between blanks) off the line; false at its end. */
bool proc_text_word(struct proc_text *line, struct proc_text *word);

/* Takes one given character off; false if another comes next. */
bool proc_text_skip(struct proc_text *text, char character);

bool proc_text_equals(const struct proc_text *word, const char *other);

/* Takes a number off the text, up to the first character that is no digit of it.
 * base: 10 or 16. False if there is no digit, or it is above `most`. */
bool proc_text_number(struct proc_text *text, unsigned base, uint64_t most,
                      uint64_t *number);

#endif
