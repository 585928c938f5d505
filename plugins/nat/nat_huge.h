/* SPDX-License-Identifier: MIT
 *
 * Memory in huge pages, for arrays that are looked up all over: from some size on the
 * processor would walk its page tables for most look-ups. It is but a wish; the kernel may
 * have none, or be told not to (/sys/kernel/mm/transparent_hugepage).
 */
#ifndef EGRESS_NAT_HUGE_H
#define EGRESS_NAT_HUGE_H

#include <stddef.h>

#define NAT_HUGE_PAGE (2u * 1024 * 1024) /* of x86-64, and of arm64 with pages of 4 KiB */

/* What is smaller gains little, and may have most of a huge page to spare. */
#define NAT_HUGE_FROM (2 * NAT_HUGE_PAGE)

/* `size` bytes, on a border of huge pages; not set to anything. NULL: no memory. To get to
 * the border malloc() takes up to one huge page more of addresses, which it never touches. */
void *nat_huge_alloc(size_t size);

/* What lies between borders of huge pages in the `size` bytes from `memory` on, once it
 * is used. */
void nat_huge_advise(void *memory, size_t size);

#endif
