/*
 * Network namespaces with a TUN device in each, whose packets a program reads and writes, and commands that
 * run in them. It needs Linux and root. Without a name, a namespace ends with the last process that holds it.
 *
 * Each program includes this once, before any header of the system.
 */
#ifndef NAMESPACES_H
#define NAMESPACES_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/route.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_MS 50 /* for the end of a command, and of who started it */

static void fail(const char *what) {
  fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
  exit(EXIT_FAILURE);
}

/* Everything that is not local leaves through the device. */
static void route_all(int s, char *device) {
  struct rtentry route = {.rt_flags = RTF_UP, .rt_dev = device};
  route.rt_dst.sa_family = route.rt_genmask.sa_family = AF_INET;
  if (ioctl(s, SIOCADDRT, &route) < 0) fail("no route");
}

static void bring_up(const char *name, const char *address) {
  int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct ifreq request = {0};
  struct sockaddr_in *in = (struct sockaddr_in *)(void *)&request.ifr_addr;
  if (s < 0) fail("no socket");
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (address) {
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = inet_addr(address);
    if (ioctl(s, SIOCSIFADDR, &request) < 0) fail("no address");
    in->sin_addr.s_addr = inet_addr("255.255.255.0");
    if (ioctl(s, SIOCSIFNETMASK, &request) < 0) fail("no netmask");
  }
  if (ioctl(s, SIOCGIFFLAGS, &request) < 0) fail("no flags");
  request.ifr_flags |= IFF_UP;
  if (ioctl(s, SIOCSIFFLAGS, &request) < 0) fail("not up");
  if (address) route_all(s, request.ifr_name);
  close(s);
}

/*
 * Makes a namespace with a device of this address, the way to all other addresses.
 * @returns the device; *namespace is a descriptor of the namespace
 */
static int make_end(const char *address, int *namespace) {
  struct ifreq request = {0};
  int device;
  if (unshare(CLONE_NEWNET) < 0) fail("no network namespace (this needs root)");
  *namespace = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (*namespace < 0 || device < 0) fail("no /dev/net/tun");
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  strncpy(request.ifr_name, "link", IFNAMSIZ - 1);
  if (ioctl(device, TUNSETIFF, &request) < 0) fail("no TUN device");
  bring_up("lo", NULL);
  bring_up("link", address);
  return device;
}

/*
 * Runs a command in a namespace, such as /proc/PID/fd/FD, until it, this program or the one that started it
 * ends.
 * @returns its exit code
 */
static int run(const char *namespace, char **command) {
  pid_t starter = getppid(), child;
  int status, descriptor = open(namespace, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0 || setns(descriptor, CLONE_NEWNET) < 0) fail("no such namespace");
  child = fork();
  if (child < 0) fail("no process");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvp(command[0], command);
    fail(command[0]);
  }
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (getppid() != starter) return EXIT_FAILURE; /* which kills the child */
    poll(NULL, 0, LOOK_MS);
  }
  if (WIFSIGNALED(status)) raise(WTERMSIG(status));
  return WEXITSTATUS(status);
}

#endif
