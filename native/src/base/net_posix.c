/* The functions of net.h on POSIX. */
#if !defined(_WIN32)

#include "base/net.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enetjs.h"

/* Where the system has the flag, no other thread can fork between opening and marking a descriptor. */
#ifdef SOCK_CLOEXEC
#define CLOSE_ON_EXEC SOCK_CLOEXEC
#else
#define CLOSE_ON_EXEC 0
#endif

static bool close_on_exec(enetjs_fd fd) { return CLOSE_ON_EXEC != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) == 0; }

static enetjs_fd open_socket(int family, int type) {
  enetjs_fd fd = socket(family, type | CLOSE_ON_EXEC, 0);
  if (fd == ENETJS_FD_NONE || close_on_exec(fd)) return fd;
  close(fd);
  return ENETJS_FD_NONE;
}

enetjs_fd enetjs_udp_socket(bool ipv6) { return open_socket(ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM); }

enetjs_fd enetjs_tcp_socket(void) { return open_socket(AF_INET, SOCK_STREAM); }

int enetjs_stream_configure(enetjs_fd fd) {
#if defined(SO_NOSIGPIPE)
  int on = 1;
  if (setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on)) != 0) return -1;
#endif
  if (!close_on_exec(fd)) return -1;
  return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL, 0) | O_NONBLOCK);
}

int enetjs_pair_open(enetjs_fd ends[2]) {
  int error;
  if (socketpair(AF_UNIX, SOCK_STREAM | CLOSE_ON_EXEC, 0, ends) != 0) return -1;
  if (enetjs_stream_configure(ends[0]) == 0 && enetjs_stream_configure(ends[1]) == 0) return 0;
  error = errno;
  close(ends[0]);
  close(ends[1]);
  errno = error;
  return -1;
}

struct enetjs_fd_identity enetjs_fd_identify(enetjs_fd fd) {
  struct enetjs_fd_identity identity = {0};
  struct stat status;
  if (fstat(fd, &status) == 0) {
    identity.device = (uint64_t)status.st_dev;
    identity.inode = (uint64_t)status.st_ino;
  }
  return identity;
}

void enetjs_fd_close(enetjs_fd fd) { close(fd); }

int enetjs_poll(enetjs_pollfd *fds, unsigned count, int timeout_ms) {
  int ready;
  do {
    ready = poll(fds, count, timeout_ms);
  } while (ready < 0 && errno == EINTR && timeout_ms < 0);
  return ready;
}

int enetjs_socket_error(void) { return errno; }
void enetjs_socket_error_clear(void) { errno = 0; }

bool enetjs_socket_error_would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

bool enetjs_socket_error_in_progress(int error) { return error == EINPROGRESS; }

bool enetjs_socket_error_interrupted(int error) { return error == EINTR; }

bool enetjs_socket_error_fatal(int error) { return error == EBADF || error == ENOTSOCK; }

/* A firewall gives EPERM, a "prohibit" route EACCES, and a "blackhole" route EINVAL. */
bool enetjs_socket_error_no_way(int error) {
  switch (error) {
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case ENODEV:
    case EADDRNOTAVAIL:
    case EPERM:
    case EACCES:
    case EINVAL: return true;
    default: return false;
  }
}

/* Only Linux reports such messages, where a socket has asked for them (wire/unreachable.c). */
bool enetjs_socket_error_reported(int error) {
#if defined(__linux__)
  return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH || error == EHOSTDOWN ||
         error == ENONET || error == ENOPROTOOPT || error == EOPNOTSUPP || error == EPROTO ||
         error == EMSGSIZE;
#else
  (void)error;
  return false;
#endif
}

bool enetjs_socket_error_segmentation(int error) {
  return error == EIO || error == EINVAL || error == EMSGSIZE || error == ENOPROTOOPT || error == EOPNOTSUPP;
}

int enetjs_socket_error_code(int error) {
  switch (error) {
    case EADDRINUSE: return ENETJS_ERR_ADDRESS_IN_USE;
    case EADDRNOTAVAIL: return ENETJS_ERR_ADDRESS_UNAVAILABLE;
    case EACCES:
    case EPERM: return ENETJS_ERR_PERMISSION;
    case EMSGSIZE: return ENETJS_ERR_TOO_LARGE;
    case EMFILE:
    case ENFILE: return ENETJS_ERR_LIMIT;
    case EAFNOSUPPORT: return ENETJS_ERR_ADDRESS_FAMILY;
    default: return ENETJS_ERR_SOCKET;
  }
}

#else

typedef int enetjs_no_posix_net; /* a file of C is not empty */

#endif
