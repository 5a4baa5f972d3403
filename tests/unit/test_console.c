/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/loop.h"
#include "dev/console.h"

/* A console whose loop runs in a thread of its own, as in a VM process. */
static struct {
	pthread_mutex_t lock;
	pthread_t thread;
	struct loop *loop;
	struct console *console;
	int listen_fd;
	struct sockaddr_un address;
	socklen_t address_len;

	/* The input device: takes as many bytes as there is room for. */
	char typed[1024];
	size_t n_typed;
	size_t room;
	unsigned columns;
} f = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void *run_loop(void *arg)
{
	(void)arg;
	loop_run(f.loop, NULL);
	return NULL;
}

static size_t take_input(void *opaque, const uint8_t *data, size_t len)
{
	size_t n = len < f.room ? len : f.room;

	(void)opaque;
	memcpy(f.typed + f.n_typed, data, n);
	f.n_typed += n;
	f.room -= n;
	return n;
}

static void take_size(void *opaque, uint16_t columns, uint16_t rows)
{
	(void)opaque;
	(void)rows;
	f.columns = columns;
}

static const struct console_input device = { .input = take_input, .resize = take_size };

static int set_up(void **state)
{
	(void)state;
	memset(f.typed, 0, sizeof(f.typed));
	f.n_typed = 0;
	f.room = sizeof(f.typed);
	f.columns = 0;
	f.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	f.address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	/* Without a name the kernel chooses an abstract one. */
	if (bind(f.listen_fd, (struct sockaddr *)&f.address, sizeof(sa_family_t)) < 0)
		return -1;
	f.address_len = sizeof(f.address);
	if (getsockname(f.listen_fd, (struct sockaddr *)&f.address, &f.address_len) < 0 ||
	    listen(f.listen_fd, 8) < 0 || loop_new(&f.loop, NULL) < 0 ||
	    console_new(f.loop, &f.console, NULL) < 0 ||
	    console_listen(f.console, f.listen_fd, NULL) < 0)
		return -1;
	loop_set_lock(f.loop, &f.lock);
	return pthread_create(&f.thread, NULL, run_loop, NULL);
}

static int tear_down(void **state)
{
	(void)state;
	loop_quit(f.loop);
	pthread_join(f.thread, NULL);
	console_free(f.console);
	loop_free(f.loop);
	close(f.listen_fd);
	return 0;
}

static int connect_client(void)
{
	struct timeval patience = { .tv_sec = 20 };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&f.address, f.address_len), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

static void write_text(const char *text)
{
	pthread_mutex_lock(&f.lock);
	console_write(f.console, text, strlen(text));
	pthread_mutex_unlock(&f.lock);
}

static void expect_text(int fd, const char *text)
{
	char got[256] = "";

	assert_int_equal(recv(fd, got, strlen(text), MSG_WAITALL), strlen(text));
	assert_string_equal(got, text);
}

static void wait_for_typed(size_t n)
{
	for (int tries = 0; tries < 2000; tries++) {
		pthread_mutex_lock(&f.lock);
		size_t now = f.n_typed;

		pthread_mutex_unlock(&f.lock);
		if (now == n)
			return;
		usleep(10000);
	}
	fail_msg("%zu bytes arrived", f.n_typed);
}

static void the_first_client_gets_what_nobody_saw(void **state)
{
	(void)state;
	write_text("before ");

	int fd = connect_client();

	expect_text(fd, "before ");
	write_text("after");
	expect_text(fd, "after");
	close(fd);
}

static void a_later_client_starts_where_the_others_are(void **state)
{
	(void)state;
	write_text("old ");

	int first = connect_client();

	expect_text(first, "old ");

	int second = connect_client();

	/* Typing tells that the second client has been accepted. */
	pthread_mutex_lock(&f.lock);
	console_attach(f.console, CONSOLE_VIRTIO, &device);
	pthread_mutex_unlock(&f.lock);
	assert_int_equal(send(second, "x", 1, 0), 1);
	wait_for_typed(1);
	write_text("new");
	expect_text(first, "new");
	expect_text(second, "new");
	close(first);
	close(second);
}

static void a_slow_client_loses_the_middle_and_is_told(void **state)
{
	static char block[CONSOLE_RING];
	static char got[16 * CONSOLE_RING];
	size_t n = 0;
	ssize_t r;

	(void)state;
	write_text("x");

	int fd = connect_client();

	expect_text(fd, "x");
	memset(block, 'a', sizeof(block));
	for (int i = 0; i < 64; i++) {
		pthread_mutex_lock(&f.lock);
		console_write(f.console, block, sizeof(block));
		pthread_mutex_unlock(&f.lock);
	}
	write_text("the end");
	while (n < sizeof(got) - 1 && !(n > 7 && memcmp(got + n - 7, "the end", 7) == 0) &&
	       (r = recv(fd, got + n, sizeof(got) - 1 - n, 0)) > 0)
		n += (size_t)r;
	got[n] = '\0';
	assert_non_null(strstr(got, "bytes of output were skipped"));
	assert_non_null(strstr(got, "the end"));
	/* What was in the socket, and the ring once. */
	assert_true(n < sizeof(got) / 2);
	close(fd);
}

static void input_waits_until_a_device_takes_it(void **state)
{
	(void)state;
	int fd = connect_client();

	assert_int_equal(send(fd, "hello", 5, 0), 5);
	usleep(100000);
	pthread_mutex_lock(&f.lock);
	assert_int_equal(f.n_typed, 0);
	f.room = 2;
	console_attach(f.console, CONSOLE_VIRTIO, &device);
	pthread_mutex_unlock(&f.lock);
	wait_for_typed(2);
	pthread_mutex_lock(&f.lock);
	f.room = 100;
	console_input_ready(f.console);
	pthread_mutex_unlock(&f.lock);
	wait_for_typed(5);
	assert_memory_equal(f.typed, "hello", 5);
	close(fd);
}

static void a_client_that_sends_no_more_still_gets_output(void **state)
{
	(void)state;
	int fd = connect_client();

	shutdown(fd, SHUT_WR);
	usleep(100000);
	write_text("still here");
	expect_text(fd, "still here");
	close(fd);
}

static void a_client_that_reads_no_more_is_not_waited_for(void **state)
{
	(void)state;
	int deaf = connect_client();
	int other = connect_client();

	shutdown(deaf, SHUT_RD);
	write_text("one");
	expect_text(other, "one");
	write_text("two");
	expect_text(other, "two");
	/* Returns at once; for ever would be too long. */
	pthread_mutex_lock(&f.lock);
	console_finish(f.console, 60000);
	pthread_mutex_unlock(&f.lock);
	close(deaf);
	close(other);
}

static void the_size_reaches_a_device_that_comes_later(void **state)
{
	(void)state;
	pthread_mutex_lock(&f.lock);
	console_set_size(f.console, 132, 43);
	assert_int_equal(f.columns, 0);
	console_attach(f.console, CONSOLE_VIRTIO, &device);
	assert_int_equal(f.columns, 132);
	pthread_mutex_unlock(&f.lock);
}

static void the_last_output_is_waited_for(void **state)
{
	static char block[CONSOLE_RING];
	static char got[CONSOLE_RING];

	(void)state;
	write_text("x");

	int fd = connect_client();

	expect_text(fd, "x");

	/* A socket buffer that holds less than the ring. */
	int small = 4096;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	memset(block, 'b', sizeof(block));
	pthread_mutex_lock(&f.lock);
	console_write(f.console, block, sizeof(block));
	/* Nobody reads: it gives up. */
	console_finish(f.console, 10);
	pthread_mutex_unlock(&f.lock);
	assert_int_equal(recv(fd, got, sizeof(got), MSG_WAITALL), sizeof(got));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_first_client_gets_what_nobody_saw, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_later_client_starts_where_the_others_are, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_slow_client_loses_the_middle_and_is_told, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(input_waits_until_a_device_takes_it, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_client_that_sends_no_more_still_gets_output,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_client_that_reads_no_more_is_not_waited_for,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_size_reaches_a_device_that_comes_later, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(the_last_output_is_waited_for, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
