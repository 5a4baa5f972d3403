/* SPDX-License-Identifier: Apache-2.0 */
/* The VM process: see vm_process.h. What it answers on its control socket is in vm_verbs.c. */
#include "api/vm_process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "api/guest_cgroup.h"
#include "api/rundir.h"
#include "api/server.h"
#include "api/vm_verbs.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fdio.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/proctitle.h"
#include "boot/kernel.h"
#include "dev/console.h"
#include "machine/config.h"
#include "machine/machine.h"

/* How long a client may take to read a part of the last output. */
enum { LAST_OUTPUT_MS = 500 };

/* What is opened before the fork, and belongs to the VM process after it. */
struct vm_files {
	struct rundir *rundir;
	struct kernel *kernel;
	int kvm_fd;
	int control_fd;
	int console_fd;
	int log_fd;
	int null_fd;
};

struct vm_process {
	const struct vm_config *config;
	const struct vm_files *files;
	bool keep_end;
	struct guest_cgroup *cgroup;

	pthread_mutex_t lock; /* the device lock */
	struct loop *loop;
	struct console *console;
	struct machine *machine;
	struct vm_verbs *verbs;
	int signal_fd;
	struct loop_source *signal_source;
	int report_fd; /* to the parent: how the start went, and why the guest ended */
	int exit_status;
};

static void vm_files_close(struct vm_files *files)
{
	int *fds[] = { &files->kvm_fd, &files->control_fd, &files->console_fd, &files->log_fd,
		       &files->null_fd };

	kernel_free(files->kernel);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		cleanup_close(fds[i]);
	rundir_free(files->rundir);
}

static int vm_files_make(struct vm_files *files, const struct vm_config *config, struct err **err)
{
	_cleanup_(json_decrefp) json_t *json = vm_config_to_json(config);

	files->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (files->null_fd < 0)
		return err_set(err, ERR_FAILED, errno, "/dev/null");
	if (rundir_create_file(files->rundir, RUNDIR_LOG, &files->log_fd, err) < 0 ||
	    rundir_write_json(files->rundir, RUNDIR_CONFIG, json, err) < 0 ||
	    rundir_listen(files->rundir, RUNDIR_CONTROL, SOCK_SEQPACKET, &files->control_fd, err) <
		0 ||
	    rundir_listen(files->rundir, RUNDIR_CONSOLE, SOCK_STREAM, &files->console_fd, err) < 0)
		return -1;
	return 0;
}

static int vm_files_open(struct vm_files *files, const struct vm_config *config, struct err **err)
{
	*files = (struct vm_files){
		.kvm_fd = -1, .control_fd = -1, .console_fd = -1, .log_fd = -1, .null_fd = -1
	};
	/* What can fail by itself comes before the name is taken. */
	if (vm_open_kvm(&files->kvm_fd, err) < 0 ||
	    kernel_open(config->kernel, config->initrd, config->append,
			(enum kernel_boot)config->boot, &files->kernel, err) < 0 ||
	    rundir_create(config->name, &files->rundir, err) < 0)
		goto fail;
	if (vm_files_make(files, config, err) < 0) {
		rundir_remove(files->rundir);
		goto fail;
	}
	return 0;

fail:
	vm_files_close(files);
	return -1;
}

/* The guest has reached a final state. */
static void on_ended(void *opaque, enum vm_state state, bool killed)
{
	struct vm_process *process = opaque;

	process->exit_status = vm_state_exit_status(state, killed);
	/* Nobody may be there to read it. */
	if (state != VM_STOPPED)
		fdio_write(process->report_fd, machine_reason(process->machine),
			   strlen(machine_reason(process->machine)), NULL);
	if (vm_verbs_ended(process->verbs, state, process->exit_status) || killed ||
	    state == VM_STOPPED || !process->keep_end)
		loop_quit(process->loop);
}

static void on_balloon_changed(void *opaque)
{
	const struct vm_process *process = opaque;

	if (process->verbs)
		vm_verbs_balloon_changed(process->verbs);
}

/* Somebody has asked how the guest ended. */
static void on_collected(void *opaque)
{
	struct vm_process *process = opaque;

	loop_quit(process->loop);
}

static void on_signal(void *arg, uint32_t events)
{
	struct vm_process *process = arg;
	struct signalfd_siginfo info;
	_cleanup_err_ struct err *err = NULL;
	enum vm_state state = machine_state(process->machine);

	(void)events;
	if (read(process->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (vm_state_is_final(state)) {
		loop_quit(process->loop);
		return;
	}
	/* A guest that can't be asked, or was asked before, is ended. */
	if (state == VM_RUNNING && machine_press_power_button(process->machine, &err) == 0)
		return;
	machine_kill(process->machine, NULL);
}

static int vm_process_take_signals(struct vm_process *process, struct err **err)
{
	sigset_t taken;
	sigset_t ignored;

	sigemptyset(&taken);
	sigaddset(&taken, SIGTERM);
	sigemptyset(&ignored);
	sigaddset(&ignored, SIGINT);
	sigaddset(&ignored, SIGHUP);
	sigaddset(&ignored, SIGPIPE);
	sigaddset(&ignored, SIGTERM);
	sigprocmask(SIG_SETMASK, &ignored, NULL);
	process->signal_fd = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
	if (process->signal_fd < 0)
		return err_set(err, ERR_FAILED, errno, "signals");
	return loop_add(process->loop, process->signal_fd, EPOLLIN, on_signal, process,
			&process->signal_source, err);
}

/* So that the group is found if this process is killed. */
static int vm_process_note_cgroup(struct vm_process *process, struct err **err)
{
	const char *path = guest_cgroup_full_path(process->cgroup);

	if (path)
		return rundir_link_cgroup(process->files->rundir, path, err);
	if (!process->config->best_effort)
		return err_set(err, ERR_FAILED, 0, "no cgroup: %s",
			       guest_cgroup_reason(process->cgroup));
	log_line("no cgroup: %s", guest_cgroup_reason(process->cgroup));
	return 0;
}

/* KVM has threads of its own in the group, which go with the machine. */
static void vm_process_leave_cgroup(struct vm_process *process)
{
	guest_cgroup_leave(process->cgroup);
	rundir_unlink_cgroup(process->files->rundir);
	guest_cgroup_free(process->cgroup);
}

/* A guest of best effort is the one that the kernel ends if there's no memory left. */
static int vm_process_give_way(const struct vm_process *process, struct err **err)
{
	if (!process->config->best_effort)
		return 0;

	_cleanup_close_ int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return err_set(err, ERR_FAILED, errno, "/proc/self/oom_score_adj");
	return fdio_write(fd, "1000", 4, err);
}

static int vm_process_set_up(struct vm_process *process, struct err **err)
{
	const struct vm_files *files = process->files;

	if (vm_process_note_cgroup(process, err) < 0 || vm_process_give_way(process, err) < 0 ||
	    loop_new(&process->loop, err) < 0)
		return -1;
	loop_set_lock(process->loop, &process->lock);

	struct machine_host host = {
		.kvm_fd = files->kvm_fd,
		.config = process->config,
		.kernel = files->kernel,
		.loop = process->loop,
		.lock = &process->lock,
		.ended = on_ended,
		.balloon_changed = on_balloon_changed,
		.opaque = process,
	};

	if (vm_process_take_signals(process, err) < 0 ||
	    console_new(process->loop, &process->console, err) < 0 ||
	    console_listen(process->console, files->console_fd, err) < 0)
		return -1;
	host.console = process->console;
	if (machine_new(&host, &process->machine, err) < 0)
		return -1;

	const struct vm_verbs_host verbs_host = {
		.config = process->config,
		.kernel = files->kernel,
		.console = process->console,
		.machine = process->machine,
		.cgroup = process->cgroup,
		.loop = process->loop,
		.listen_fd = files->control_fd,
		.collected = on_collected,
		.opaque = process,
	};

	if (vm_verbs_new(&verbs_host, &process->verbs, err) < 0)
		return -1;
	return machine_start(process->machine, err);
}

static void vm_process_tear_down(struct vm_process *process)
{
	vm_verbs_free(process->verbs);
	console_free(process->console);
	loop_remove(process->signal_source);
	cleanup_close(&process->signal_fd);
	loop_free(process->loop);
}

/* Tells the parent that the guest runs, or why it doesn't: a byte with the error's code, 0 for
 * none, and the message. */
static void report_to_parent(int fd, const struct err *err)
{
	uint8_t code = err ? (uint8_t)err_code(err) : 0;

	/* The parent may be gone; the guest runs all the same. */
	if (fdio_write(fd, &code, 1, NULL) == 0 && err)
		fdio_write(fd, err_message(err), strlen(err_message(err)), NULL);
}

/* What lodge opens is closed on exec, so what isn't was inherited: locks and pipes of whoever
 * started the guest, which must not live as long as the guest does. */
static void close_inherited(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *e;

	while (dir && (e = readdir(dir))) {
		int fd = (int)strtol(e->d_name, NULL, 10);
		int flags = fcntl(fd, F_GETFD);

		if (fd > STDERR_FILENO && flags >= 0 && !(flags & FD_CLOEXEC))
			close(fd);
	}
	if (dir)
		closedir(dir);
}

static void vm_process_detach(const struct vm_process *process)
{
	char title[VM_NAME_MAX + sizeof("lodge: ")];

	setsid();
	close_inherited();
	/* Its directory could not be unmounted; nothing is opened by a relative path any more. */
	if (chdir("/") < 0)
		log_line("/: %s", strerror(errno));
	dup2(process->files->null_fd, STDIN_FILENO);
	dup2(process->files->log_fd, STDOUT_FILENO);
	dup2(process->files->log_fd, STDERR_FILENO);
	snprintf(title, sizeof(title), "lodge: %s", process->config->name);
	proctitle_set(title);
}

/* The VM process from the fork to its end; returns its exit status. */
static int vm_process_main(struct vm_process *process)
{
	_cleanup_err_ struct err *err = NULL;

	vm_process_detach(process);
	pthread_mutex_lock(&process->lock);

	int r = vm_process_set_up(process, &err);

	report_to_parent(process->report_fd, err);
	if (r == 0) {
		log_line("the guest %s runs", process->config->name);
		pthread_mutex_unlock(&process->lock);
		r = loop_run(process->loop, &err);
		pthread_mutex_lock(&process->lock);
	}
	if (r < 0) {
		log_line("%s", err_message(err));
		process->exit_status = vm_state_exit_status(VM_FAILED, false);
	}
	if (process->console)
		console_finish(process->console, LAST_OUTPUT_MS);
	machine_free(process->machine);
	vm_process_leave_cgroup(process);
	/* The name is free as soon as its sockets are of no use any more. */
	rundir_remove(process->files->rundir);
	vm_process_tear_down(process);
	pthread_mutex_unlock(&process->lock);
	return process->exit_status;
}

/* What the child reports; the end of the stream without a report means that it died. */
static int wait_for_report(int fd, struct err **err)
{
	char message[1024] = "";
	uint8_t code;
	size_t n;

	if (fdio_read(fd, &code, 1, &n, NULL) < 0 || n == 0)
		return err_set(err, ERR_FAILED, 0, "the VM process died at its start");
	if (code == 0)
		return 0;
	fdio_read(fd, message, sizeof(message) - 1, &n, NULL);
	return err_set(err, (enum err_code)code, 0, "%s", message);
}

static pid_t vm_process_fork(const struct vm_config *config, const struct vm_files *files,
			     struct guest_cgroup *cgroup, bool keep_end, const int report_fds[2])
{
	pid_t pid = guest_cgroup_fork(cgroup);

	if (pid != 0)
		return pid;

	struct vm_process process = {
		.config = config,
		.files = files,
		.keep_end = keep_end,
		.cgroup = cgroup,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.signal_fd = -1,
		.report_fd = report_fds[1],
	};

	close(report_fds[0]);
	_exit(vm_process_main(&process));
}

/* The process, and what it says of its start. */
static int vm_process_bear(const struct vm_config *config, const struct vm_files *files,
			   struct guest_cgroup *cgroup, bool keep_end, pid_t *ret_pid,
			   int *ret_end_fd, struct err **err)
{
	int report_fds[2];

	if (pipe2(report_fds, O_CLOEXEC) < 0)
		return err_set(err, ERR_FAILED, errno, "pipe");

	pid_t pid = vm_process_fork(config, files, cgroup, keep_end, report_fds);
	int fork_errno = errno;

	close(report_fds[1]);
	if ((pid < 0 ? err_set(err, ERR_NO_SPACE, fork_errno, "start the VM process")
		     : wait_for_report(report_fds[0], err)) < 0) {
		close(report_fds[0]);
		if (pid > 0)
			waitpid(pid, NULL, 0);
		return -1;
	}
	*ret_pid = pid;
	*ret_end_fd = report_fds[0];
	return 0;
}

/* In a group of its own; all that it takes is charged there. */
static int vm_process_bear_in_cgroup(const struct vm_config *config, const struct vm_files *files,
				     bool keep_end, pid_t *ret_pid, int *ret_end_fd,
				     struct err **err)
{
	_cleanup_close_ int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct guest_cgroup *cgroup;

	if (root_fd < 0)
		return err_set(err, ERR_FAILED, errno, "open /");

	const struct guest_cgroup_promise asked = {
		.promise = vm_config_promise(config),
		.shares = config->shares,
	};

	if (guest_cgroup_make(root_fd, config->name, &asked, &cgroup, err) < 0)
		return -1;

	int r = vm_process_bear(config, files, cgroup, keep_end, ret_pid, ret_end_fd, err);

	if (r < 0)
		guest_cgroup_discard(cgroup);
	guest_cgroup_free(cgroup);
	return r;
}

int vm_process_start(const struct vm_config *config, bool keep_end, pid_t *ret_pid, int *ret_end_fd,
		     struct err **err)
{
	struct vm_files files;

	if (vm_files_open(&files, config, err) < 0)
		return -1;

	int r = vm_process_bear_in_cgroup(config, &files, keep_end, ret_pid, ret_end_fd, err);

	if (r < 0)
		rundir_remove(files.rundir);
	vm_files_close(&files);
	return r;
}
