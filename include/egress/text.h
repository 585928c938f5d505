/* SPDX-License-Identifier: MIT
 *
 * Model: text that others wrote, on its way into a log line or a notification.
 */
#ifndef EGRESS_TEXT_H
#define EGRESS_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#pragma GCC visibility push(default)

/* Whether all of it is UTF-8, and no control character (U+0000 to U+001F, U+007F to
 * U+009F) among it: what a terminal would obey, and what would break a line. */
#pragma GCC visibility push(hidden)
bool text_is_clean(const char *text);
#pragma GCC visibility pop

/* Copies the first `length` bytes of `text`, or those before its NUL, into `copy` of
 * `size` bytes, at least one. Each control character, and each byte that belongs to
 * no character of UTF-8, becomes a '?'. A character that does not fit, or that is
 * cut in two by `length`, is left out with all behind it. Always terminated; returns
 * the length of the copy. */
size_t text_clean(char *copy, size_t size, const char *text, size_t length);

#pragma GCC visibility pop
#endif
