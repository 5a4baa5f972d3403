/* SPDX-License-Identifier: Apache-2.0 */
/* Errors as objects: see err.h. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct err {
	enum err_code code;
	int errnum;
	char *message;
};

/* What is left when there is no memory to say what happened. It's never freed. */
static struct err err_no_memory = { ERR_NO_SPACE, ENOMEM, (char *)"out of memory" };

int err_set(struct err **err, enum err_code code, int errnum, const char *fmt, ...)
{
	if (!err || *err)
		return -1;

	struct err *e = calloc(1, sizeof(*e));
	char *text = NULL;
	va_list args;

	va_start(args, fmt);
	int n = vasprintf(&text, fmt, args);
	va_end(args);
	if (!e || n < 0) {
		free(e);
		if (n >= 0)
			free(text);
		*err = &err_no_memory;
		return -1;
	}

	e->code = code;
	e->errnum = errnum;
	e->message = text;
	if (errnum && asprintf(&e->message, "%s: %s", text, strerror(errnum)) >= 0)
		free(text);
	else if (errnum)
		e->message = text;
	*err = e;
	return -1;
}

int err_wrap(struct err **err, const char *fmt, ...)
{
	if (!err || !*err || *err == &err_no_memory)
		return -1;

	char *context = NULL;
	va_list args;

	va_start(args, fmt);
	int n = vasprintf(&context, fmt, args);
	va_end(args);
	if (n < 0)
		return -1;

	char *message = NULL;

	if (asprintf(&message, "%s: %s", context, (*err)->message) >= 0) {
		free((*err)->message);
		(*err)->message = message;
	}
	free(context);
	return -1;
}

const char *err_message(const struct err *err)
{
	return err ? err->message : "no error";
}

enum err_code err_code(const struct err *err)
{
	return err ? err->code : ERR_FAILED;
}

int err_errno(const struct err *err)
{
	return err ? err->errnum : 0;
}

void err_free(struct err *err)
{
	if (!err || err == &err_no_memory)
		return;
	free(err->message);
	free(err);
}

enum err_code err_code_from_errno(int errnum)
{
	switch (errnum) {
	case EACCES:
	case EPERM:
		return ERR_DENIED;
	case ENOSPC:
	case EDQUOT:
	case ENOMEM:
		return ERR_NO_SPACE;
	default:
		return ERR_FAILED;
	}
}
