/* The functions of net.h on Windows. */
#if defined(_WIN32)

#include "base/net.h"

#include <string.h>

#include "enetjs.h"

#ifndef SIO_UDP_CONNRESET
#define SIO_UDP_CONNRESET _WSAIOW(IOC_VENDOR, 12)
#endif

static enetjs_fd open_socket(int family, int type) {
  return WSASocketW(family, type, 0, NULL, 0, WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
}

/* A wake-up is one byte; TCP must send it at once. */
int enetjs_stream_configure(enetjs_fd fd) {
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

int enetjs_pair_open(enetjs_fd ends[2]) {
  int error;
  if (connect_pair(ends) != 0) return -1;
  if (enetjs_stream_configure(ends[0]) == 0 && enetjs_stream_configure(ends[1]) == 0) return 0;
  error = WSAGetLastError();
  closesocket(ends[0]);
  closesocket(ends[1]);
  WSASetLastError(error);
  return -1;
}

/*
 * Without SO_EXCLUSIVEADDRUSE another program could bind the same port, and get our datagrams. With
 * SIO_UDP_CONNRESET on, as it is by default, an ICMP message about a datagram makes a later receive fail.
 */
enetjs_fd enetjs_udp_socket(bool ipv6) {
  enetjs_fd fd = open_socket(ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM);
  BOOL off = FALSE;
  DWORD bytes = 0;
  if (fd == ENETJS_FD_NONE) return fd;
  (void)enetjs_socket_set(fd, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1);
  (void)WSAIoctl(fd, SIO_UDP_CONNRESET, &off, sizeof(off), NULL, 0, &bytes, NULL, NULL);
  return fd;
}

enetjs_fd enetjs_tcp_socket(void) { return open_socket(AF_INET, SOCK_STREAM); }

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

bool enetjs_socket_error_would_block(int error) { return error == WSAEWOULDBLOCK; }

bool enetjs_socket_error_in_progress(int error) { return error == WSAEWOULDBLOCK; }

bool enetjs_socket_error_interrupted(int error) { return error == WSAEINTR; }

bool enetjs_socket_error_fatal(int error) { return error == WSAENOTSOCK || error == WSAENOTCONN; }

bool enetjs_socket_error_no_way(int error) {
  return error == WSAENETUNREACH || error == WSAEHOSTUNREACH || error == WSAENETDOWN ||
         error == WSAEADDRNOTAVAIL || error == WSAEACCES;
}

bool enetjs_socket_error_reported(int error) { return error == WSAECONNRESET || error == WSAENETRESET; }

bool enetjs_socket_error_segmentation(int error) {
  return error == WSAEINVAL || error == WSAEMSGSIZE || error == WSAENOPROTOOPT || error == WSAEOPNOTSUPP;
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

typedef int enetjs_no_windows_net; /* a file of C is not empty */

#endif
