/* SPDX-License-Identifier: MIT
 *
 * For tests and fuzzers: an option tree from text as it stands in
 * collectd.conf, without collectd.
 */
#ifndef EGRESS_OPTION_TREE_H
#define EGRESS_OPTION_TREE_H

#include "egress/option.h"

/* The first block of the text and what is in it; NULL if the text is no block.
 * Free with option_tree_free. The text is not needed afterwards. */
struct option *option_tree_parse(const char *text);
void option_tree_free(struct option *tree);

#endif
