/* SPDX-License-Identifier: GPL-2.0-only */
/* The test harness, and checks on top of it. Needs no evpoll: tools/conformance uses it too. */
#ifndef EVPOLL_EXPECT_H
#define EVPOLL_EXPECT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>

#include "kselftest_harness.h"

/* A kernel that checks everything, under TCG, is ten times as slow as the harness expects. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 120

/* A call that must fail with -1 and this errno. */
#define EXPECT_ERRNO(expected, call) do {					\
	errno = 0;								\
	EXPECT_EQ(-1, call);							\
	EXPECT_EQ(expected, errno);						\
} while (0)

#endif /* EVPOLL_EXPECT_H */
