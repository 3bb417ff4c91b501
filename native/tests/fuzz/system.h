/**
 * @file system.h
 * @brief A simulated system for the fuzzer: the socket calls, the clocks and the random numbers.
 *
 * These are the system's own functions, defined once more in the test program. The ordinary lookup of
 * symbols finds these first, so libenetjs and libenet run unchanged and the fuzzer needs no system
 * call: datagrams come from an inbox, what is sent goes to `simulated.deliver`, and time moves only
 * when the fuzzer moves it. Everything is decided by the fuzzer, so a run can be repeated.
 */
#ifndef ENETJS_TESTS_FUZZ_SYSTEM_H
#define ENETJS_TESTS_FUZZ_SYSTEM_H

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "../consumer.h"

#ifndef SOL_UDP
#define SOL_UDP 17
#endif
#define SYSTEM_SEGMENT 103 /* UDP_SEGMENT */
#define SYSTEM_GRO 104     /* UDP_GRO */
#define SYSTEM_INBOX 64
#define SYSTEM_DATAGRAM 5000 /* longer than the longest that ENet takes */

struct system_datagram {
  uint32_t address; /* host byte order */
  uint16_t port;
  size_t length;
  uint8_t bytes[SYSTEM_DATAGRAM];
};

static struct {
  _Atomic uint64_t now_us; /* also read by the background of the library */
  int64_t wall_us; /* what the wall clock is ahead of the other one */
  uint64_t random;
  struct system_datagram inbox[SYSTEM_INBOX];
  unsigned queued, taken;
  bool ipv6;                     /* the host's socket is one of IPv6 */
  /* gives consecutive datagrams of one sender as one message, as UDP_GRO does */
  bool joins;
  int receive_error, send_error; /* of the next such call, or 0 */
  uint64_t own_ns;               /* CPU time that these functions have taken */
  void (*deliver)(uint32_t address, uint16_t port, uint8_t *bytes, size_t length);
} simulated;

/* ---- Addresses ------------------------------------------------------------------------------- */

/*
 * Over an IPv6 socket, half of the addresses are of IPv6: two of them share a /64, and the last word tells
 * which it is.
 */
static bool system_is_ipv6(uint32_t address) { return simulated.ipv6 && address % 2 == 1; }

static void system_words(uint32_t address, uint32_t *words) {
  bool ipv6 = system_is_ipv6(address);
  words[0] = ipv6 ? 0x20010DB8 : 0;
  words[1] = ipv6 ? address / 4 : 0;
  words[2] = ipv6 ? 0 : 0xFFFF;
  words[3] = address;
}

static socklen_t system_name(void *name, uint32_t address, uint16_t port) {
  struct sockaddr_in v4 = {0};
  struct sockaddr_in6 v6 = {0};
  uint32_t words[4];
  v4.sin_family = AF_INET;
  v6.sin6_family = AF_INET6;
  v4.sin_port = v6.sin6_port = htons(port);
  v4.sin_addr.s_addr = htonl(address);
  system_words(address, words);
  for (unsigned i = 0; i < 4; i++) words[i] = htonl(words[i]);
  memcpy(&v6.sin6_addr, words, sizeof(words));
  memcpy(name, simulated.ipv6 ? (void *)&v6 : (void *)&v4, simulated.ipv6 ? sizeof(v6) : sizeof(v4));
  return simulated.ipv6 ? sizeof(v6) : sizeof(v4);
}

/* Nothing is sent to an address that is none of these. */
static uint32_t system_address_of(const struct sockaddr *name) {
  struct sockaddr_in6 expected;
  uint32_t address;
  if (!simulated.ipv6) return ntohl(((const struct sockaddr_in *)(const void *)name)->sin_addr.s_addr);
  memcpy(&address, ((const struct sockaddr_in6 *)(const void *)name)->sin6_addr.s6_addr + 12,
         sizeof(address));
  system_name(&expected, ntohl(address), 0);
  CHECK(memcmp(&expected.sin6_addr, &((const struct sockaddr_in6 *)(const void *)name)->sin6_addr,
               sizeof(expected.sin6_addr)) == 0);
  return ntohl(address);
}

/* ---- The real clock ------------------------------------------------------------------------- */

/** What this thread has really computed for, in nanoseconds. */
static uint64_t system_cpu_ns(void) {
  struct timespec time;
  syscall(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* ---- The way in ------------------------------------------------------------------------------ */

/** @returns where to write a datagram that the host is to receive, or NULL when the inbox is full */
static struct system_datagram *system_queue(void) {
  if (simulated.taken == simulated.queued) simulated.taken = simulated.queued = 0;
  return simulated.queued < SYSTEM_INBOX ? &simulated.inbox[simulated.queued++] : NULL;
}

static bool joins_last(const struct system_datagram *next, const struct system_datagram *first, size_t last) {
  return simulated.joins && next->address == first->address && next->port == first->port &&
         last == first->length && next->length <= first->length && next->length > 0;
}

static void set_joined(struct msghdr *header, int segment) {
  struct cmsghdr *part = header->msg_control;
  part->cmsg_level = SOL_UDP;
  part->cmsg_type = SYSTEM_GRO;
  part->cmsg_len = CMSG_LEN(sizeof(segment));
  memcpy(CMSG_DATA(part), &segment, sizeof(segment));
  header->msg_controllen = CMSG_SPACE(sizeof(segment));
}

static size_t receive_one(struct msghdr *header) {
  const struct system_datagram *first = &simulated.inbox[simulated.taken], *next = first;
  size_t room = header->msg_iov->iov_len, length = 0, last;
  unsigned joined = 0;
  header->msg_flags = 0;
  do {
    last = next->length < room - length ? next->length : room - length;
    if (last < next->length) header->msg_flags = MSG_TRUNC;
    memcpy((uint8_t *)header->msg_iov->iov_base + length, next->bytes, last);
    length += last;
    joined++;
    next = &simulated.inbox[++simulated.taken];
  } while (simulated.taken < simulated.queued && joins_last(next, first, last) &&
           length + next->length <= room);
  header->msg_namelen = system_name(header->msg_name, first->address, first->port);
  if (joined > 1)
    set_joined(header, (int)first->length);
  else
    header->msg_controllen = 0;
  return length;
}

static ssize_t receive_message(struct msghdr *header) {
  errno = simulated.receive_error ? simulated.receive_error : EAGAIN;
  simulated.receive_error = 0;
  return errno != EAGAIN || simulated.taken == simulated.queued ? -1 : (ssize_t)receive_one(header);
}

/* The queue of errors is always empty. */
ENETJS_API ssize_t recvmsg(int fd, struct msghdr *header, int flags) {
  uint64_t before = system_cpu_ns();
  ssize_t length = -1;
  (void)fd;
  if (flags & MSG_ERRQUEUE)
    errno = EAGAIN;
  else
    length = receive_message(header);
  simulated.own_ns += system_cpu_ns() - before;
  return length;
}

ENETJS_API int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
                        struct timespec *timeout) {
  uint64_t before = system_cpu_ns();
  unsigned received = 0;
  (void)fd, (void)flags, (void)timeout;
  for (; received < count; received++) {
    ssize_t length = receive_message(&messages[received].msg_hdr);
    if (length < 0) break;
    messages[received].msg_len = (unsigned)length;
  }
  simulated.own_ns += system_cpu_ns() - before;
  return received > 0 ? (int)received : -1;
}

/* ---- The way out ----------------------------------------------------------------------------- */

static size_t segment_to_send(struct msghdr *header, size_t length) {
  struct cmsghdr *part = header->msg_control ? CMSG_FIRSTHDR(header) : NULL;
  uint16_t segment;
  if (!part || part->cmsg_type != SYSTEM_SEGMENT) return length;
  memcpy(&segment, CMSG_DATA(part), sizeof(segment));
  return segment;
}

static ssize_t send_message(const struct msghdr *message) {
  static uint8_t bytes[65536];
  struct msghdr header = *message;
  uint32_t address = system_address_of(header.msg_name);
  uint16_t port = ((const struct sockaddr_in *)header.msg_name)->sin_port; /* in the same place for IPv6 */
  size_t length = 0, segment;
  errno = simulated.send_error;
  simulated.send_error = 0;
  if (errno) return -1;
  for (size_t i = 0; i < header.msg_iovlen; i++) {
    CHECK(length + header.msg_iov[i].iov_len <= sizeof(bytes));
    if (header.msg_iov[i].iov_len > 0)
      memcpy(bytes + length, header.msg_iov[i].iov_base, header.msg_iov[i].iov_len);
    length += header.msg_iov[i].iov_len;
  }
  segment = segment_to_send(&header, length);
  for (size_t at = 0; at < length; at += segment)
    simulated.deliver(address, ntohs(port), bytes + at, length - at < segment ? length - at : segment);
  return (ssize_t)length;
}

ENETJS_API ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  uint64_t before = system_cpu_ns();
  ssize_t length = send_message(message);
  (void)fd, (void)flags;
  simulated.own_ns += system_cpu_ns() - before;
  return length;
}

ENETJS_API int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags) {
  uint64_t before = system_cpu_ns();
  unsigned sent = 0;
  (void)fd, (void)flags;
  for (; sent < count; sent++) {
    ssize_t length = send_message(&messages[sent].msg_hdr);
    if (length < 0) break;
    messages[sent].msg_len = (unsigned)length;
  }
  simulated.own_ns += system_cpu_ns() - before;
  return sent > 0 ? (int)sent : -1;
}

/* ---- Clocks and random numbers --------------------------------------------------------------- */

ENETJS_API int clock_gettime(clockid_t clock, struct timespec *time) {
  uint64_t now = simulated.now_us + (clock == CLOCK_REALTIME ? (uint64_t)simulated.wall_us : 0);
  time->tv_sec = (time_t)(now / 1000000);
  time->tv_nsec = (long)(now % 1000000 * 1000);
  return 0;
}

ENETJS_API int gettimeofday(struct timeval *restrict time, void *restrict zone) {
  uint64_t now = simulated.now_us + (uint64_t)simulated.wall_us;
  (void)zone;
  time->tv_sec = (time_t)(now / 1000000);
  time->tv_usec = (suseconds_t)(now % 1000000);
  return 0;
}

ENETJS_API ssize_t getrandom(void *out, size_t length, unsigned flags) {
  (void)flags;
  for (size_t i = 0; i < length; i++) ((uint8_t *)out)[i] = (uint8_t)test_random_u32(&simulated.random);
  return (ssize_t)length;
}

ENETJS_API int getentropy(void *out, size_t length) {
  getrandom(out, length, 0);
  return 0;
}

static uint64_t system_real_ms(void) {
  struct timespec time;
  syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

#endif
