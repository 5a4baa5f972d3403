/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lab's own process 1 from the saved state on: takes one order, carries it out, reports.
 *
 * The agent stops the machine (a write to the pvpanic port, which QEMU answers with a pause at that
 * very instruction). The paused machine is what gets saved. Whoever resumes it has by then filled
 * the payload, an NVDIMM that was empty before, so the next instruction finds the order there.
 * Nothing is waited for and nothing is polled, which is also what makes counting exact.
 *
 * Arguments: the devices of the payload and of the NVDIMM to swap to, which is as empty until then.
 *
 * Payload: a squashfs from its first byte; in its last ORDER_SIZE bytes the order:
 *     struct order_head, then NUL-terminated strings: working directory, arguments, environment.
 *
 * What the agent says goes out in frames { u8 type, u32 length (little endian), data }:
 *     'O' standard output, 'E' standard error, 'X' exit status (u32), 'L' a problem of the lab's
 * own. What it is told (not when counting): 'I' terminal input, 'W' window size (u16 rows, u16
 * columns), 'T' write the state of all tasks to the console. The channel is a virtio-serial port;
 * when counting, it is QEMU's debug console port 0xE9, whose writes are synchronous and raise no
 * interrupt.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/kvm.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define CHANNEL_DEVICE	 "/dev/vport0p1"
#define DISK_DEVICE	 "/dev/vda"
#define DISK_ROTATIONAL	 "/sys/block/vda/queue/rotational"
#define ORDER_SIZE	 (1024 * 1024)
#define ORDER_MAGIC	 "lodgelab"
#define PVPANIC_PORT	 0x505
#define PVPANIC_PANICKED 1
#define DEBUGCON_PORT	 0xe9
#define APIC_BASE_ENABLE (1ULL << 11)

enum { ORDER_TTY = 1, ORDER_WARM = 2, ORDER_SWAP = 4, ORDER_DISK = 8 };

struct order_head {
	char magic[8];
	uint32_t flags;
	uint32_t arguments; /* how many strings are arguments */
	uint32_t variables; /* how many strings are environment */
	uint16_t rows, columns;
	uint64_t realtime; /* µs since the epoch; 0: leave the clock as it is */
};

struct order {
	struct order_head head;
	char *directory;
	char **argv, **envp;
};

static int channel_fd = -1; /* -1: the debug console port */

static void put(const void *data, size_t size)
{
	const char *bytes = data;

	if (channel_fd < 0) {
		outsb(DEBUGCON_PORT, bytes, size);
		return;
	}
	while (size > 0) {
		ssize_t n = write(channel_fd, bytes, size);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return;
		}
		bytes += n;
		size -= (size_t)n;
	}
}

static void send_frame(char type, const void *data, uint32_t size)
{
	char buffer[5 + 65536];

	buffer[0] = type;
	memcpy(buffer + 1, &size, sizeof(size));
	memcpy(buffer + 5, data, size);
	put(buffer, 5 + size);
}

/* The lab itself doesn't work: say so and stop; lab/run ends the machine. */
__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	int n = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	send_frame('L', text, n < (int)sizeof(text) ? (uint32_t)n : (uint32_t)sizeof(text) - 1);
	for (;;)
		pause();
}

/* With nobody to tell yet: to the console, and the power-off by which a failed start is known. */
__attribute__((noreturn)) static void fail_start(const char *what)
{
	fprintf(stderr, "lab: %s: %m\n", what);
	reboot(RB_POWER_OFF);
	_exit(1);
}

/* A vCPU that never runs; its descriptors stay open for as long as the lab. */
static int make_idle_vcpu(int kvm, bool irqchip)
{
	int vm = ioctl(kvm, KVM_CREATE_VM, 0UL);
	int vcpu;

	if (vm < 0)
		fail_start("cannot create a VM");
	if (irqchip && ioctl(vm, KVM_CREATE_IRQCHIP, 0UL) < 0)
		fail_start("cannot create a VM's interrupt controllers");
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0UL);
	if (vcpu < 0)
		fail_start("cannot create a vCPU");
	return vcpu;
}

/*
 * Keeps KVM from patching the host kernel's code while guests start and end.
 *
 * Static keys follow what VMs there are: whether any (preempt_notifier_key), whether one has a vCPU
 * whose APIC is off by its base register (apic_hw_disabled) or by its spurious vector register
 * (apic_sw_disabled), or that has none (kvm_has_noapic_vcpu). Each time one of these counts leaves
 * or reaches zero, the kernel patches the code that asks. With several CPUs QEMU may go on using
 * its translation of what stood there before; the host then dies of an int3 that is long gone. With
 * these two vCPUs the counts never are zero.
 */
static void hold_kvm_keys(void)
{
	struct kvm_sregs sregs;
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vcpu;

	if (kvm < 0)
		fail_start("cannot open /dev/kvm");
	make_idle_vcpu(kvm, false);
	vcpu = make_idle_vcpu(kvm, true);
	/* Its APIC is off by the spurious vector register since reset. */
	if (ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0)
		fail_start("cannot read a vCPU's registers");
	sregs.apic_base &= ~APIC_BASE_ENABLE;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0)
		fail_start("cannot switch a vCPU's APIC off");
	close(kvm);
}

/* Reads the order past the page cache, which must not keep the empty payload of before. */
static struct order *read_order(const char *device)
{
	static struct order order;
	char *raw;
	off_t size;
	int fd = open(device, O_RDONLY | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		fail("cannot open %s: %m", device);
	size = lseek(fd, 0, SEEK_END);
	if (posix_memalign((void **)&raw, 4096, ORDER_SIZE))
		fail("no memory for the order");
	if (pread(fd, raw, ORDER_SIZE, size - ORDER_SIZE) != ORDER_SIZE)
		fail("cannot read the order: %m");
	close(fd);
	memcpy(&order.head, raw, sizeof(order.head));
	if (memcmp(order.head.magic, ORDER_MAGIC, sizeof(order.head.magic)) != 0)
		fail("the payload holds no order");
	raw[ORDER_SIZE - 1] = '\0';

	char *string = raw + sizeof(order.head);
	order.directory = string;
	order.argv = calloc(order.head.arguments + 1, sizeof(char *));
	order.envp = calloc(order.head.variables + 1, sizeof(char *));
	for (uint32_t i = 0; i < order.head.arguments; i++)
		order.argv[i] = string += strlen(string) + 1;
	for (uint32_t i = 0; i < order.head.variables; i++)
		order.envp[i] = string += strlen(string) + 1;
	return &order;
}

static void mount_or_fail(const char *source, const char *target, const char *type,
			  unsigned long flags, const char *options)
{
	if (mount(source, target, type, flags, options) < 0)
		fail("cannot mount %s on %s: %m", source, target);
}

/* The root that commands see: writable memory over the payload over the base image. */
static void make_root(void)
{
	static const char *const carried[] = { "/dev", "/proc", "/sys", "/run", "/tmp" };
	char target[64];

	mount_or_fail("overlay", "/root", "overlay", 0,
		      "lowerdir=/payload:/base,upperdir=/rw/up,workdir=/rw/work");
	for (size_t i = 0; i < sizeof(carried) / sizeof(carried[0]); i++) {
		snprintf(target, sizeof(target), "/root%s", carried[i]);
		mount_or_fail(carried[i], target, NULL, MS_MOVE, NULL);
	}
	/* /tmp is memory of its own, but what the payload has in /tmp must show through. */
	if (access("/payload/tmp", F_OK) == 0)
		mount_or_fail("overlay", "/root/tmp", "overlay", 0,
			      "lowerdir=/payload/tmp,upperdir=/rw/tmp,workdir=/rw/tmpwork");
	/* The initramfs can't be pivoted away from; moving the new root over it is what switch_root
	 * does. */
	if (chdir("/root") < 0)
		fail("cannot enter the root: %m");
	mount_or_fail(".", "/", NULL, MS_MOVE, NULL);
	if (chroot(".") < 0 || chdir("/") < 0)
		fail("cannot change the root: %m");
}

/* Runs a program of the lab to its end. */
static int run_tool(char *const argv[])
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		execv(argv[0], argv);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	return status;
}

/* The kernel takes virtio's disks for turning ones, and swaps more carefully to those: one page
 * after the other, in order. This one is memory. */
static void set_not_rotational(void)
{
	int fd = open(DISK_ROTATIONAL, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "0", 1) != 1)
		fail("cannot write to %s: %m", DISK_ROTATIONAL);
	close(fd);
}

/* The driver is loaded only now, so that it reads this disk's size and not the saved machine's. */
static void add_disk(void)
{
	char *const load[] = { "/sbin/modprobe", "virtio_blk", NULL };

	run_tool(load);
	for (int i = 0; i < 500 && access(DISK_DEVICE, F_OK) < 0; i++)
		usleep(10000);
	set_not_rotational();
}

/* For nftw(): reads a file so that it is in the page cache. */
static int read_file(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	static char buffer[1024 * 1024];

	(void)st;
	(void)walk;
	if (type != FTW_F)
		return 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		while (read(fd, buffer, sizeof(buffer)) > 0)
			;
		close(fd);
	}
	return 0;
}

static void set_clock(uint64_t realtime)
{
	struct timeval tv = { .tv_sec = (time_t)(realtime / 1000000),
			      .tv_usec = (suseconds_t)(realtime % 1000000) };

	if (realtime != 0)
		settimeofday(&tv, NULL);
}

/* In the child: becomes the command, or says on its standard error why not. */
__attribute__((noreturn)) static void become(const struct order *order)
{
	int error;

	if (chdir(order->directory) < 0) {
		dprintf(STDERR_FILENO, "lab/run: %s: %s\n", order->directory, strerror(errno));
		_exit(126);
	}
	environ = order->envp;
	if (!order->argv[0])
		_exit(127);
	execvp(order->argv[0], order->argv);
	error = errno;
	dprintf(STDERR_FILENO, "lab/run: %s: %s\n", order->argv[0], strerror(error));
	_exit(error == ENOENT ? 127 : 126);
}

static pid_t start_on_pipes(const struct order *order, int *ret_out, int *ret_err)
{
	int out[2], err[2];
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
		fail("cannot make pipes: %m");
	pid = fork();
	if (pid < 0)
		fail("cannot fork: %m");
	if (pid == 0) {
		int null = open("/dev/null", O_RDONLY);

		setsid();
		dup2(null, STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		dup2(err[1], STDERR_FILENO);
		if (null > STDERR_FILENO)
			close(null);
		become(order);
	}
	close(out[1]);
	close(err[1]);
	*ret_out = out[0];
	*ret_err = err[0];
	return pid;
}

static pid_t start_on_terminal(const struct order *order, int *ret_terminal)
{
	struct winsize size = { .ws_row = order->head.rows, .ws_col = order->head.columns };
	pid_t pid = forkpty(ret_terminal, NULL, NULL, &size);

	if (pid < 0)
		fail("cannot make a terminal: %m");
	if (pid == 0)
		become(order);
	fcntl(*ret_terminal, F_SETFD, FD_CLOEXEC);
	return pid;
}

/* Passes on what a descriptor of the command has; false when it has ended. */
static bool relay(int fd, char type)
{
	static char buffer[65536];
	ssize_t n = read(fd, buffer, sizeof(buffer));

	if (n > 0)
		send_frame(type, buffer, (uint32_t)n);
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/* Takes the next order from the channel; partial ones wait in the buffer for their rest. */
static void take_input(int terminal)
{
	static uint8_t buffer[8192];
	static size_t used;
	ssize_t n = read(channel_fd, buffer + used, sizeof(buffer) - used);

	if (n > 0)
		used += (size_t)n;
	for (;;) {
		uint32_t size;

		if (used < 5)
			return;
		memcpy(&size, buffer + 1, sizeof(size));
		if (size > sizeof(buffer) - 5 || used < 5 + size)
			return;
		if (buffer[0] == 'I' && terminal >= 0) {
			if (write(terminal, buffer + 5, size) < 0)
				return;
		} else if (buffer[0] == 'W' && terminal >= 0 && size == 4) {
			struct winsize window = { 0 };

			memcpy(&window.ws_row, buffer + 5, 2);
			memcpy(&window.ws_col, buffer + 7, 2);
			ioctl(terminal, TIOCSWINSZ, &window);
		} else if (buffer[0] == 'T') {
			int fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
			int level = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);

			/* Loglevel first: "quiet" would keep the tasks off the console. */
			if (write(level, "7", 1) == 1 && write(fd, "t", 1) == 1)
				sync();
			close(fd);
			close(level);
		}
		memmove(buffer, buffer + 5 + size, used - 5 - size);
		used -= 5 + size;
	}
}

static int child_event[2]; /* a byte for each SIGCHLD, so that poll() sees it */

static void on_child(int signal_number)
{
	int saved = errno;

	(void)signal_number;
	if (write(child_event[1], "", 1) < 0)
		errno = saved;
	errno = saved;
}

/* Reaps everything (this is process 1); true when it was the command. */
static bool reap(pid_t command, int *ret_status)
{
	char drain[64];
	bool done = false;
	int status;
	pid_t pid;

	while (read(child_event[0], drain, sizeof(drain)) > 0)
		;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != command)
			continue;
		*ret_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		done = true;
	}
	return done;
}

/*
 * Relays until the command ends, then what is still in the pipes. A process that the command leaves
 * behind may hold them open for ever; what it says later is nobody's.
 */
static int attend(pid_t command, int out, int err, int terminal)
{
	enum { CHILD, OUT, ERR, CHANNEL, N };
	struct pollfd fds[N] = {
		[CHILD] = { .fd = child_event[0], .events = POLLIN },
		[OUT] = { .fd = out, .events = POLLIN },
		[ERR] = { .fd = err, .events = POLLIN },
		[CHANNEL] = { .fd = channel_fd, .events = POLLIN },
	};
	bool ended = false;
	int status = 0;

	for (;;) {
		int n = poll(fds, N, ended ? 0 : -1);

		if (n < 0 && errno != EINTR)
			fail("cannot poll: %m");
		if (n <= 0) {
			if (ended)
				return status;
			continue;
		}
		if (fds[OUT].revents && !relay(out, 'O'))
			fds[OUT].fd = -1;
		if (fds[ERR].revents && !relay(err, 'E'))
			fds[ERR].fd = -1;
		if (fds[CHANNEL].revents & POLLIN)
			take_input(terminal);
		if (fds[CHILD].revents && reap(command, &status)) {
			ended = true;
			fds[CHANNEL].fd = -1;
		}
		if (ended && fds[OUT].fd < 0 && fds[ERR].fd < 0)
			return status;
	}
}

int main(int argc, char *argv[])
{
	int out = -1, err = -1, terminal = -1;
	struct sigaction action = { .sa_handler = on_child, .sa_flags = SA_RESTART };
	pid_t command;
	uint32_t status;

	signal(SIGPIPE, SIG_IGN);
	if (argc != 3 || pipe2(child_event, O_CLOEXEC | O_NONBLOCK) < 0 || iopl(3) < 0)
		return 1;
	channel_fd = open(CHANNEL_DEVICE, O_RDWR | O_CLOEXEC);
	hold_kvm_keys();
	sync();
	outb(PVPANIC_PANICKED, PVPANIC_PORT);

	/* From here on it is another day: the machine was saved and is resumed. */
	struct order *order = read_order(argv[1]);
	set_clock(order->head.realtime);
	mount_or_fail(argv[1], "/payload", "squashfs", MS_RDONLY, NULL);
	if (order->head.flags & ORDER_WARM)
		nftw("/payload", read_file, 16, FTW_PHYS);
	make_root();
	if (order->head.flags & ORDER_SWAP && swapon(argv[2], 0) < 0)
		fail("cannot swap on %s: %m", argv[2]);
	if (order->head.flags & ORDER_DISK)
		add_disk();
	sigaction(SIGCHLD, &action, NULL);
	if (order->head.flags & ORDER_TTY) {
		command = start_on_terminal(order, &terminal);
		out = terminal;
	} else {
		command = start_on_pipes(order, &out, &err);
	}
	status = (uint32_t)attend(command, out, err, terminal);
	send_frame('X', &status, sizeof(status));
	for (;;)
		pause();
}
