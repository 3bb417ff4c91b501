/**
 * @file net.h
 * @brief Socket calls beside ENet's: what wakes threads, poll(), options and errors. Any thread may call.
 *
 * net_posix.c and net_windows.c have what differs between systems, net.c the rest.
 */
#ifndef ENETJS_NET_H
#define ENETJS_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#include <winsock2.h>
#include <ws2tcpip.h>
typedef SOCKET enetjs_fd;
typedef WSAPOLLFD enetjs_pollfd;
#define ENETJS_FD_NONE INVALID_SOCKET
#else
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
typedef int enetjs_fd;
typedef struct pollfd enetjs_pollfd;
#define ENETJS_FD_NONE (-1)
#endif

/** An address of the system. */
union enetjs_sockaddr {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
};

/**
 * Creates two connected, non-blocking stream sockets (AF_UNIX, or loopback TCP where that lacks), which no
 * child process inherits.
 * @returns 0, or a negative ENETJS_ERR_… code
 */
int enetjs_pair(enetjs_fd ends[2]);

/** The part of enetjs_pair that differs between systems. @returns 0, or -1 with enetjs_socket_error */
int enetjs_pair_open(enetjs_fd ends[2]);

/** Makes a stream socket of ours non-blocking, and its bytes leave at once. @returns 0, or -1 */
int enetjs_stream_configure(enetjs_fd fd);

/** Creates a TCP socket of IPv4 that no child process inherits. @returns ENETJS_FD_NONE on failure */
enetjs_fd enetjs_tcp_socket(void);

/**
 * Connects a non-blocking socket, which no child process inherits, to a port of this machine's loopback
 * interface, within two seconds. Then it sends these bytes.
 * @returns 0, or a negative ENETJS_ERR_… code
 */
int enetjs_connect_loopback(enetjs_fd *fd, uint16_t port, const uint8_t *greeting, int bytes);

/**
 * Wakes a thread of ours in poll(): an eventfd on Linux, where both members are the same, else a pair of
 * sockets.
 */
struct enetjs_waker {
  enetjs_fd read, write;
};

/** @returns 0, or a negative ENETJS_ERR_… code */
int enetjs_waker_open(struct enetjs_waker *waker);

/** Makes `read` readable until it is cleared. Does not block; any thread may call it. */
void enetjs_waker_signal(const struct enetjs_waker *waker);

/** Takes all signals. For the thread that polls. */
void enetjs_waker_clear(const struct enetjs_waker *waker);

void enetjs_waker_close(const struct enetjs_waker *waker);

/**
 * Creates a UDP socket that no child process inherits, whose port no other program can take over, and on
 * which an ICMP message makes no call fail. @returns ENETJS_FD_NONE on failure
 */
enetjs_fd enetjs_udp_socket(bool ipv6);

/** Sets an option whose value is an integer. @returns whether the system has set it */
bool enetjs_socket_set(enetjs_fd fd, int level, int option, int value);

/** Reads such an option. @returns whether the system knows it */
bool enetjs_socket_get(enetjs_fd fd, int level, int option, int *value);

/**
 * Sends one byte, without blocking and without SIGPIPE. Where the buffer is full, the reader is woken
 * already.
 */
void enetjs_poke(enetjs_fd fd);

/** Reads and drops everything that has arrived. */
void enetjs_drain(enetjs_fd fd);

void enetjs_fd_close(enetjs_fd fd);

/**
 * Which file a descriptor refers to. The number of a descriptor does not tell: it is used again after a
 * close.
 */
struct enetjs_fd_identity {
  uint64_t device, inode; /**< zero where the system has no such thing */
};

struct enetjs_fd_identity enetjs_fd_identify(enetjs_fd fd);

/**
 * Closes the end of a pair that a runtime was given, unless the runtime has closed it. To be called at the
 * exit of the thread of that runtime: the runtime closes the descriptor on that thread or never. So the
 * number cannot become another file's between the look and the close.
 * @param other_end of the pair, or ENETJS_FD_NONE when that is closed
 */
void enetjs_fd_close_forgotten(enetjs_fd fd, struct enetjs_fd_identity identity, enetjs_fd other_end);

/** poll() that is restarted after a signal. @param timeout_ms -1 waits without end */
int enetjs_poll(enetjs_pollfd *fds, unsigned count, int timeout_ms);

/* What an error of a socket call means. */

/** The error of the last socket call on this thread. */
int enetjs_socket_error(void);
void enetjs_socket_error_clear(void);

/** Whether a call that would have had to wait was given up. */
bool enetjs_socket_error_would_block(int error);

/** Whether a connection is being made, which a non-blocking socket does not wait for. */
bool enetjs_socket_error_in_progress(int error);

/** Whether a signal has ended a call. */
bool enetjs_socket_error_interrupted(int error);

/** Whether a socket call that failed with this error can never succeed again. */
bool enetjs_socket_error_fatal(int error);

/**
 * Whether a datagram with this error was not sent because there is no route to its address, or none that is
 * allowed.
 */
bool enetjs_socket_error_no_way(int error);

/**
 * Whether a call on a UDP socket may have failed because of an ICMP message about an earlier datagram, which
 * has nothing to do with the call.
 */
bool enetjs_socket_error_reported(int error);

/**
 * Whether the error may mean that the system refuses segmentation (udp.h): the device computes no checksums,
 * a segment is larger than the path's MTU, or the socket has no checksums. It does mean that if the
 * datagrams can be sent one by one.
 */
bool enetjs_socket_error_segmentation(int error);

/** The ENETJS_ERR_… code for an error of socket, bind or sendto. */
int enetjs_socket_error_code(int error);

#endif
