/*
 * Descriptors beside ENet's socket, on POSIX and on Windows: what wakes threads, poll(), and what an error of
 * a socket call means. Nothing here has state of its own, so any thread may call.
 */
#include "base/net.h"

#include <errno.h>
#include <string.h>

#include "enetjs.h"

/* How long a connection over the loopback interface may take. It is made by the system alone. */
#define CONNECT_MS 2000

#if defined(_WIN32)

#include <ws2tcpip.h>

static enetjs_fd open_socket(int family, int type) {
  return WSASocketW(family, type, 0, NULL, 0, WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
}

/* A wake-up is one byte; TCP must send it at once. */
static int configure(enetjs_fd fd) {
  u_long on = 1;
  BOOL at_once = TRUE;
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, (const char *)&at_once, sizeof(at_once)) != 0) return -1;
  return ioctlsocket(fd, FIONBIO, &on);
}

/*
 * Whether the accepted end is connected to `other`, and not to another program that has found the listener.
 */
static bool connected_to(enetjs_fd accepted, enetjs_fd other) {
  struct sockaddr_in theirs, ours;
  int length = sizeof(theirs), own_length = sizeof(ours);
  return getpeername(accepted, (struct sockaddr *)&theirs, &length) == 0 &&
         getsockname(other, (struct sockaddr *)&ours, &own_length) == 0 &&
         theirs.sin_addr.s_addr == ours.sin_addr.s_addr && theirs.sin_port == ours.sin_port;
}

static enetjs_fd accept_from(enetjs_fd listener, enetjs_fd other) {
  for (;;) {
    enetjs_fd accepted = accept(listener, NULL, NULL);
    if (accepted == ENETJS_FD_NONE) return accepted;
    if (SetHandleInformation((HANDLE)accepted, HANDLE_FLAG_INHERIT, 0) && connected_to(accepted, other))
      return accepted;
    enetjs_fd_close(accepted);
  }
}

/* Windows has no socketpair: a listener on the loopback interface, one connection, listener closed. */
static int connect_pair(enetjs_fd ends[2]) {
  struct sockaddr_in address;
  int length = sizeof(address);
  enetjs_fd listener = open_socket(AF_INET, SOCK_STREAM);
  ends[0] = ends[1] = ENETJS_FD_NONE;
  if (listener == ENETJS_FD_NONE) return -1;
  memset(&address, 0, sizeof(address));
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 1) != 0 ||
      getsockname(listener, (struct sockaddr *)&address, &length) != 0)
    goto failed;
  ends[0] = open_socket(AF_INET, SOCK_STREAM);
  if (ends[0] == ENETJS_FD_NONE || connect(ends[0], (struct sockaddr *)&address, length) != 0) goto failed;
  ends[1] = accept_from(listener, ends[0]);
  if (ends[1] == ENETJS_FD_NONE) goto failed;
  enetjs_fd_close(listener);
  return 0;
failed:
  if (ends[0] != ENETJS_FD_NONE) enetjs_fd_close(ends[0]);
  enetjs_fd_close(listener);
  return -1;
}

enetjs_fd enetjs_udp_socket(bool ipv6) { return open_socket(ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM); }

static enetjs_fd tcp_socket(void) { return open_socket(AF_INET, SOCK_STREAM); }

static bool in_progress(int error) { return error == WSAEWOULDBLOCK; }
static bool interrupted(int error) { return error == WSAEINTR; }

struct enetjs_fd_identity enetjs_fd_identify(enetjs_fd fd) {
  struct enetjs_fd_identity none = {0};
  (void)fd;
  return none;
}

void enetjs_fd_close(enetjs_fd fd) { closesocket(fd); }

int enetjs_poll(enetjs_pollfd *fds, unsigned count, int timeout_ms) {
  return WSAPoll(fds, count, timeout_ms);
}

int enetjs_socket_error(void) { return WSAGetLastError(); }
void enetjs_socket_error_clear(void) { WSASetLastError(0); }

bool enetjs_socket_error_fatal(int error) { return error == WSAENOTSOCK || error == WSAENOTCONN; }

bool enetjs_socket_error_no_way(int error) {
  return error == WSAENETUNREACH || error == WSAEHOSTUNREACH || error == WSAENETDOWN ||
         error == WSAEADDRNOTAVAIL || error == WSAEACCES;
}

int enetjs_socket_error_code(int error) {
  switch (error) {
    case WSAEADDRINUSE: return ENETJS_ERR_ADDRESS_IN_USE;
    case WSAEADDRNOTAVAIL: return ENETJS_ERR_ADDRESS_UNAVAILABLE;
    case WSAEACCES: return ENETJS_ERR_PERMISSION;
    case WSAEMSGSIZE: return ENETJS_ERR_TOO_LARGE;
    case WSAEMFILE: return ENETJS_ERR_LIMIT;
    case WSAEAFNOSUPPORT: return ENETJS_ERR_ADDRESS_FAMILY;
    default: return ENETJS_ERR_SOCKET;
  }
}

#else

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#ifdef __linux__
#include <sys/eventfd.h>
#endif
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

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

static enetjs_fd tcp_socket(void) { return open_socket(AF_INET, SOCK_STREAM); }

static bool in_progress(int error) { return error == EINPROGRESS; }
static bool interrupted(int error) { return error == EINTR; }

static int configure(enetjs_fd fd) {
#if defined(SO_NOSIGPIPE)
  int on = 1;
  if (setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on)) != 0) return -1;
#endif
  if (!close_on_exec(fd)) return -1;
  return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL, 0) | O_NONBLOCK);
}

static int connect_pair(enetjs_fd ends[2]) {
  return socketpair(AF_UNIX, SOCK_STREAM | CLOSE_ON_EXEC, 0, ends);
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

/* Waits until a connection that is being made has been made. */
static bool is_connected(enetjs_fd fd) {
  enetjs_pollfd writable = {.fd = fd, .events = POLLOUT};
  int error = 0, ready;
  socklen_t bytes = sizeof(error);
  do {
    ready = enetjs_poll(&writable, 1, CONNECT_MS);
  } while (ready < 0 && interrupted(enetjs_socket_error()));
  return ready == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, (void *)&error, &bytes) == 0 && error == 0;
}

static bool greet(enetjs_fd fd, uint16_t port, const uint8_t *greeting, int bytes) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  int at_once = 1; /* a wake-up is one byte, which must not wait for others */
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (configure(fd) != 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, (void *)&at_once, sizeof(at_once)) != 0)
    return false;
  if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 && !in_progress(enetjs_socket_error()))
    return false;
  return is_connected(fd) && send(fd, (const void *)greeting, bytes, MSG_NOSIGNAL) == bytes;
}

int enetjs_connect_loopback(enetjs_fd *fd, uint16_t port, const uint8_t *greeting, int bytes) {
  *fd = tcp_socket();
  if (*fd == ENETJS_FD_NONE) return enetjs_socket_error_code(enetjs_socket_error());
  if (greet(*fd, port, greeting, bytes)) return 0;
  enetjs_fd_close(*fd);
  return ENETJS_ERR_SOCKET;
}

void enetjs_fd_close_forgotten(enetjs_fd fd, struct enetjs_fd_identity identity, enetjs_fd other_end) {
  struct enetjs_fd_identity now;
  /* Nothing is sent from the other end. macOS tells of its end only where something is waited for. */
  enetjs_pollfd other = {.fd = other_end, .events = POLLIN};
  enetjs_poll(&other, 1, 0);
  if (other.revents != 0) return; /* hung up: `fd` is closed, and its number may belong to another file */
  now = enetjs_fd_identify(fd);
  if (identity.inode != 0 && now.inode == identity.inode && now.device == identity.device)
    enetjs_fd_close(fd);
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

#ifdef __linux__

int enetjs_waker_open(struct enetjs_waker *waker) {
  waker->read = waker->write = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return waker->read == ENETJS_FD_NONE ? enetjs_socket_error_code(errno) : 0;
}

void enetjs_waker_signal(const struct enetjs_waker *waker) {
  (void)!eventfd_write(waker->write, 1); /* fails only when so many signals wait that it is readable anyway */
}

void enetjs_waker_clear(const struct enetjs_waker *waker) {
  eventfd_t signals;
  (void)!eventfd_read(waker->read, &signals);
}

void enetjs_waker_close(const struct enetjs_waker *waker) { enetjs_fd_close(waker->read); }

#else

int enetjs_waker_open(struct enetjs_waker *waker) {
  enetjs_fd ends[2];
  int error = enetjs_pair(ends);
  if (error < 0) return error;
  waker->read = ends[0];
  waker->write = ends[1];
  return 0;
}

void enetjs_waker_signal(const struct enetjs_waker *waker) { enetjs_poke(waker->write); }

void enetjs_waker_clear(const struct enetjs_waker *waker) { enetjs_drain(waker->read); }

void enetjs_waker_close(const struct enetjs_waker *waker) {
  enetjs_fd_close(waker->read);
  enetjs_fd_close(waker->write);
}

#endif
