/* SPDX-License-Identifier: MIT
 *
 * The feature macros that collectd's headers ask for on Linux, for a source
 * tree on which configure was not run.
 */
#ifndef EGRESS_COLLECTD_CONFIG_H
#define EGRESS_COLLECTD_CONFIG_H

/* Ours, from automake; to collectd's headers it would mean their config.h. */
#undef HAVE_CONFIG_H

#define KERNEL_LINUX 1
#define HAVE_SYS_TYPES_H 1
#define HAVE_SYS_STAT_H 1
#define HAVE_SYS_WAIT_H 1
#define HAVE_SYS_PARAM_H 1
#define HAVE_SYS_SOCKET_H 1
#define HAVE_STRINGS_H 1
#define HAVE_UNISTD_H 1
#define HAVE_FCNTL_H 1
#define HAVE_DIRENT_H 1
#define HAVE_ENDIAN_H 1
#define TIME_WITH_SYS_TIME 1
#define HAVE_SYS_TIME_H 1
#define NAN_STATIC_DEFAULT 1
#define FP_LAYOUT_NEED_NOTHING 1
#define HAVE_DECL_ISNAN 1
#define LT_LAZY_OR_NOW_LAZY 1

#endif
