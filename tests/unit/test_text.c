/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "egress/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct {
  const char *text, *clean;
} texts[] = {
    {"", ""},
    {"plain, \"quoted\"", "plain, \"quoted\""},
    {"z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x98\x80", "z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x98\x80"},
    {"\xc2\xa0\xed\x9f\xbf\xf4\x8f\xbf\xbf", "\xc2\xa0\xed\x9f\xbf\xf4\x8f\xbf\xbf"},
    {"a\tb\nc\x1b[31m\x7f", "a?b?c?[31m?"},
    /* U+009B is CSI, U+0085 a new line: one character each. */
    {"\xc2\x9b" "31m\xc2\x85" "b\xc2\x80", "?31m?b?"},
    /* Without UTF-8 a byte each: CSI again, a start without its rest, overlong,
     * a surrogate, beyond U+10FFFF. */
    {"\x9b" "31m\xff\xfe", "?31m??"},
    {"\xe2\x82" "a", "??a"},
    {"a\xe2\x82", "a"},
    {"\xc0\x80\xe0\x9f\xbf", "?????"},
    {"\xed\xa0\x80\xf4\x90\x80\x80\xf5", "????????"},
};

static void test_cleans(void **state) {
  char copy[64];

  (void)state;
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    const char *text = texts[i].text;

    assert_int_equal(strlen(texts[i].clean), text_clean(copy, sizeof(copy), text, strlen(text)));
    assert_string_equal(texts[i].clean, copy);
    assert_true(text_is_clean(copy));
    assert_int_equal(strcmp(text, copy) == 0, text_is_clean(text));
  }
}

static void test_cuts_between_characters(void **state) {
  static const char text[] = "ab\xe2\x82\xac" "c";
  static const char *const by_size[] = {"", "a", "ab", "ab", "ab", "ab\xe2\x82\xac", text, text};
  static const char *const by_length[] = {"", "a", "ab", "ab", "ab", "ab\xe2\x82\xac", text};
  char copy[16];

  (void)state;
  for (size_t size = 1; size <= sizeof(by_size) / sizeof(by_size[0]); size++) {
    memset(copy, 'x', sizeof(copy));
    text_clean(copy, size, text, strlen(text));
    assert_string_equal(by_size[size - 1], copy);
    assert_int_equal('x', copy[size]);
  }
  for (size_t length = 0; length < sizeof(by_length) / sizeof(by_length[0]); length++) {
    text_clean(copy, sizeof(copy), text, length);
    assert_string_equal(by_length[length], copy);
  }
  assert_int_equal(1, text_clean(copy, sizeof(copy), "a\0b", 3));
}

/* Whatever comes in: nothing is written beyond the size, and what comes out is clean. */
static void test_any_bytes(void **state) {
  unsigned seed = (unsigned)time(NULL);
  char all[32], copy[34];

  (void)state;
  print_message("seed %u\n", seed);
  for (int round = 0; round < 100000; round++) {
    size_t size = 1 + (size_t)rand_r(&seed) % 32, length = (size_t)rand_r(&seed) % 33;
    char *text = all + sizeof(all) - length; /* nothing may be read behind it */
    size_t used;

    for (size_t i = 0; i < length; i++)
      text[i] = (char)(rand_r(&seed) % 8 == 0 ? 'a' : rand_r(&seed) % 0x100);
    copy[size] = 'x';
    used = text_clean(copy, size, text, length);
    assert_int_equal(strlen(copy), used);
    assert_true(used < size && copy[size] == 'x');
    assert_true(text_is_clean(copy));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_cleans),
      cmocka_unit_test(test_cuts_between_characters),
      cmocka_unit_test(test_any_bytes),
  };

  return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
