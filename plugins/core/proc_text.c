/* SPDX-License-Identifier: MIT */
#include "proc_text.h"

#include <string.h>

static bool is_blank(char character) { return character == ' ' || character == '\t'; }

bool proc_text_line(struct proc_text *text, struct proc_text *line) {
  size_t left = (size_t)(text->end - text->at);
  const char *newline = left > 0 ? memchr(text->at, '\n', left) : NULL;

  if (left == 0)
    return false;
  *line = (struct proc_text){text->at, newline ? newline : text->end};
  text->at = newline ? newline + 1 : text->end;
  return true;
}

bool proc_text_word(struct proc_text *line, struct proc_text *word) {
  while (line->at < line->end && is_blank(*line->at))
    line->at++;
  word->at = line->at;
  while (line->at < line->end && !is_blank(*line->at))
    line->at++;
  word->end = line->at;
  return word->at < word->end;
}

bool proc_text_skip(struct proc_text *text, char character) {
  if (text->at == text->end || *text->at != character)
    return false;
  text->at++;
  return true;
}

bool proc_text_equals(const struct proc_text *word, const char *other) {
  size_t length = (size_t)(word->end - word->at);

  return strlen(other) == length && memcmp(word->at, other, length) == 0;
}

/* 16 for what is no digit in any base. */
static unsigned digit_of(char character) {
  if (character >= '0' && character <= '9')
    return (unsigned)(character - '0');
  if (character >= 'A' && character <= 'F')
    return (unsigned)(character - 'A') + 10;
  if (character >= 'a' && character <= 'f')
    return (unsigned)(character - 'a') + 10;
  return 16;
}

bool proc_text_number(struct proc_text *text, unsigned base, uint64_t most,
                      uint64_t *number) {
  const char *first = text->at;

  *number = 0;
  while (text->at < text->end && digit_of(*text->at) < base) {
    unsigned digit = digit_of(*text->at++);

    if (digit > most || *number > (most - digit) / base)
      return false;
    *number = *number * base + digit;
  }
  return text->at > first;
}
