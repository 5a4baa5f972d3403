/* SPDX-License-Identifier: Apache-2.0 */
/* Telling the service manager that this process is ready and alive (sd_notify(3)): one datagram to
 * the socket in $NOTIFY_SOCKET. Without one, nothing happens. */
#ifndef LODGE_GOVERN_NOTIFY_H
#define LODGE_GOVERN_NOTIFY_H

#include <stdint.h>

/* state: "READY=1" and the like. That nobody listens is no error: there's nobody to tell. */
void notify(const char *state);

/* How often the manager wants to hear "WATCHDOG=1", µs, twice as often as it says in
 * $WATCHDOG_USEC; 0 if it doesn't. */
uint64_t notify_watchdog_us(void);

#endif
