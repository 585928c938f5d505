/* SPDX-License-Identifier: MIT
 *
 * What every fuzz target is: libFuzzer's entry, or replay.c's where the build
 * has no fuzzer.
 */
#ifndef EGRESS_FUZZ_H
#define EGRESS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* For what must never be false, in release builds too. */
#define FUZZ_REQUIRE(condition) ((condition) ? (void)0 : __builtin_trap())

#endif
