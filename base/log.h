/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of a process: one line an event, to a descriptor, with a time stamp.
 *
 * What a guest causes must not fill the host's disk: a source of messages that a guest can trigger
 * at will uses log_limited(), which writes at most LOG_BURST lines for each place in the code.
 */
#ifndef LODGE_BASE_LOG_H
#define LODGE_BASE_LOG_H

enum { LOG_BURST = 10 };

/* Lines go to fd from now on (2 at start); the descriptor stays the caller's. */
void log_to(int fd);

void log_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define log_limited(...)                                                     \
	do {                                                                 \
		static int lines_;                                           \
		int n_ = __atomic_load_n(&lines_, __ATOMIC_RELAXED);         \
		if (n_ < LOG_BURST) {                                        \
			__atomic_store_n(&lines_, n_ + 1, __ATOMIC_RELAXED); \
			log_line(__VA_ARGS__);                               \
		}                                                            \
	} while (0)

#endif
