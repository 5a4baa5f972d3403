/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors as objects.
 *
 * A function that can fail takes a `struct err **err` as its last argument and returns 0, or -1
 * with *err set. Each layer may add what it was doing with err_wrap(), so that the command prints
 * one line that reads from the outside in: "guest web: kernel /boot/vmlinuz: not a Linux kernel".
 * Only cmd/ prints errors and ends the process; err == NULL throws the error away.
 */
#ifndef LODGE_BASE_ERR_H
#define LODGE_BASE_ERR_H

/* What went wrong, as far as a caller acts on it. The values are lodge's exit statuses
 * (docs/exit-status.md, lodge(1)). */
enum err_code {
	ERR_FAILED = 1,	   /* the host or lodge failed: an I/O error, no memory, a broken guest */
	ERR_USAGE = 2,	   /* the request was wrong: an option, a size, a file that is no kernel */
	ERR_NOT_FOUND = 3, /* no guest of that name */
	ERR_EXISTS = 4,	   /* the name is in use */
	ERR_NO_KVM = 5,	   /* /dev/kvm is missing, forbidden, or can't run a guest */
	ERR_PANICKED = 6,  /* the guest's kernel panicked */
	ERR_KILLED = 7,	   /* the guest was ended by force */
	ERR_TIMEOUT = 8,   /* the guest or its VM process didn't answer in time */
	ERR_STATE = 9,	   /* the guest is in a state that doesn't allow this */
	ERR_DENIED = 10,   /* this user has no right to do this */
	ERR_NO_SPACE = 11, /* a disk or memory is full */
	ERR_REFUSED = 12,  /* it can't be promised */
};

struct err;

/* Sets *err, if err isn't NULL and nothing is set yet (the first error wins). errnum is an errno
 * value whose text is appended, or 0. Always returns -1, so that `return err_set(...)` reads well.
 */
int err_set(struct err **err, enum err_code code, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Puts "CONTEXT: " before the message of *err. Always returns -1. */
int err_wrap(struct err **err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The message, without a newline; valid until the error is wrapped or freed. */
const char *err_message(const struct err *err);
enum err_code err_code(const struct err *err);
/* The errno that the error carries, or 0. */
int err_errno(const struct err *err);

/* err_free(NULL) is fine. */
void err_free(struct err *err);

/* The code that fits an errno: EACCES and EPERM are ERR_DENIED, ENOSPC, EDQUOT and ENOMEM
 * ERR_NO_SPACE, everything else ERR_FAILED. */
enum err_code err_code_from_errno(int errnum);

#endif
