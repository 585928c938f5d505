/* SPDX-License-Identifier: MIT */
#include "nat_huge.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

void *nat_huge_alloc(size_t size) {
  void *memory = NULL;

  return posix_memalign(&memory, NAT_HUGE_PAGE, size) == 0 ? memory : NULL;
}

void nat_huge_advise(void *memory, size_t size) {
  size_t before = -(uintptr_t)memory % NAT_HUGE_PAGE;

  if (size >= before + NAT_HUGE_PAGE)
    madvise((char *)memory + before, (size - before) / NAT_HUGE_PAGE * NAT_HUGE_PAGE,
            MADV_HUGEPAGE);
}
