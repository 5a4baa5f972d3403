/* SPDX-License-Identifier: Apache-2.0 */
/* lodged: the governor's command line. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "govern/governor.h"
#include "govern/policy.h"
#include "govern/share.h"

enum { INTERVAL_S = 10, INTERVAL_MAX_S = 3600 };

static const char help[] =
    "Usage: lodged [--once] [--dry-run] [--interval SECONDS]\n"
    "\n"
    "Governs what the guests of this host share: gives each its part of the host's RAM beyond what\n"
    "it was guaranteed, by weight and use; switches page merging (KSM) on while there are guests that\n"
    "want it (lodge run --merge), and sets its pace. Says at once when what guests were promised is\n"
    "in danger, and what restores it. Guests run and keep their promises without it.\n"
    "\n"
    "Options:\n"
    "  -1, --once                do one turn, say what was done, and end\n"
    "  -n, --dry-run             say what would be done and change nothing\n"
    "  -i, --interval SECONDS    time from turn to turn while nothing happens, 1 to 3600 (10)\n"
    "  -t, --tax PERCENT         tax on idle memory, 0 to 99 (75)\n"
    "  -h, --help                show this help\n"
    "  -V, --version             show the version\n"
    "\n"
    "More: man lodged\n";

static int usage(const char *what, const char *word)
{
	fprintf(stderr, "lodged: %s%s; see lodged --help\n", what, word);
	return ERR_USAGE;
}

/* What was printed has to get out. */
static int finish(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	fprintf(stderr, "lodged: standard output: %s\n", strerror(errno));
	return err_code_from_errno(errno);
}

static int print(const char *text)
{
	fputs(text, stdout);
	return finish();
}

static bool parse_number(const char *text, unsigned min, unsigned max, unsigned *ret_number)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || value < min || value > max)
		return false;
	*ret_number = (unsigned)value;
	return true;
}

static int run(const struct governor_options *options)
{
	_cleanup_close_ int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_err_ struct err *err = NULL;

	if (governor_run(root_fd, options, &err) == 0)
		return finish();
	fflush(stdout);
	fprintf(stderr, "lodged: %s\n", err_message(err));
	return err_code(err);
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "once", no_argument, NULL, '1' },
		{ "dry-run", no_argument, NULL, 'n' },
		{ "interval", required_argument, NULL, 'i' },
		{ "tax", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	struct governor_options options = { .interval_s = INTERVAL_S,
					    .tax_percent = POLICY_TAX_DEFAULT };
	int c;

	signal(SIGPIPE, SIG_IGN);
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":1ni:t:hV", longs, NULL)) != -1) {
		switch (c) {
		case '1':
			options.once = true;
			break;
		case 'n':
			options.dry_run = true;
			break;
		case 'i':
			if (!parse_number(optarg, 1, INTERVAL_MAX_S, &options.interval_s))
				return usage("--interval takes whole seconds from 1 to 3600, not ",
					     optarg);
			break;
		case 't':
			if (!parse_number(optarg, 0, SHARE_TAX_MAX, &options.tax_percent))
				return usage("--tax takes a whole percentage from 0 to 99, not ",
					     optarg);
			break;
		case 'h':
			return print(help);
		case 'V':
			return print("lodged " LODGE_VERSION "\n");
		case ':':
			return usage("a value is missing after ", argv[optind - 1]);
		default:
			return usage("no such option: ", argv[optind - 1]);
		}
	}
	if (optind < argc)
		return usage("takes no operands, such as ", argv[optind]);
	return run(&options);
}
