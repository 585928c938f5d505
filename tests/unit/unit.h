/* SPDX-License-Identifier: MIT
 *
 * cmocka and the headers that it expects before it.
 */
#ifndef EGRESS_UNIT_H
#define EGRESS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>

#include <cmocka.h>

#endif
