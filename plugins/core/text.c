/* SPDX-License-Identifier: MIT */
#include "egress/text.h"

#include <stdint.h>
#include <string.h>

/* What the first byte of a character promises; 0: it cannot be one. */
static size_t promised_length(unsigned char first) {
  if (first < 0x80)
    return 1;
  if (first >= 0xc2 && first < 0xe0)
    return 2;
  if (first >= 0xe0 && first < 0xf0)
    return 3;
  return first >= 0xf0 && first < 0xf5 ? 4 : 0;
}

/* mbrtowc goes by the process's locale, which is C in a daemon: so by hand, after
 * the table of well-formed sequences of Unicode 15, 3.9 (table 3-7). Returns the
 * bytes of the character that `text` begins with; 0: none. If more than `available`
 * the rest was not looked at. */
static size_t character_length(const unsigned char *text, size_t available) {
  unsigned char low = 0x80, high = 0xbf;
  size_t length = promised_length(text[0]);

  if (text[0] == 0xe0)
    low = 0xa0;
  else if (text[0] == 0xed)
    high = 0x9f;
  else if (text[0] == 0xf0)
    low = 0x90;
  else if (text[0] == 0xf4)
    high = 0x8f;
  for (size_t i = 1; i < length && i < available; i++) {
    if (text[i] < low || text[i] > high)
      return 0;
    low = 0x80;
    high = 0xbf;
  }
  return length;
}

/* C0, DEL and C1: 0xc2 leads U+0080 to U+00BF. */
static bool is_control(const unsigned char *text) {
  return text[0] < ' ' || text[0] == 0x7f || (text[0] == 0xc2 && text[1] < 0xa0);
}

bool text_is_clean(const char *text) {
  const unsigned char *at = (const unsigned char *)text;

  while (*at) {
    size_t length = character_length(at, SIZE_MAX);

    if (length == 0 || is_control(at))
      return false;
    at += length;
  }
  return true;
}

size_t text_clean(char *copy, size_t size, const char *text, size_t length) {
  size_t used = 0, taken = 0;

  while (taken < length && text[taken]) {
    const unsigned char *at = (const unsigned char *)text + taken;
    size_t whole = character_length(at, length - taken);
    bool bad = whole == 0 || (whole <= length - taken && is_control(at));

    if (whole > length - taken || used + (bad ? 1 : whole) >= size)
      break;
    if (bad)
      copy[used] = '?';
    else
      memcpy(copy + used, at, whole);
    used += bad ? 1 : whole;
    taken += whole > 0 ? whole : 1;
  }
  copy[used] = '\0';
  return used;
}
