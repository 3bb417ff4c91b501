/* The sockets beside ENet's: the pairs that wake threads, poll, and what an error means. */
#include "base/net.h"

#include <errno.h>
#include <string.h>

#include "enetjs.h"

#if defined(_WIN32)

static int configure(enetjs_fd fd) {
  u_long on = 1;
  return ioctlsocket(fd, FIONBIO, &on);
}

/* Windows has no socketpair: a listener on the loopback interface, one connection, listener closed. */
static int connect_pair(enetjs_fd ends[2]) {
  struct sockaddr_in address;
  int length = sizeof(address);
  enetjs_fd listener = socket(AF_INET, SOCK_STREAM, 0);
  ends[0] = ends[1] = ENETJS_FD_NONE;
  if (listener == ENETJS_FD_NONE) return -1;
  memset(&address, 0, sizeof(address));
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 1) != 0 ||
      getsockname(listener, (struct sockaddr *)&address, &length) != 0)
    goto failed;
  ends[0] = socket(AF_INET, SOCK_STREAM, 0);
  if (ends[0] == ENETJS_FD_NONE || connect(ends[0], (struct sockaddr *)&address, length) != 0) goto failed;
  ends[1] = accept(listener, NULL, NULL);
  if (ends[1] == ENETJS_FD_NONE) goto failed;
  enetjs_fd_close(listener);
  return 0;
failed:
  if (ends[0] != ENETJS_FD_NONE) enetjs_fd_close(ends[0]);
  enetjs_fd_close(listener);
  return -1;
}

struct enetjs_fd_identity enetjs_fd_identify(enetjs_fd fd) {
  struct enetjs_fd_identity none = {0};
  (void)fd;
  return none;
}

void enetjs_fd_close(enetjs_fd fd) { closesocket(fd); }

int enetjs_poll(enetjs_pollfd *fds, unsigned count, int timeout_ms) { return WSAPoll(fds, count, timeout_ms); }

int enetjs_socket_error(void) { return WSAGetLastError(); }
void enetjs_socket_error_clear(void) { WSASetLastError(0); }

bool enetjs_socket_error_fatal(int error) { return error == WSAENOTSOCK || error == WSAENOTCONN; }

int enetjs_socket_error_code(int error) {
  switch (error) {
    case WSAEADDRINUSE: return ENETJS_ERR_ADDRESS_IN_USE;
    case WSAEADDRNOTAVAIL: return ENETJS_ERR_ADDRESS_UNAVAILABLE;
    case WSAEACCES: return ENETJS_ERR_PERMISSION;
    case WSAEMSGSIZE: return ENETJS_ERR_TOO_LARGE;
    case WSAEMFILE: return ENETJS_ERR_LIMIT;
    default: return ENETJS_ERR_SOCKET;
  }
}

#else

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

static int configure(enetjs_fd fd) {
#if defined(SO_NOSIGPIPE)
  int on = 1;
  if (setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on)) != 0) return -1;
#endif
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return -1;
  return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL, 0) | O_NONBLOCK);
}

static int connect_pair(enetjs_fd ends[2]) { return socketpair(AF_UNIX, SOCK_STREAM, 0, ends); }

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

bool enetjs_socket_error_fatal(int error) { return error == EBADF || error == ENOTSOCK; }

int enetjs_socket_error_code(int error) {
  switch (error) {
    case EADDRINUSE: return ENETJS_ERR_ADDRESS_IN_USE;
    case EADDRNOTAVAIL: return ENETJS_ERR_ADDRESS_UNAVAILABLE;
    case EACCES:
    case EPERM: return ENETJS_ERR_PERMISSION;
    case EMSGSIZE: return ENETJS_ERR_TOO_LARGE;
    case EMFILE:
    case ENFILE: return ENETJS_ERR_LIMIT;
    default: return ENETJS_ERR_SOCKET;
  }
}

#endif

#ifndef MSG_DONTWAIT
#define MSG_DONTWAIT 0
#endif
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

int enetjs_pair(enetjs_fd ends[2]) {
  if (connect_pair(ends) != 0) return enetjs_socket_error_code(enetjs_socket_error());
  if (configure(ends[0]) == 0 && configure(ends[1]) == 0) return 0;
  enetjs_fd_close(ends[0]);
  enetjs_fd_close(ends[1]);
  return ENETJS_ERR_SOCKET;
}

void enetjs_fd_close_if_same(enetjs_fd fd, struct enetjs_fd_identity identity) {
  struct enetjs_fd_identity now = enetjs_fd_identify(fd);
  if (identity.inode != 0 && now.inode == identity.inode && now.device == identity.device) enetjs_fd_close(fd);
}

void enetjs_poke(enetjs_fd fd) {
  const char byte = 1;
  (void)!send(fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void enetjs_drain(enetjs_fd fd) {
  char bytes[256];
  while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) == (int)sizeof(bytes)) {
  }
}
